"""`python -m dbsl_tf.import_history` is `dbsl import_history`: see `dbsl_tf.cli.import_history`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.import_history import main

if __name__ == "__main__":
    run(main)
