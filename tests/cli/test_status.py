"""`python -m dbsl_tf.status` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from dbsl_tf.operating.live_state import write_live_state
from tests.operating.test_live_state import GONE, state
from tests.support.commands import ROOT, check_one_line_mistake, run_command
from tests.support.run_directories import make_run

command = partial(run_command, "status")


def test_text_and_json(tmp_path: Path) -> None:
    directory = make_run(tmp_path, commits=10)
    write_live_state(directory, state(GONE))
    for done in (command(tmp_path), command(tmp_path, "--watch")):
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{tmp_path}: not going on: process " in done.stdout
        assert "epoch 6/16, commit 10 of 32 (31 %)" in done.stdout
    assert json.loads(command(tmp_path, "--json").stdout)["condition"] == "gone"


def test_mistakes(tmp_path: Path) -> None:
    check_one_line_mistake(command(tmp_path / "none"), "is not a run directory")
    directory = make_run(tmp_path, commits=2)
    directory.live.write_text('{"format": 1}')
    check_one_line_mistake(command(tmp_path), "live.json cannot be read (host: Field required)")


def test_it_does_without_what_takes_long_to_load(tmp_path: Path) -> None:
    make_run(tmp_path, commits=2)
    program = (
        "import sys; from dbsl_tf.cli.status import main; main([sys.argv[1]]);"
        "print({'tensorflow', 'matplotlib', 'scipy', 'jinja2'} & {*sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")
