"""`python -m dbsl_tf.run` is `dbsl run`: see `dbsl_tf.cli.run`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.run import main

if __name__ == "__main__":
    run(main)
