"""`python -m dbsl_tf.simulate` is `dbsl simulate`: see `dbsl_tf.cli.simulate`."""

from dbsl_tf.cli.command_line import run
from dbsl_tf.cli.simulate import main

if __name__ == "__main__":
    run(main)
