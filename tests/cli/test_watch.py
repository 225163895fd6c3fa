"""`python -m dbsl_tf.watch` as a person runs it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.support.commands import check_one_line_mistake
from tests.support.run_directories import make_run

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "dbsl_tf.watch"]


def watch(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


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
