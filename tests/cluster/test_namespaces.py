"""The command that gives another one a network of its own, with and without privileges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.networks import (
    become_plain_user,
    become_plain_user_without_namespaces,
    skip_without_namespaces,
)

ROOT = Path(__file__).resolve().parents[2]
LOOK_AROUND = """
import json, os, socket
from pathlib import Path
Path("made").touch()
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
print(json.dumps({
    "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    "owner": Path("made").stat().st_uid,
    "interfaces": [name for _, name in socket.if_nameindex()],
    **{kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid")},
}))
"""


@pytest.fixture(autouse=True)
def _namespaces():
    skip_without_namespaces()


def start(*arguments: str, folder: Path = ROOT, before=None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    output, errors = process.communicate()
    return process.returncode, output, errors


ISOLATED = ("-m", "dbsl_tf.cluster.namespaces")


@pytest.mark.parametrize("before", [None, become_plain_user])
def test_a_command_has_loopback_and_all_else_as_before(before, tmp_path: Path):
    plainly = json.loads(finish(start("-c", LOOK_AROUND, folder=tmp_path, before=before))[1])
    process = start(*ISOLATED, sys.executable, "-c", LOOK_AROUND, folder=tmp_path, before=before)
    status, output, errors = finish(process)
    assert (status, errors) == (0, "")
    isolated = json.loads(output)
    assert isolated["interfaces"] == ["lo"]
    assert isolated["net"] != plainly["net"]
    for differing in ("interfaces", "net"):
        del isolated[differing], plainly[differing]
    assert isolated == plainly


def test_a_command_keeps_its_process_and_its_exit_status():
    process = start(*ISOLATED, "sh", "-c", "echo $$; exit 7")
    assert finish(process) == (7, f"{process.pid}\n", "")


@pytest.mark.parametrize(
    ("before", "arguments", "expected"),
    [
        (become_plain_user_without_namespaces, ["true"], "user.max_user_namespaces=0"),
        (None, ["no-such-command"], "no-such-command cannot be started"),
        (None, [], "usage: "),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(before, arguments: list[str], expected: str):
    status, output, errors = finish(start(*ISOLATED, *arguments, before=before))
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert expected in errors


def test_a_command_may_be_started_without():
    process = start(*ISOLATED, "--try", "echo", "on", before=become_plain_user_without_namespaces)
    assert finish(process) == (0, "on\n", "")


@pytest.mark.parametrize("before", [None, become_plain_user])
def test_a_process_with_threads_stays_where_it_is(before):
    program = """
import os, threading, time
from dbsl_tf.cluster import namespaces
threading.Thread(target=time.sleep, args=[60], daemon=True).start()
before = os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/user")
try:
    namespaces.enter(namespaces.usable_way())
except namespaces.Refused as refusal:
    print(refusal, before == (os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/user")))
"""
    status, output, _ = finish(start("-c", program, before=before))
    assert (status, output) == (0, "other threads run in this process True\n")


def test_the_probe_leaves_the_process_as_it_was():
    program = """
import os
from dbsl_tf.cluster import namespaces
def state():
    namespaces = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "user")]
    return namespaces, os.listdir("/proc/self/fd")
before = state()
namespaces.usable_way()
print(before == state(), namespaces.settled())
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""
    assert finish(start("-c", program)) == (0, "True False\nno child\n", "")
