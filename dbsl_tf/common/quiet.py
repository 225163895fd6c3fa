"""Imports TensorFlow without its start-up messages."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dbsl_tf.common import onednn
from dbsl_tf.common.other_settings import keras_by_default, leave_out_unknown_xla_flags
from dbsl_tf.common.temporary import temporary_folder

# Keras imports these where they are installed, for parts of it that a training does not use. They
# take two fifths of the time that importing TensorFlow takes. So does keras-cv; on a new machine
# Matplotlib may also say on standard error that it builds its list of fonts.
UNUSED_BY_KERAS = ("matplotlib", "scipy", "sklearn")
_holding_back = threading.RLock()


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow without start-up messages, and Keras with its defaults.

    Call it before anything else imports TensorFlow and, if a configuration decides about oneDNN,
    after `onednn.apply`. A level that the user has set in TF_CPP_MIN_LOG_LEVEL is respected. If the
    import fails, everything it printed is shown.

    Keras finds neither Matplotlib nor SciPy nor scikit-learn: its image galleries and wrappers for
    scikit-learn do not work in this process.
    """
    leave_out_unknown_xla_flags()
    with loading_tensorflow_quietly(), keras_by_default(), hidden(UNUSED_BY_KERAS):
        import keras  # noqa: F401
        import keras_core  # noqa: F401
        import tensorflow as tf

    # Errors are also raised, and reported by their handlers.
    tf.get_logger().setLevel("CRITICAL")
    sys.unraisablehook = _unless_of_tensorflow(sys.unraisablehook)


def keep_logs_quiet() -> None:
    """Makes TensorFlow and gRPC log little; to be called before they are imported.

    A level that the user has set in TF_CPP_MIN_LOG_LEVEL or GRPC_VERBOSITY is respected.
    TensorFlow's own gRPC, and some of its messages, obey GRPC_VERBOSITY too, so it is left alone if
    the user wants TensorFlow's messages.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") >= "2":
        # gRPC would print a line for each connection that a server gives up, for instance after a
        # network outage. Errors are also raised.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@contextmanager
def hidden(names: Sequence[str]) -> Iterator[None]:
    """Makes the import of packages fail that are not imported yet."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def remove_generated_files() -> None:
    """Removes the temporary files into which AutoGraph writes the functions that it converts.

    TensorFlow removes them only when Python exits normally. Call it after all functions are traced.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("__autograph_generated_file"):
            source, cached = module.__file__, getattr(module.__spec__, "cached", None)
            if source is None or cached is None:
                continue
            compiled = Path(cached)
            for path in (Path(source), compiled):
                path.unlink(missing_ok=True)
            # Other processes may have files in the folder.
            with suppress(OSError):
                compiled.parent.rmdir()


def _unless_of_tensorflow(report: Callable) -> Callable:
    """Silences errors of TensorFlow's objects that are deleted after their server is gone."""

    def hook(unraisable: Any) -> None:
        if not getattr(unraisable.object, "__module__", "").startswith("tensorflow."):
            report(unraisable)

    return hook


@contextmanager
def loading_tensorflow_quietly() -> Iterator[None]:
    """Holds back all output: the C++ side writes to descriptors before its log level counts.

    If the body fails, the output is shown. Afterwards, too, TensorFlow logs little unless
    TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    keep_logs_quiet()
    # Has no effect if a configuration has decided it.
    onednn.apply("auto")
    with _output_held_back():
        yield


@contextmanager
def output_shown() -> Iterator[None]:
    """Waits until output is not held back, so that what a thread prints in the context is shown."""
    with _holding_back:
        yield


@contextmanager
def _output_held_back() -> Iterator[None]:
    with _holding_back, tempfile.TemporaryFile(dir=temporary_folder()) as messages:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        for descriptor in kept:
            os.dup2(messages.fileno(), descriptor)
        try:
            yield
        except Exception:
            messages.seek(0)
            os.write(kept[2], messages.read())
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)
