"""Versions of installed packages."""

from __future__ import annotations

import platform
from importlib.metadata import version

from dbsl_tf.common.versions import package_versions


def test_versions_are_those_installed() -> None:
    versions = package_versions("numpy", "no-such-package-at-all")
    assert set(versions) == {"dbsl_tf", "python", "numpy"}
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == version("numpy")
