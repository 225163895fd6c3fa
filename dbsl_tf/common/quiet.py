"""TensorFlow without its start-up noise."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dbsl_tf.common import onednn


def import_tensorflow_quietly() -> None:
    """Choose keras-core's TensorFlow backend and import TensorFlow without start-up messages.

    Call it before anything else imports TensorFlow, and after `onednn.apply` where there is a
    configuration to say whether it uses oneDNN. Levels that the user has set in
    TF_CPP_MIN_LOG_LEVEL stay. Should the import fail, everything it printed is shown.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with loading_tensorflow_quietly():
        import keras_core  # noqa: F401
        import tensorflow as tf

    # What fails is raised too, and reported by whoever handles it.
    tf.get_logger().setLevel("CRITICAL")
    sys.unraisablehook = _unless_of_tensorflow(sys.unraisablehook)


def remove_generated_files() -> None:
    """Remove the temporary files into which AutoGraph writes the functions that it converts.

    TensorFlow removes them only when Python ends by itself, neither killed nor in a hurry. Call it
    when all is traced.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("__autograph_generated_file"):
            source, cached = module.__file__, getattr(module.__spec__, "cached", None)
            if source is None or cached is None:
                continue
            compiled = Path(cached)
            for path in (Path(source), compiled):
                path.unlink(missing_ok=True)
            # Others may have theirs in the folder.
            with suppress(OSError):
                compiled.parent.rmdir()


def _unless_of_tensorflow(report: Callable) -> Callable:
    """Have TensorFlow's objects be deleted without a word when their server is gone."""

    def hook(unraisable: Any) -> None:
        if not getattr(unraisable.object, "__module__", "").startswith("tensorflow."):
            report(unraisable)

    return hook


@contextmanager
def loading_tensorflow_quietly() -> Iterator[None]:
    """Hold back all output; the C++ side writes to descriptors before its log level counts.

    Should what is done meanwhile fail, the output is shown. TensorFlow logs little afterwards too,
    unless TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without effect where a configuration has settled it.
    onednn.apply("auto")
    with tempfile.TemporaryFile() as messages:
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
