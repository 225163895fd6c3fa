"""`dbsl_tf.measuring.precision_comparison` as if every processor computed in bfloat16."""

from __future__ import annotations

from dbsl_tf.command_line import run
from dbsl_tf.measuring import precision_comparison

if __name__ == "__main__":
    precision_comparison.may_gain = lambda workers, on_gpus: True
    run(precision_comparison.main)
