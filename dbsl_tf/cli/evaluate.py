"""Evaluates a run on its test set: `python -m dbsl_tf.evaluate RUN [--checkpoint N]`.

It computes loss, top-1 and top-5 accuracy, the accuracy of each class and the confusion matrix in
this process, without a cluster. The run's report shows the accuracy of the classes from then on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbsl_tf.cli.command_line import CommandParser, add_checkpoint_option, use_program_of
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import print_line, tell

if TYPE_CHECKING:
    import numpy as np

    from dbsl_tf.data.training_data import TrainingData
    from dbsl_tf.evaluation.scores import ClassScores, Scores
    from dbsl_tf.results.run_directory import RunDirectory
    from dbsl_tf.results.stored_run import StoredRun


def main(arguments: Sequence[str]) -> int:
    """Evaluates a checkpoint; prints, writes and draws the results."""
    options = _parser().parse_args(arguments)
    _check_outputs(options)
    from dbsl_tf.common.terminal import Terminal
    from dbsl_tf.results.stored_run import StoredRun

    stored = StoredRun.read(options.run)
    use_program_of(stored.config, stored.directory)
    checkpoint = stored.checkpoint(options.checkpoint)
    data = _data(stored, options.data)
    if not data.class_names and (options.csv or options.plot):
        raise UserError(
            f"{options.run} is trained on {data.name}, which has no classes: there is no confusion "
            "to write or draw; leave out --csv and --plot"
        )
    evaluated = stored.evaluated(checkpoint)
    scores = _evaluate(stored, evaluated.weights, data)
    content = {
        "run": str(options.run),
        "commit": checkpoint.commit,
        "weights": evaluated.words,
        **scores.as_dict(),
    }
    if options.json != "-":
        from dbsl_tf.evaluation.report import print_scores

        console = Terminal()
        after = f"{options.run} after {checkpoint.commit} commits"
        print_line(console, after + evaluated.remark)
        print_scores(scores, console)
    _write(options, content, scores)
    _keep(stored.directory, options, content)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("evaluate", "No cluster is needed.")
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    add_checkpoint_option(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder to use instead of the run's data.dir"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write all results as JSON; -: print them, and no table"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write accuracy and confusions, one line per class"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw the confusion matrix to a .png, .svg or .pdf file",
    )
    return parser


def _check_outputs(options: argparse.Namespace) -> None:
    """Checks that all outputs can be written before the long part begins."""
    from dbsl_tf.common.figure_files import check_figure_path
    from dbsl_tf.common.files import check_writable

    if options.plot is not None:
        check_figure_path(options.plot)
    if options.json not in (None, "-"):
        check_writable(Path(options.json))
    if options.csv is not None:
        check_writable(options.csv)


def _data(stored: StoredRun, directory: Path | None) -> TrainingData:
    from dbsl_tf.common import onednn
    from dbsl_tf.data.configured import training_data

    # The number of training images does not matter here, and none has to be held out.
    section = stored.config.data.model_copy(update={"train_samples": None, "validation_samples": 0})
    if directory is not None:
        section = section.model_copy(update={"dir": directory})
    onednn.apply(stored.config.compute.onednn)
    data = training_data(section, stored.directory.arrays)
    if data.classes != stored.facts["classes"]:
        raise UserError(
            f"{section.dir or section.name} has {data.classes} classes, but the run was trained on "
            f"{stored.facts['classes']}; give the folder it was trained on with --data"
        )
    return data


def _evaluate(
    stored: StoredRun, weights: Sequence[np.ndarray], data: TrainingData
) -> ClassScores | Scores:
    from dbsl_tf.common.progress import LateProgress
    from dbsl_tf.common.quiet import import_tensorflow_quietly
    from dbsl_tf.common.waiting import waiting_on_terminal
    from dbsl_tf.data.changed_images import naming_changed_images

    with waiting_on_terminal("loading TensorFlow"):
        import_tensorflow_quietly()
        from dbsl_tf.evaluation.predicting import evaluate_on_test_set
        from dbsl_tf.resolved import settings_of

    with LateProgress("images") as progress, naming_changed_images(data):
        done = progress.of("evaluating", data.test_samples)
        settings = settings_of(stored.config, data.train_samples)
        return evaluate_on_test_set(settings, data, weights, done)


def _keep(directory: RunDirectory, options: argparse.Namespace, content: dict[str, Any]) -> None:
    """Keeps the results in the run's directory, for its report."""
    # With a thousand classes there would be a million confusions.
    kept = {name: value for name, value in content.items() if name not in ("run", "confusion")}
    data = None if options.data is None else str(options.data)
    try:
        directory.write_json(directory.evaluation, {**kept, "data": data})
    except (OSError, UserError) as error:
        tell(f"warning: the report of {options.run} cannot have these results ({error})")


def _write(
    options: argparse.Namespace, content: dict[str, Any], scores: ClassScores | Scores
) -> None:
    from dbsl_tf.common.files import write_whole_text
    from dbsl_tf.evaluation.scores import Scores

    if options.json == "-":
        print(json.dumps(content, indent=2))
    elif options.json is not None:
        write_whole_text(Path(options.json), json.dumps(content, indent=2) + "\n")
    if isinstance(scores, Scores):
        return
    if options.csv is not None:
        write_whole_text(options.csv, scores.to_csv())
    if options.plot is not None:
        from dbsl_tf.evaluation.figure import plot_scores

        plot_scores(scores, f"{options.run} after {content['commit']} commits", options.plot)
