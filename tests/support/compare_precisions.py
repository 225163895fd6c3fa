"""`dbsl_tf.cli.compare_precisions` as if every processor computed in bfloat16."""

from __future__ import annotations

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.compare_precisions import main
from dbsl_tf.measuring import precision_comparison

if __name__ == "__main__":
    precision_comparison.may_gain = lambda workers, on_gpus: True
    run(main)
