"""The versions of the software that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from dbsl_tf import __version__


def package_versions(*packages: str) -> dict[str, str]:
    """Returns the versions of this package, of Python and the installed ones of `packages`."""
    versions = {"dbsl_tf": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
