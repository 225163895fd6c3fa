"""Measures dbsl_tf beside the alternatives, all on the same work and the same cores.

    python -m scripts.benchmark --output bench.json [--plot bench.png] [key=value ...]

The peers run one after another, in the opposite order in every other repeat, so that a machine that
becomes faster or slower favours none of them. Medians over the repeats are reported, and each peer
is compared with the ceiling of its own repeat. Runs that are already in the results file are not
measured again, so a benchmark of many hours can be done in parts, one model after another.
docs/performance.md says what the peers are and how they are measured. Needs: pip install
-r requirements.txt -r requirements-benchmark.txt
"""

from __future__ import annotations

if not __package__:  # started by its path
    import by_path  # noqa: F401

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from dbsl_tf.cli.command_line import run
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.figure_files import check_figure_path, save_figure
from dbsl_tf.common.files import check_writable
from dbsl_tf.common.onednn import decide
from dbsl_tf.config import load_config
from dbsl_tf.data.configured import prepare_data
from scripts.benchmarking import report
from scripts.benchmarking.instruction_sets import INSTRUCTION_SETS, variables
from scripts.benchmarking.keras_choice import KERAS
from scripts.benchmarking.link import check_link
from scripts.benchmarking.measurements import WARM_UP, measure
from scripts.benchmarking.pytorch import FORMS
from scripts.benchmarking.report import Kind
from scripts.benchmarking.stored_runs import StoredRuns
from scripts.benchmarking.supervision import PeerFailed, Watched, run_peer

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Peer:
    """How a peer is run.

    Attributes:
        module: the module that runs it.
        option: the module's option that chooses the form; None if there is only one.
        package: a package it needs in addition to those of dbsl_tf; None: the form names it.
    """

    module: str
    option: str | None = None
    package: str | None = None


PEERS = {
    "ceiling": Peer("scripts.benchmarking.ceiling"),
    "dbsl_tf": Peer("scripts.benchmarking.product"),
    "gradient_push": Peer("scripts.benchmarking.gradient_push", package="tf_keras"),
    "original": Peer("scripts.benchmarking.original", "keras"),
    "keras_fit": Peer("scripts.benchmarking.keras_fit", "keras"),
    "pytorch": Peer("scripts.benchmarking.pytorch", "form", "torch"),
}
METHOD = (
    "images/s: each worker from the beginning of its second mini-epoch to that of its last, added "
    "up; without start-up, evaluation and checkpoints. CPU seconds of all processes of the peer, "
    "and bytes sent over loopback in its own network namespace (TCP headers included), from the "
    "middle of the second mini-epoch to the middle of the last. Memory: largest VmHWM of a process "
    "of the role. Start-up: from the command to the first step with everything traced; of Keras "
    "fit to the end of the first step. Medians over repeats; ratios within each repeat."
)


