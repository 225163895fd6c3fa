"""Keeps settings that were made for other projects from having an effect on this one.

Keras reads a file in the home folder and variables of the environment, and TensorFlow aborts over
flags that it does not know. Modules in PYTHONPATH: see `installed_packages`.
"""

from __future__ import annotations

import importlib.util
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbsl_tf.common.printing import tell

_KERAS = ("keras", "keras_core")
_OF_KERAS = (
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "TF_USE_LEGACY_KERAS",
)
_FLAGS = ("TF_XLA_FLAGS", "XLA_FLAGS")


@contextmanager
def keras_by_default() -> Iterator[None]:
    """Lets Keras be imported with its defaults, on the TensorFlow backend.

    A keras.json is neither read nor written, and variables that change what Keras does are removed
    from the environment. Pretrained weights are kept where they always are.
    """
    for variable in _OF_KERAS:
        os.environ.pop(variable, None)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    new = [name for name in _KERAS if name not in sys.modules]
    home = os.environ.get("KERAS_HOME")
    # No folder can be there.
    os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")
    try:
        yield
    finally:
        if home is None:
            del os.environ["KERAS_HOME"]
        else:
            os.environ["KERAS_HOME"] = home
        for name in new:
            config = sys.modules.get(f"{name}.src.backend.config")
            if config is not None:
                config._KERAS_DIR = home or _usual_keras_home()  # type: ignore[attr-defined]


def _usual_keras_home() -> str:
    """As Keras finds it."""
    home = os.path.expanduser("~")
    return os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")


def leave_out_unknown_xla_flags() -> None:
    """Removes flags for XLA that TensorFlow does not know from the environment; says so.

    TensorFlow would abort over them, without a word.
    """
    for variable in _FLAGS:
        value = os.environ.get(variable, "")
        # It may also be the name of a file.
        flags = value.split() if value.strip().startswith("-") else []
        names = {flag: flag.lstrip("-").partition("=")[0] for flag in flags}
        unknown = _not_in_tensorflow(set(names.values()))
        if unknown:
            os.environ[variable] = " ".join(f for f in flags if names[f] not in unknown)
            tell(
                f"warning: {variable} has {', '.join(sorted(unknown))}, which the installed "
                "TensorFlow does not know; left out"
            )


def _not_in_tensorflow(names: set[str]) -> set[str]:
    """Returns the names of flags that no library of TensorFlow contains."""
    missing = set(names)
    spec = importlib.util.find_spec("tensorflow") if missing else None
    if spec is None or spec.origin is None:
        return set()
    libraries = sorted(Path(spec.origin).parent.glob("libtensorflow_*.so*"))
    if not libraries:
        return set()
    # The smaller one has most of them.
    for library in sorted(libraries, key=lambda path: path.stat().st_size):
        with (
            open(library, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            missing -= {name for name in missing if content.find(f"\0{name}\0".encode()) >= 0}
    return missing
