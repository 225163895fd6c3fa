"""`python -m dbsl_tf.profile` is `dbsl profile`: see `dbsl_tf.cli.profile`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.profile import main

if __name__ == "__main__":
    run(main)
