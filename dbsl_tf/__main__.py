"""`python -m dbsl_tf COMMAND` is `dbsl COMMAND`: see `dbsl_tf.cli.dbsl`."""

from dbsl_tf.cli.dbsl import start

if __name__ == "__main__":
    start()
