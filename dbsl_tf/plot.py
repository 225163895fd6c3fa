"""`python -m dbsl_tf.plot` is `dbsl plot`: see `dbsl_tf.cli.plot`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.plot import main

if __name__ == "__main__":
    run(main)
