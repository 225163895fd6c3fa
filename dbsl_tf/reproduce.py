"""`python -m dbsl_tf.reproduce` is `dbsl reproduce`: see `dbsl_tf.cli.reproduce`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.reproduce import main

if __name__ == "__main__":
    run(main)
