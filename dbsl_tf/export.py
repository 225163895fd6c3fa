"""Save the model of a run: python -m dbsl_tf.export RUN [--output FILE]

The file is a Keras 3 model that opens without this package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf.command_line import run
from dbsl_tf.config import load_config
from dbsl_tf.errors import UserError
from dbsl_tf.quiet import import_tensorflow_quietly
from dbsl_tf.results.checkpoints import Checkpoints
from dbsl_tf.results.run_directory import RunDirectory


def main(arguments: Sequence[str]) -> int:
    """Read the newest checkpoint of a run and write its model."""
    parser = argparse.ArgumentParser(
        prog="python -m dbsl_tf.export", description="Save the model of a run."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="what to write (default RUN/model.keras)"
    )
    options = parser.parse_args(arguments)
    directory = RunDirectory(options.run)
    config = load_config(directory.configuration)
    checkpoint = Checkpoints(directory.checkpoints, config.checkpoint.keep).latest(
        lambda line: print(line, file=sys.stderr)
    )
    if checkpoint is None:
        raise UserError(f"{options.run} has no checkpoint to take the weights from")
    import_tensorflow_quietly()
    from dbsl_tf.models.export import save_keras3

    data = directory.read_json(directory.data)
    save_keras3(
        options.output or directory.model,
        name=config.model.name,
        stem=config.stem,
        classes=data["classes"],
        dropout=config.model.dropout,
        weights=checkpoint.weights,
        mean=data["mean"],
        standard_deviation=data["standard_deviation"],
    )
    return 0


if __name__ == "__main__":
    run(main)
