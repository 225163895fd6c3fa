"""Exceptions that are reported as one line instead of a traceback."""


class UserError(Exception):
    """Bad input: configuration, command line, data or environment.

    The message is a single line that names the key or file, its value, what is
    allowed and what to do. Entry points print it and exit with status 2.
    """


class ClusterError(Exception):
    """Servers of the cluster are gone and the run cannot go on; entry points exit with status 1.

    The message is a single line that names what is gone and what to do.
    """


class ParameterServerLost(ClusterError):
    """A parameter server is gone, and its part of the weights with it.

    Training can go on from a checkpoint once the server is back.
    """
