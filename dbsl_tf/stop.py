"""`python -m dbsl_tf.stop` is `dbsl stop`: see `dbsl_tf.cli.stop`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.stop import main

if __name__ == "__main__":
    run(main)
