"""`python -m dbsl_tf.plan` is `dbsl plan`: see `dbsl_tf.cli.plan`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.plan import main

if __name__ == "__main__":
    run(main)
