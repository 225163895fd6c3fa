"""`python -m dbsl_tf.sweep` is `dbsl sweep`: see `dbsl_tf.cli.sweep`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.sweep import main

if __name__ == "__main__":
    run(main)
