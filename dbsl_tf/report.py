"""`python -m dbsl_tf.report` is `dbsl report`: see `dbsl_tf.cli.report`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.report import main

if __name__ == "__main__":
    run(main)
