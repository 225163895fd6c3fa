"""`python -m dbsl_tf.train` is `dbsl train`: see `dbsl_tf.cli.train`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.train import main

if __name__ == "__main__":
    run(main)
