"""TensorFlow's server without the rest of TensorFlow.

A server only runs what the coordinator sends it, in TensorFlow's C++ library. Importing
`tensorflow` would also load everything that builds programs: some seconds and 270 MB per server.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import types
from typing import Any, NamedTuple

from dbsl_tf.common import onednn
from dbsl_tf.common.installed_packages import prefer_installed_packages
from dbsl_tf.common.other_settings import leave_out_unknown_xla_flags


class ServerLibrary(NamedTuple):
    """What a server needs, as in `tf.distribute`, `tf.train`, `tf.compat.v1` and `tf.errors`."""

    Server: Any
    ClusterSpec: Any
    ConfigProto: Any
    OpError: Any


def load_server_library() -> ServerLibrary:
    """Loads and returns the server library; without `import tensorflow`, nothing else works.

    Its modules are not a public interface, so this fits only the pinned version of TensorFlow. If
    device plug-ins are installed, which only all of TensorFlow loads, that is imported instead.
    """
    # Has no effect if the parent process or a configuration has already decided.
    onednn.apply("auto")
    prefer_installed_packages()
    leave_out_unknown_xla_flags()
    bare = "tensorflow" not in sys.modules and not _plug_ins_are_installed()
    if bare:
        sys.modules["tensorflow"] = _bare_package("tensorflow")
    try:
        from tensorflow.core.protobuf.config_pb2 import ConfigProto
        from tensorflow.python import tf2
        from tensorflow.python.framework.errors_impl import OpError
        from tensorflow.python.training.server_lib import ClusterSpec, Server
    except BaseException:
        if bare:
            del sys.modules["tensorflow"]
        raise
    # As `import tensorflow` does.
    tf2.enable()
    return ServerLibrary(Server, ClusterSpec, ConfigProto, OpError)


def _plug_ins_are_installed() -> bool:
    folders = {sysconfig.get_path("platlib"), sysconfig.get_path("purelib")}
    return any(os.path.isdir(os.path.join(folder, "tensorflow-plugins")) for folder in folders)


def _bare_package(name: str) -> types.ModuleType:
    """Returns a package whose modules can be imported, without running its own `__init__`."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = types.ModuleType(name)
    package.__spec__ = spec
    package.__file__ = spec.origin
    package.__path__ = list(spec.submodule_search_locations or ())
    return package
