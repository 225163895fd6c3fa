"""TensorFlow's oneDNN operations: whether they are on, which is settled before it is loaded.

By itself TensorFlow turns them on only on processors with AVX-512 VNNI, though they are faster on
others too. It reads TF_ENABLE_ONEDNN_OPTS once, when it is loaded: nothing changes it afterwards.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OneDnn = Literal["auto", "on", "off"]
VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# Environment variable: that VARIABLE was set by `auto`, in this process or one that started it.
_BY_AUTO = "DBSL_TF_ONEDNN_AUTO"
_X86 = ("x86_64", "amd64")
_MEANINGS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Decision:
    """Whether oneDNN operations are asked for.

    Attributes:
        on: None: TensorFlow decides.
        reason: who says so: the key `compute.onednn`, the variable TF_ENABLE_ONEDNN_OPTS of the
            user's environment, `auto`, or TensorFlow where nobody does.
    """

    on: bool | None
    reason: Literal["key", "environment", "auto", "TensorFlow"]


def decide(setting: OneDnn, environment: Mapping[str, str]) -> Decision:
    """What holds under `compute.onednn`; the same before and after `apply`.

    A key that is on or off counts more than the environment, as every process of a cluster reads
    the same configuration; with auto a variable that the user has set stays.

    Args:
        setting: the value of the key.
        environment: of this process.
    """
    if setting != "auto":
        return Decision(setting == "on", "key")
    given = _MEANINGS.get(environment.get(VARIABLE, "").strip().lower())
    if given is not None and not (given and _BY_AUTO in environment):
        return Decision(given, "environment")
    # Elsewhere, as on Arm, TensorFlow knows better where they are of use.
    if platform.machine().lower() in _X86:
        return Decision(True, "auto")
    return Decision(None, "TensorFlow")


def apply(setting: OneDnn) -> None:
    """Set it for this process, and for those that it starts from now on.

    Has no effect here once TensorFlow is loaded.
    """
    decision = decide(setting, os.environ)
    if decision.reason == "auto":
        os.environ[_BY_AUTO] = "1"
    if decision.on is not None:
        os.environ[VARIABLE] = str(int(decision.on))
