"""Exceptions that are reported as one line instead of a traceback."""


class UserError(Exception):
    """Bad input: configuration, command line, data or environment.

    The message is a single line that names the key or file, its value, what is allowed and what to
    do. Commands print it and exit with status 2.
    """


class ClusterError(Exception):
    """Servers of the cluster are lost and the run cannot continue.

    The message is a single line that says what is lost and what to do. Commands print it and exit
    with status 1.
    """


class ParameterServerLost(ClusterError):
    """A parameter server is lost, and its part of the weights with it.

    Training can resume from a checkpoint once the server is back.
    """


def reason_of(error: BaseException) -> str:
    """Returns the message of an error in one line; its type if it has none.

    Example:
        >>> reason_of(ValueError("two\\nlines")), reason_of(EOFError())
        ('two lines', 'EOFError')
    """
    return " ".join(str(error).split()) or type(error).__name__
