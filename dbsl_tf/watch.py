"""`python -m dbsl_tf.watch` is `dbsl watch`: see `dbsl_tf.cli.watch`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.watch import main

if __name__ == "__main__":
    run(main)
