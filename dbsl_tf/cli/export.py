"""Exports a run: `python -m dbsl_tf.export RUN [--format keras|savedmodel|npz|npy]`.

- keras: a Keras 3 file that loads without this package.
- savedmodel: a folder that serves raw images.
- npz: the history as arrays.
- npy: the same in the format that the authors' notebooks load.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.cli.command_line import CommandParser, add_checkpoint_option, use_program_of
from dbsl_tf.common.errors import UserError
from dbsl_tf.results.checkpoints import Checkpoint
from dbsl_tf.results.stored_run import StoredRun

if TYPE_CHECKING:
    from dbsl_tf.exporting.network import OwnNetwork, TrainedNetwork

# The default outputs.
_NAMES = {
    "keras": "model.keras",
    "savedmodel": "saved_model",
    "npz": "history.npz",
    "npy": "history.npy",
}


def main(arguments: Sequence[str]) -> int:
    """Reads a run and writes its model or its history."""
    options = _parser().parse_args(arguments)
    output = options.output or options.run / _NAMES[options.format]
    if options.format in ("keras", "savedmodel"):
        if options.format == "keras" and output.suffix != ".keras":
            raise UserError(f"--output is {output}; give a name that ends with .keras")
        _export_model(options, output)
    else:
        if options.checkpoint is not None:
            raise UserError(
                f"--checkpoint is {options.checkpoint}, but a history covers the whole run; it "
                "applies to --format keras or savedmodel"
            )
        _export_history(options, output)
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("export")
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument(
        "--format",
        choices=list(_NAMES),
        default="keras",
        help="keras: a file for keras.saving.load_model; savedmodel: a folder that serves uint8 "
        "images; npz: the history as arrays in the layout of the authors' files; npy: the same "
        "for numpy.load(FILE, allow_pickle=True).item(), as in their notebooks (default: "
        "keras)",
    )
    add_checkpoint_option(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"file or folder to write (default: {', '.join(_NAMES.values())} in RUN)",
    )
    return parser


def _export_model(options: argparse.Namespace, output: Path) -> None:
    stored = StoredRun.read(options.run)
    use_program_of(stored.config, stored.directory)
    checkpoint = stored.checkpoint(options.checkpoint)
    from dbsl_tf.common.waiting import waiting_on_terminal

    with waiting_on_terminal(f"writing {output}"):
        _write_model(options.format, output, stored, checkpoint)


def _write_model(form: str, output: Path, stored: StoredRun, checkpoint: Checkpoint) -> None:
    from dbsl_tf.common import onednn
    from dbsl_tf.common.quiet import import_tensorflow_quietly

    onednn.apply(stored.config.compute.onednn)
    import_tensorflow_quietly()
    network = _network(stored, checkpoint)
    if form == "keras":
        from dbsl_tf.exporting.keras_file import save_keras3

        save_keras3(output, network)
    else:
        from dbsl_tf.exporting.saved_model import save_saved_model

        save_saved_model(output, network)


def _network(stored: StoredRun, checkpoint: Checkpoint) -> TrainedNetwork | OwnNetwork:
    from dbsl_tf.config.registries import MODELS
    from dbsl_tf.exporting.network import OwnNetwork, TrainedNetwork

    config, weights = stored.config, stored.evaluated(checkpoint).weights
    if MODELS.is_builtin(config.model.name):
        return TrainedNetwork(
            name=config.model.name,
            stem=config.stem,
            classes=stored.facts["classes"],
            dropout=config.model.dropout,
            weights=weights,
            mean=stored.facts.get("mean"),
            standard_deviation=stored.facts.get("standard_deviation"),
        )
    from dbsl_tf.data.configured import training_data
    from dbsl_tf.resolved import settings_of

    data = training_data(config.data, stored.directory.arrays)
    return OwnNetwork(settings_of(config, data.train_samples), data, weights)


def _export_history(options: argparse.Namespace, output: Path) -> None:
    from dbsl_tf.authors_files.writing import save_npy, save_npz
    from dbsl_tf.results.checked_values import damaged
    from dbsl_tf.results.run_directory import RunDirectory
    from dbsl_tf.results.stored_objects import read_history

    directory = RunDirectory(options.run)
    directory.check_has_history()
    history = directory.history
    events = read_history(directory)
    if not any(event["event"] == "commit" for event in events):
        raise UserError(f"{history} has no commit; name the directory of a run of dbsl_tf.train")
    try:
        (save_npz if options.format == "npz" else save_npy)(output, events)
    except ValueError as error:
        raise damaged(history, str(error)) from error
