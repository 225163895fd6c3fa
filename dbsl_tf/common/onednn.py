"""Turns TensorFlow's oneDNN operations on or off, before TensorFlow is loaded.

By default TensorFlow turns them on only on processors with AVX-512 VNNI, although they are faster
on others too. It reads TF_ENABLE_ONEDNN_OPTS once, when it is loaded; nothing changes it later.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OneDnn = Literal["auto", "on", "off"]
VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# Environment variable which says that `auto` has set VARIABLE, in this process or an ancestor.
_BY_AUTO = "DBSL_TF_ONEDNN_AUTO"
_X86 = ("x86_64", "amd64")
_MEANINGS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Decision:
    """Whether oneDNN operations are requested, and by whom.

    Attributes:
        on: whether they are on; None: TensorFlow decides.
        reason: what decided it: the key `compute.onednn`, the variable TF_ENABLE_ONEDNN_OPTS in
            the user's environment, `auto`, or TensorFlow if none of them did.
    """

    on: bool | None
    reason: Literal["key", "environment", "auto", "TensorFlow"]


def decide(setting: OneDnn, environment: Mapping[str, str]) -> Decision:
    """Returns what `compute.onednn` decides; the same before and after `apply`.

    "on" and "off" take precedence over the environment, because every process of a cluster reads
    the same configuration. With "auto", a variable that the user has set takes precedence.

    Args:
        setting: the value of the key.
        environment: the environment variables of this process.
    """
    if setting != "auto":
        return Decision(setting == "on", "key")
    given = _MEANINGS.get(environment.get(VARIABLE, "").strip().lower())
    if given is not None and not (given and _BY_AUTO in environment):
        return Decision(given, "environment")
    # On other machines, such as Arm, TensorFlow knows better where they help.
    if platform.machine().lower() in _X86:
        return Decision(True, "auto")
    return Decision(None, "TensorFlow")


def apply(setting: OneDnn) -> None:
    """Applies the setting to this process and to those that it starts from now on.

    Has no effect in this process once TensorFlow is loaded.
    """
    decision = decide(setting, os.environ)
    if decision.reason == "auto":
        os.environ[_BY_AUTO] = "1"
    if decision.on is not None:
        os.environ[VARIABLE] = str(int(decision.on))
