"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """Bad input: configuration, command line, data or environment.

    The message is a single line that names the key or file, its value, what is
    allowed and what to do. Entry points print it and exit with status 2.
    """
