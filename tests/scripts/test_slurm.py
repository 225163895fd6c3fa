"""scripts/slurm.sbatch with `scontrol` and `srun` of its own."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from dbsl_tf.cluster.task import ClusterAddresses, task_from_environment
from tests.support.commands import check_one_line_mistake
from tests.support.launching import (
    CONFIGURATION,
    ROOT,
    environment,
    run,
    wait_until_gone,
    write_program,
)

# Slurm's order of these nodes is not that of their letters.
NODES = "node[9-11]"
SCONTROL = """#!/usr/bin/env bash
[ "$1 $2" = "show hostnames" ] || exit 1
case "$3" in
    'node[9-11]') printf 'node9\\nnode10\\nnode11\\n' ;;
    'node[1-4]') printf 'node1\\nnode2\\nnode3\\nnode4\\n' ;;
    here) printf 'localhost\\nlocalhost\\nlocalhost\\n' ;;
    *) echo "Invalid hostlist: $3" >&2 ;;
esac
"""
# Runs every task of the step on this machine.
SRUN = """#!/usr/bin/env bash
while [[ "$1" = --* ]]; do
    case "$1" in
        --ntasks=*) tasks="${1#*=}" ;;
        --output=*) output="${1#*=}" ;;
    esac
    shift
done
trap 'kill $(jobs -p)' TERM
for ((rank = 0; rank < tasks; rank++)); do
    SLURM_PROCID=$rank SLURM_STEP_NODELIST=here SLURM_STEP_NUM_TASKS=$tasks \\
        SLURMD_NODENAME=localhost "$@" > "${output/\\%t/$rank}" 2>&1 &
done
wait
wait
"""


@pytest.mark.parametrize(
    ("configured", "override", "expected"),
    [
        ("", "", "runs/tiny.v2-slurm-6007"),
        ("run: {dir: elsewhere}", "", None),
        ("", "run.dir=here", "here"),
        ("run: {dir: elsewhere}", "run.dir=null", "runs/tiny.v2-slurm-6007"),
    ],
)
def test_a_job_that_is_started_again_has_the_same_run(
    tmp_path: Path, configured: str, override: str, expected: str | None
) -> None:
    write_program(tmp_path / "bin" / "scontrol", SCONTROL)
    (tmp_path / "tiny.v2.yaml").write_text(f"{CONFIGURATION}\n{configured}\n")
    words = ["slurm.sbatch", "--dry-run", "--config", f"{tmp_path}/tiny.v2.yaml"]
    result = run(*words, *filter(None, [override]), env=job(tmp_path, SLURM_RESTART_COUNT="1"))
    assert (result.returncode, result.stderr) == (0, "")
    for line in result.stdout.splitlines():
        given = [word for word in shlex.split(line) if word.startswith("run.dir=")]
        assert given[-1:] == ([] if expected is None else [f"run.dir={expected}"])


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    write_program(tmp_path / "bin" / "scontrol", SCONTROL)
    write_program(tmp_path / "bin" / "srun", SRUN)
    (tmp_path / "tiny.yaml").write_text(CONFIGURATION)
    return [
        "--config",
        f"{tmp_path}/tiny.yaml",
        "--logs",
        f"{tmp_path}/logs",
        f"run.dir={tmp_path}/run",
    ]


def job(folder: Path, **variables: str) -> dict[str, str]:
    return environment(
        folder,
        **{
            "SLURM_SUBMIT_DIR": str(ROOT),
            "SLURM_JOB_ID": "6007",
            "SLURM_JOB_NODELIST": NODES,
            **variables,
        },
    )


def step(folder: Path, rank: int | str, node: str, nodes: str = NODES) -> dict[str, str]:
    # The job has more nodes than the step.
    return job(
        folder,
        SLURM_JOB_NODELIST="node[1-4]",
        SLURM_STEP_NODELIST=nodes,
        SLURM_STEP_NUM_TASKS="3",
        SLURM_PROCID=str(rank),
        SLURMD_NODENAME=node,
    )


EXPECTED = ClusterAddresses("node9:20014", ("node10:20014", "node11:20014"), ("node9:20015",))


@pytest.mark.parametrize(
    ("rank", "node", "name"),
    [(0, "node9", "ps-0"), (1, "node10", "worker-0"), (2, "node11", "worker-1")],
)
def test_every_task_of_the_step_has_its_role(tmp_path: Path, training, rank, node, name):
    env = step(tmp_path, rank, node)
    result = run("slurm.sbatch", "--step", "--dry-run", *training, env=env)
    assert (result.returncode, result.stderr) == (0, "")
    words = shlex.split(result.stdout)
    task = task_from_environment(dict([words[1].split("=", 1)]))
    assert (task.name, task.addresses) == (name, EXPECTED)
    assert task.address.startswith(f"{node}:")
    assert words[-3:] == ["--config", f"{tmp_path}/tiny.yaml", f"run.dir={tmp_path}/run"]


def test_the_batch_script_is_the_chief_and_starts_a_task_on_each_node(tmp_path: Path, training):
    result = run("slurm.sbatch", "--dry-run", *training, env=job(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    chief, tasks = map(shlex.split, result.stdout.splitlines())
    task = task_from_environment(dict([chief[1].split("=", 1)]))
    assert (task.name, task.addresses) == ("chief-0", EXPECTED)
    assert tasks[0] == "srun"
    assert {"--nodes=3", "--ntasks=3", "--ntasks-per-node=1"} < set(tasks)
    assert str(ROOT / "scripts" / "slurm.sbatch") in tasks


@pytest.mark.parametrize(
    ("variables", "arguments", "named"),
    [
        ({"SLURM_JOB_ID": ""}, [], "SLURM_JOB_ID"),
        ({"SLURM_JOB_NODELIST": ""}, [], "list of nodes ''"),
        ({"SLURM_JOB_NODELIST": "node[1-4]"}, [], "4 node(s)"),
        ({}, ["cluster.workers=7"], "cluster.workers=7"),
        ({}, ["--port", "x"], "'x'"),
        ({}, ["--step"], "SLURM_PROCID=''"),
        ({"SLURM_SUBMIT_DIR": "/tmp"}, [], "/tmp is not the project's folder"),
    ],
)
def test_a_mistake_of_the_job_is_named(tmp_path: Path, training, variables, arguments, named):
    env = job(tmp_path, **variables)
    result = run("slurm.sbatch", *training, *arguments, env=env)
    assert named in result.stderr
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("rank", "node", "nodes", "named"),
    [
        (3, "node11", NODES, "task 3 has no node"),
        (1, "node11", NODES, "task 1 runs on node11 instead of node10"),
        ("x", "node9", NODES, "SLURM_PROCID='x'"),
        (0, "node1", "node[1-4]", "4 node(s)"),
    ],
)
def test_a_mistake_of_the_step_is_named(tmp_path: Path, training, rank, node, nodes, named):
    env = step(tmp_path, rank, node, nodes)
    check_one_line_mistake(run("slurm.sbatch", "--step", *training, env=env), named)


@pytest.mark.cluster
@pytest.mark.slow
def test_it_trains_and_ends_the_step(tmp_path: Path, training):
    env = job(tmp_path, SLURM_JOB_NODELIST="here", SLURM_JOB_ID=str(os.getpid()))
    result = run("slurm.sbatch", *training, env=env)
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").open()]
    assert [line["commit"] for line in events if line["event"] == "commit"] == [1, 2]
    assert "worker-1 serves" in (tmp_path / "logs" / "task-2.log").read_text()
    wait_until_gone(tmp_path)
