"""Runs a command whose processes communicate no faster than over a network.

    python -m scripts.benchmarking.link GBIT COMMAND ARGUMENT...

slows loopback down, so use it in a separate network namespace. All traffic in both directions
shares the link. Needs root and `tc` (iproute2).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from dbsl_tf.common.errors import UserError

# More than one loopback packet (64 KiB), and at most a few milliseconds.
_BURST_BYTES = 256 * 1024
_LONGEST_QUEUE = "50ms"


def check_link(gbit: float | None) -> None:
    """Checks that the speed of the link can be limited.

    Args:
        gbit: Gbit/s; None: no limit.

    Raises:
        UserError: it is not above 0, or this process may not limit it.
    """
    if gbit is None:
        return
    if not gbit > 0:
        raise UserError(f"--network-gbit is {gbit:g}; give more than 0, in Gbit/s")
    if not shutil.which("tc"):
        raise UserError(f"--network-gbit is {gbit:g}, which needs tc: install iproute2")
    if os.geteuid() != 0:
        raise UserError(f"--network-gbit is {gbit:g}, which only root may set; run this as root")


def main(arguments: list[str]) -> None:
    rate = f"{1e6 * float(arguments[0]):.0f}kbit"
    limit = ["rate", rate, "burst", str(_BURST_BYTES), "latency", _LONGEST_QUEUE]
    done = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "tbf", *limit])
    if done.returncode:
        sys.exit(f"error: tc cannot make a link of {arguments[0]} Gbit/s here")
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
