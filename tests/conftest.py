"""Settings for all tests."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from dbsl_tf.common import onednn
from tests.support import isolation, patience

# Before any test loads TensorFlow, and as the product does.
onednn.apply("auto")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Many tests give their commands an empty cache, where Matplotlib would list all fonts anew, and say
# so where that takes long.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))

# Other tests run at the same time: how long an example takes says nothing.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# What the longest test takes, in seconds.
LONGEST = 90


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that brings in the slow tests."""
    parser.addoption("--all", action="store_true", help="run the tests that are marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    """Bound every test by a multiple of what the longest one takes."""
    patience.calibrate()
    # Shells ignore Ctrl-C for background commands, and nohup SIGHUP; child processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if config.option.timeout is None:
        config.option.timeout = patience.at_most(LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not to run, and put what needs no server first.

    That is what only looks like a test (`tf.test.TestCase.test_session`, a deprecated helper) and
    what is marked slow, without `--all` and not asked for by its name.
    """
    items[:] = [item for item in items if item.name != "test_session"]
    if not config.option.all and not any("::" in argument for argument in config.args):
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """What needs no server comes first; of the rest what takes longest in one piece."""
    if item.get_closest_marker("cluster") is None:
        return 0
    if item.get_closest_marker("xdist_group"):
        return 1
    tests = Path(__file__).parent
    return 2 if item.path.parent in (tests, tests / "cli", tests / "library") else 3


def pytest_collection_finish() -> None:
    """Exempt what stays loaded from garbage collection, which saves a tenth of the CPU time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """End what tests have shared."""
    isolation.end_shared_cluster()
