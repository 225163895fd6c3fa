"""Network cards of hosts whose packets arrive late, or not at all.

`python -m tests.support.wires SWITCH HOST… --delay SECONDS --loss SHARE` makes a card `eth0` in the
network namespace of every host, and a card `port0`, `port1`, … for each of them in that of the
switch. It says `ready`, and passes what they send on to one another until its standard input
closes. What a host sends is delayed or lost, and what it receives is not.

It is used in place of `tc qdisc … netem`, which many kernels lack.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path

_NAMESPACES = Path("/run/netns")
# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TAP, _NO_HEADER = 0x0002, 0x1000
_FRAME = 65536


def _card(namespace: str, name: str) -> int:
    """Make a card in a namespace; the descriptor that has its frames."""
    with open(_NAMESPACES / namespace, "rb") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    card = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(card, _TUNSETIFF, struct.pack("16sH", name.encode(), _TAP | _NO_HEADER))
    return card


def _send(card: int, frame: bytes) -> None:
    try:
        os.write(card, frame)
    except OSError:
        # The card is down: a cable that was pulled.
        pass


def _pass_on(cards: dict[int, int], hosts: set[int], delay: float, loss: float) -> None:
    """Pass frames on until standard input closes.

    Args:
        cards: where the frames of each go.
        hosts: those whose frames are delayed or lost.
        delay: in seconds.
        loss: the share that is lost.
    """
    chance = random.Random(0)
    late: deque[tuple[float, int, bytes]] = deque()
    polled = select.epoll()
    for descriptor in (*cards, sys.stdin.fileno()):
        polled.register(descriptor, select.EPOLLIN)
    while True:
        due = late[0][0] - time.monotonic() if late else None
        for descriptor, _ in polled.poll(None if due is None else max(0.0, due)):
            if descriptor not in cards:
                return
            try:
                frame = os.read(descriptor, _FRAME)
            except OSError:
                continue
            if descriptor not in hosts:
                _send(cards[descriptor], frame)
            elif chance.random() >= loss:
                late.append((time.monotonic() + delay, cards[descriptor], frame))
        while late and late[0][0] <= time.monotonic():
            _send(*late.popleft()[1:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("switch")
    parser.add_argument("hosts", nargs="+")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--loss", type=float, default=0.0)
    options = parser.parse_args()
    cards, hosts = {}, set()
    for number, host in enumerate(options.hosts):
        here, there = _card(host, "eth0"), _card(options.switch, f"port{number}")
        cards[here], cards[there] = there, here
        hosts.add(here)
    print("ready", flush=True)
    _pass_on(cards, hosts, options.delay, options.loss)


if __name__ == "__main__":
    main()
