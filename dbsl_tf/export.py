"""`python -m dbsl_tf.export` is `dbsl export`: see `dbsl_tf.cli.export`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.export import main

if __name__ == "__main__":
    run(main)
