"""`python -m dbsl_tf.audit` is `dbsl audit`: see `dbsl_tf.cli.audit`."""

from dbsl_tf.cli.audit import main
from dbsl_tf.cli.command_line import run

if __name__ == "__main__":
    run(main)
