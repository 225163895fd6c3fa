"""`python -m dbsl_tf.evaluate` is `dbsl evaluate`: see `dbsl_tf.cli.evaluate`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.evaluate import main

if __name__ == "__main__":
    run(main)
