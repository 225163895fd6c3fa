"""Exceptions that are reported as one line instead of a traceback."""

from __future__ import annotations

import errno

# What is wrong with a machine or a name rather than with a program, and what can be done.
_REMEDIES = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "give the path that the link should point to",
    errno.ENOTDIR: "give the path of a folder",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "give another path",
    errno.EACCES: "correct the permissions, or give another path",
    errno.EPERM: "correct the permissions, or give another path",
    errno.EIO: "check the disk, or give another path",
    errno.ESTALE: "check the disk, or give another path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
}
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


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


class ParameterServerLeaving(ParameterServerLost):
    """A parameter server was asked to end, and does so in order."""


def fault_of_the_machine(error: OSError) -> str | None:
    """Returns a line about an error that a user can mend; None for others.

    Example:
        >>> fault_of_the_machine(OSError(errno.ENOSPC, "No space left on device", "/data/a"))
        '/data/a: No space left on device; free some space'
    """
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    place = f"{error.filename}: " if error.filename is not None else ""
    if not place and error.errno in _OF_WRITING:
        # Such as to standard output, which is open already.
        place = "output cannot be written: "
    return f"{place}{error.strerror}; {remedy}"


def reason_of(error: BaseException) -> str:
    """Returns the message of an error in one line; its type if it has none.

    Example:
        >>> reason_of(ValueError("two\\nlines")), reason_of(EOFError())
        ('two lines', 'EOFError')
    """
    return " ".join(str(error).split()) or type(error).__name__
