"""Channels to servers print nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from tests.support.launching import ROOT

CALL = """
import sys
from dbsl_tf.cluster.probing import probe
try:
    probe(sys.argv[1], timeout=1000)
except OSError as error:
    print(error)
"""
HEADERS, SETTINGS, GOAWAY = 1, 4, 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENHANCE_YOUR_CALM = 11


def http2_frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


def give_up_connections(listening: socket.socket) -> None:
    """Serve as a server does whose client was cut off for a while."""
    last_stream = 2**31 - 1
    goaway = last_stream.to_bytes(4, "big") + ENHANCE_YOUR_CALM.to_bytes(4, "big") + b"ping_timeout"
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        # Whoever probes connects first to see whether anything listens.
        with suppress(OSError), connection, connection.makefile("rb") as received:
            connection.sendall(http2_frame(SETTINGS, b""))
            received.read(len(PREFACE))
            while (head := received.read(9)) and head[3] != HEADERS:
                received.read(int.from_bytes(head[:3], "big"))
            connection.sendall(http2_frame(GOAWAY, goaway))


def probe_such_a_server(**variables: str) -> tuple[str, str]:
    """What a process prints that probes a server which gives the connection up."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("GRPC_VERBOSITY", "TF_CPP_MIN_LOG_LEVEL")
    }
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=give_up_connections, args=(listening,), daemon=True).start()
        address = "{}:{}".format(*listening.getsockname())
        result = subprocess.run(
            [sys.executable, "-c", CALL, address],
            cwd=ROOT,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        # Ends the thread's wait.
        listening.shutdown(socket.SHUT_RDWR)
    return result.stdout, result.stderr


def test_a_connection_that_the_server_gives_up_is_raised_and_not_printed() -> None:
    output, errors = probe_such_a_server()
    assert output.endswith("UNAVAILABLE\n")
    assert errors == ""


def test_who_asks_for_messages_gets_them() -> None:
    for variable, value in (("GRPC_VERBOSITY", "INFO"), ("TF_CPP_MIN_LOG_LEVEL", "0")):
        output, errors = probe_such_a_server(**{variable: value})
        assert output.endswith("UNAVAILABLE\n")
        assert "Got goaway" in errors, variable
