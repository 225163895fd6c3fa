"""Whether oneDNN operations are on: who decides, and that TensorFlow follows."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from dbsl_tf.common import onednn
from dbsl_tf.common.onednn import VARIABLE, Decision, decide

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
only_on_x86 = pytest.mark.skipif(not ON_X86, reason="auto leaves it to TensorFlow elsewhere")


@pytest.mark.parametrize(
    ("setting", "given", "expected"),
    [
        ("on", None, Decision(True, "key")),
        ("on", "0", Decision(True, "key")),
        ("off", "1", Decision(False, "key")),
        ("auto", "0", Decision(False, "environment")),
        ("auto", "1", Decision(True, "environment")),
        ("auto", "False", Decision(False, "environment")),
        ("auto", "true", Decision(True, "environment")),
    ],
)
def test_a_key_counts_more_than_the_environment_and_that_more_than_auto(
    setting: onednn.OneDnn, given: str | None, expected: Decision
) -> None:
    assert decide(setting, {} if given is None else {VARIABLE: given}) == expected


@pytest.mark.parametrize("given", [{}, {VARIABLE: ""}, {VARIABLE: "perhaps"}])
@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", Decision(True, "auto")),
        ("AMD64", Decision(True, "auto")),
        ("aarch64", Decision(None, "TensorFlow")),
    ],
)
def test_auto_turns_it_on_with_x86(
    monkeypatch: pytest.MonkeyPatch, machine: str, expected: Decision, given: dict[str, str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert decide("auto", given) == expected


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's, as a user has it who sets nothing."""
    kept = {name: value for name, value in os.environ.items() if "ONEDNN" not in name}
    monkeypatch.setattr(os, "environ", kept)
    return kept


@only_on_x86
def test_what_auto_has_set_is_not_taken_for_the_users(environment: dict[str, str]) -> None:
    onednn.apply("auto")
    assert environment[VARIABLE] == "1"
    assert decide("auto", environment) == Decision(True, "auto")
    # As a user may set it for one command of a script that runs several.
    assert decide("auto", {**environment, VARIABLE: "0"}) == Decision(False, "environment")


@only_on_x86
def test_what_is_settled_stays_with_auto(environment: dict[str, str]) -> None:
    onednn.apply("off")
    onednn.apply("auto")
    assert environment[VARIABLE] == "0"


def test_elsewhere_the_variable_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    onednn.apply("auto")
    assert VARIABLE not in environment


@only_on_x86
@pytest.mark.parametrize(
    ("statement", "given", "expected"),
    [
        pytest.param("pass", None, True, marks=pytest.mark.slow),
        pytest.param("pass", "0", False, marks=pytest.mark.slow),
        pytest.param("onednn.apply('off')", None, False, marks=pytest.mark.slow),
        pytest.param("onednn.apply('on')", "0", True, marks=pytest.mark.slow),
    ],
)
def test_tensorflow_follows(
    environment: dict[str, str], statement: str, given: str | None, expected: bool
) -> None:
    code = (
        "from dbsl_tf.common import onednn\n"
        f"{statement}\n"
        "from dbsl_tf.common.quiet import import_tensorflow_quietly\n"
        "import_tensorflow_quietly()\n"
        "from tensorflow.python.framework.test_util import IsMklEnabled\n"
        "print(IsMklEnabled())"
    )
    if given is not None:
        environment[VARIABLE] = given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == str(expected)
