"""`python -m dbsl_tf.watch` as a person runs it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from tests.support.commands import ROOT, check_one_line_mistake, run_command
from tests.support.run_directories import make_run

PROGRAM = [sys.executable, "-m", "dbsl_tf.watch"]
watch = partial(run_command, "watch")


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    make_run(tmp_path, commits=2)
    with subprocess.Popen(
        [*PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        match = re.fullmatch(r"(http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)
        assert match, (line, process.stderr.read())
        with urlopen(match[1]) as page:
            assert "commit 2 of 32" in page.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_mistakes(tmp_path: Path) -> None:
    check_one_line_mistake(watch(tmp_path), "is not a run directory")
    make_run(tmp_path, commits=2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        check_one_line_mistake(watch(tmp_path, "--port", port), f"--port {port} cannot be used")
