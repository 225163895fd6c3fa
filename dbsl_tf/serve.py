"""`python -m dbsl_tf.serve` is `dbsl serve`: see `dbsl_tf.cli.serve`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.serve import main

if __name__ == "__main__":
    run(main)