def main(arguments: Sequence[str]) -> int:
    """Runs the peers in turn and reports the results."""
    options = parse(arguments)
    kinds = kinds_of(options)
    settings = {model: settings_of(options, model) for model in options.models}
    stored = StoredRuns(options.output, METHOD, settings, report.machine())
    for model in options.models:
        prepare_data(load_config(*configuration(options, model)).data)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.update(variables(options.isa, os.environ))
    console, failures = Console(stderr=True), []
    for repeat in range(options.repeats):
        for kind in kinds if repeat % 2 == 0 else kinds[::-1]:
            if stored.has(kind, repeat):
                continue
            name = " ".join(filter(None, kind))
            console.print(f"repeat {repeat + 1} of {options.repeats}: {name}", highlight=False)
            try:
                watched = run_peer(command(options, kind), options.timeout, options.network_gbit)
            except PeerFailed as failure:
                failures.append(f"{name}: {failure}")
                console.print(f"failed: {failure}", highlight=False, markup=False)
                continue
            measured = figures(watched)
            console.print(f"  {measured['images_per_second']:.1f} images/s", highlight=False)
            stored.add(kind, repeat, measured)
    show(options, report.results(stored.runs))
    if failures:
        raise ClusterError(f"{len(failures)} run(s) failed: {'; '.join(failures)}")
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options, checked before any long run begins.

    Raises:
        UserError: one of them is wrong.
    """
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=f"peers: {', '.join(PEERS)}"
    )
    parser.add_argument(
        "--config", help="configuration (default: scripts/benchmarking/MODEL.yaml for each model)"
    )
    parser.add_argument("--peers", type=_names, default=list(PEERS), help="default all")
    parser.add_argument(
        "--models",
        type=_names,
        default=["resnet8", "resnet20", "resnet18"],
        help="models to train; also resnet50, mobilenet_v2 (default: resnet8,resnet20,resnet18)",
    )
    parser.add_argument(
        "--keras",
        type=_names,
        default=list(KERAS),
        help="for original and keras_fit (default: both)",
    )
    parser.add_argument(
        "--pytorch", type=_names, default=list(FORMS), help="for pytorch (default: both)"
    )
    parser.add_argument(
        "--isa",
        choices=INSTRUCTION_SETS,
        help="limit every peer to these instructions (default: all that the processor has)",
    )
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument(
        "--mini-epochs",
        type=int,
        default=5,
        help="mini-epochs of each worker; the first and last are not measured (default: 5)",
    )
    parser.add_argument(
        "--timeout", type=float, default=900.0, help="seconds a run may take (default: 900)"
    )
    parser.add_argument(
        "--network-gbit",
        type=float,
        help="make all traffic of a peer share a link of so many Gbit/s; default: the speed of "
        "loopback",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="file for the results, JSON; runs in it are kept"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--plot", type=Path, help="draw a bar chart to a .png, .svg or .pdf file")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args(arguments)
    for option, given, known in (
        ("--peers", options.peers, PEERS),
        ("--keras", options.keras, KERAS),
        ("--pytorch", options.pytorch, FORMS),
    ):
        for name in given:
            if name not in known:
                raise UserError(f"{option} is {name}; give some of {', '.join(known)}")
    if options.repeats < 1:
        raise UserError(f"--repeats is {options.repeats}; give 1 or more")
    if options.mini_epochs < WARM_UP + 2:
        raise UserError(f"--mini-epochs is {options.mini_epochs}; give {WARM_UP + 2} or more")
    for model in options.models:
        if load_config(*configuration(options, model)).compute.precision == "auto":
            raise UserError(
                "compute.precision is auto, but all peers must compute in the same precision; "
                "give float32 or mixed_bfloat16"
            )
    check_link(options.network_gbit)
    check_writable(options.output)
    if options.plot:
        check_figure_path(options.plot)
    for name, form, _ in kinds_of(options):
        package = PEERS[name].package or form
        if package and not find_spec(package):
            raise UserError(
                f"--peers has {name}, which needs {package}: pip install -r "
                "requirements-benchmark.txt, or give others"
            )
    return options


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def kinds_of(options: argparse.Namespace) -> list[Kind]:
    """Returns what is run in each repeat, model by model."""
    chosen = {"keras": options.keras, "form": options.pytorch, None: [None]}
    return [
        (peer, form, model)
        for model in options.models
        for peer in options.peers
        for form in chosen[PEERS[peer].option]
    ]


def settings_of(options: argparse.Namespace, model: str) -> dict:
    """Returns everything that the figures of a model depend on, except the machine."""
    config = load_config(*configuration(options, model))
    return {
        "mini_epochs": options.mini_epochs,
        "network_gbit": options.network_gbit,
        "isa": options.isa,
        # With auto, this depends on the environment.
        "onednn": decide(config.compute.onednn, os.environ).on,
        "workload": config.model_dump(mode="json"),
    }


def configuration(options: argparse.Namespace, model: str) -> tuple[str, list[str]]:
    """Returns the configuration file and the overrides for a model.

    Raises:
        UserError: there is no configuration for it.
    """
    default = ROOT / "scripts" / "benchmarking" / f"{model}.yaml"
    if options.config is None and not default.exists():
        raise UserError(f"--models is {model}, for which there is no {default}; give --config")
    return str(options.config or default), [f"model.name={model}", *options.overrides]


def command(options: argparse.Namespace, kind: Kind) -> list[str]:
    """Returns the Python arguments that run a peer."""
    name, form, model = kind
    peer = PEERS[name]
    config, overrides = configuration(options, model)
    choice = [f"--{peer.option}", form] if form else []
    mini_epochs = ["--mini-epochs", str(options.mini_epochs)]
    return ["-m", peer.module, "--config", config, *choice, *mini_epochs, *overrides]


def figures(watched: Watched) -> dict:
    """Returns the figures of one run."""
    measured = measure(watched.printed, watched.samples, watched.began)
    return {**measured, "peak_bytes": watched.peak_bytes, "own_network": int(watched.own_network)}


def show(options: argparse.Namespace, entries: list[dict]) -> None:
    """Prints the tables and draws the bars."""
    # Wide enough for every column, and in Markdown for every line.
    width = 200 if options.markdown else None if sys.stdout.isatty() else 140
    console = Console(width=width)
    for model in options.models:
        console.print(report.table(entries, model, options.network_gbit, options.markdown))
    if options.plot and entries:
        save_figure(report.figure(entries, options.network_gbit), options.plot)


if __name__ == "__main__":
    run(main)
