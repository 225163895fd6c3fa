"""Has commands import what they need from where it is installed.

Python prefers whatever lies in the working directory and in the folders of PYTHONPATH: a `rich.py`
or `random.py` there would take the place of the package or of Python's own module. This module is
imported first of all, and imports only what Python itself has loaded by then. So nothing can be
done about a file with the name of one of the modules that Python loads before the first line of a
command, such as `types.py` or `functools.py`: Python does not get that far.
"""

from __future__ import annotations

import importlib.machinery
import os
import site
import sys
from collections.abc import Sequence
from types import ModuleType

# What the requirements install, and what else they use if it is there.
_PACKAGES = frozenset(
    "PIL _yaml absl annotated_types array_record astunparse attr attrs certifi charset_normalizer "
    "clang cloudpickle contourpy cycler dateutil docstring_parser etils filelock flatbuffers "
    "fontTools gast google grpc h5py idna immutabledict jinja2 joblib kagglehub kagglesdk keras "
    "keras_core keras_cv kiwisolver markdown_it markupsafe matplotlib mdurl ml_dtypes "
    "mpl_toolkits namex narwhals numpy opt_einsum optree packaging pasta platformdirs pooch "
    "prometheus_client promise psutil pyarrow pydantic pydantic_core pygments pylab pyparsing "
    "regex requests rich ruamel scipy setuptools simple_parsing simpy six sklearn tensorboard "
    "tensorflow tensorflow_datasets tensorflow_metadata termcolor threadpoolctl toml tqdm tree "
    "typing_extensions typing_inspection tzdata urllib3 wheel wrapt yaml".split()
)
_COMMAND = "dbsl"


def prefer_installed_packages() -> None:
    """Has this process import Python's modules and needed packages from where they are installed.

    A package that is not installed is still found in the folders of PYTHONPATH and in the working
    directory, as are all other modules of a user's.
    """
    if any(isinstance(finder, _Installed) for finder in sys.meta_path):
        return
    # After what finds modules that are part of Python's program, and packages that are edited.
    usual = importlib.machinery.PathFinder
    place = sys.meta_path.index(usual) if usual in sys.meta_path else 0
    sys.meta_path.insert(place, _Installed())


def prefer_installed_packages_in_commands() -> None:
    """Does so if this process is a command of this package; other programs decide for themselves.

    It is known before the command's own module is.
    """
    # While Python looks for the module after -m, that is the program's name.
    as_module = sys.argv[:1] == ["-m"] and any(word.startswith("dbsl_tf") for word in sys.orig_argv)
    if as_module or os.path.basename(sys.argv[0] if sys.argv else "") == _COMMAND:
        prefer_installed_packages()


def comes_first(name: str) -> bool:
    """Returns whether commands import a top-level module from where it is installed.

    Example:
        >>> comes_first("statistics"), comes_first("my_data")
        (True, False)
    """
    return name in sys.stdlib_module_names or name in _PACKAGES


class _Installed:
    """Finds Python's modules and needed packages in their own folders alone."""

    def __init__(self) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        compiled = (sys.base_exec_prefix, sys.platlibdir, version, "lib-dynload")
        self._of_python = [os.path.dirname(os.__file__), os.path.join(*compiled)]
        self._of_packages = site.getsitepackages()
        if site.ENABLE_USER_SITE:
            self._of_packages.append(site.getusersitepackages())

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns where a module is; None leaves that to Python."""
        if path is not None:
            return None
        if name in sys.stdlib_module_names:
            folders = self._of_python
        elif name in _PACKAGES:
            folders = self._of_packages
        else:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, folders)
        if found is not None and not found.has_location:
            # Other parts of a namespace package may be elsewhere, but a module hides it.
            usual = importlib.machinery.PathFinder.find_spec(name)
            return found if usual is not None and usual.has_location else None
        return found
