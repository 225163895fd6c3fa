"""`python -m dbsl_tf.status` is `dbsl status`: see `dbsl_tf.cli.status`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.status import main

if __name__ == "__main__":
    run(main)
