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
    one) printf 'localhost\\n' ;;
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
    SLURM_PROCID=$rank SLURM_STEP_NODELIST=$SLURM_JOB_NODELIST SLURM_STEP_NUM_TASKS=$tasks \\
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


EXPECTED = ClusterAddresses("node9:20112", ("node10:20112", "node11:20112"), ("node9:20113",))


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


# Six tasks on three nodes: all of them workers, or a parameter server and five workers.
SHARED = {
    6: ClusterAddresses(
        "node9:20112",
        (
            *("node9:20114", "node9:20115", "node10:20112", "node10:20113"),
            *("node11:20112", "node11:20113"),
        ),
        ("node9:20113",),
    ),
    5: ClusterAddresses(
        "node9:20112",
        ("node9:20114", "node10:20112", "node10:20113", "node11:20112", "node11:20113"),
        ("node9:20113",),
    ),
}


@pytest.mark.parametrize("workers", SHARED)
def test_a_node_with_several_tasks_has_a_port_for_each(tmp_path: Path, training, workers):
    env = job(tmp_path, SLURM_NTASKS_PER_NODE="2", SLURM_CPUS_PER_TASK="8")
    result = run("slurm.sbatch", "--dry-run", *training, f"cluster.workers={workers}", env=env)
    assert (result.returncode, result.stderr) == (0, "")
    *here, tasks = map(shlex.split, result.stdout.splitlines())
    found = [task_from_environment(dict([words[1].split("=", 1)])) for words in here]
    # The processes of the batch script.
    assert [task.name for task in found] == ["chief-0"] + ["ps-0"] * (workers == 6)
    assert {task.addresses for task in found} == {SHARED[workers]}
    expected = {"--nodes=3", "--ntasks=6", "--ntasks-per-node=2", "--cpus-per-task=8"}
    assert expected < set(tasks)


@pytest.mark.parametrize(
    ("workers", "rank", "node", "name"),
    [
        (6, 0, "node9", "worker-0"),
        (6, 3, "node10", "worker-3"),
        (5, 0, "node9", "ps-0"),
        (5, 1, "node9", "worker-0"),
        (5, 5, "node11", "worker-4"),
    ],
)
def test_a_task_beside_others_has_its_role(tmp_path, training, workers, rank, node, name):
    env = step(tmp_path, rank, node)
    env |= {"SLURM_NTASKS_PER_NODE": "2", "SLURM_STEP_NUM_TASKS": "6"}
    result = run(
        "slurm.sbatch", "--step", "--dry-run", *training, f"cluster.workers={workers}", env=env
    )
    assert (result.returncode, result.stderr) == (0, "")
    task = task_from_environment(dict([shlex.split(result.stdout)[1].split("=", 1)]))
    assert (task.name, task.addresses) == (name, SHARED[workers])


@pytest.mark.parametrize(
    ("per_node", "workers", "nodes"),
    [
        pytest.param("1", 2, ["node1", "node2", "node3"], marks=pytest.mark.slow),
        pytest.param("2", 2, ["node1"], marks=pytest.mark.slow),
        ("4", 8, ["node1", "node2"]),
    ],
)
def test_a_dry_run_needs_no_slurm(tmp_path: Path, training, per_node, workers, nodes):
    (tmp_path / "bin" / "scontrol").unlink()
    env = environment(tmp_path, SLURM_NTASKS_PER_NODE=per_node)
    result = run("slurm.sbatch", "--dry-run", *training, f"cluster.workers={workers}", env=env)
    assert result.returncode == 0
    (warning,) = result.stderr.splitlines()
    assert warning.startswith("warning: there is no Slurm job here")
    chief, *_, tasks = map(shlex.split, result.stdout.splitlines())
    task = task_from_environment(dict([chief[1].split("=", 1)]))
    servers = {server.address.rpartition(":")[0] for server in task.addresses.servers()}
    assert sorted(servers) == nodes
    assert f"--nodes={len(nodes)}" in tasks


def test_a_dry_run_without_slurm_names_a_mistake(tmp_path: Path, training):
    result = run("slurm.sbatch", "--dry-run", *training, "a.b=1", env=environment(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert "a.b" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "arguments", "named"),
    [
        ({"SLURM_JOB_ID": ""}, [], "SLURM_JOB_ID"),
        ({"SLURM_JOB_NODELIST": ""}, [], "list of nodes ''"),
        ({"SLURM_JOB_NODELIST": "node[1-4]"}, [], "4 place(s)"),
        ({}, ["cluster.workers=7"], "cluster.workers=7"),
        ({}, ["--port", "x"], "'x'"),
        ({}, ["--step"], "SLURM_PROCID=''"),
        ({"SLURM_NTASKS_PER_NODE": "2(x3)"}, [], "SLURM_NTASKS_PER_NODE='2(x3)'"),
        ({"SLURM_NTASKS_PER_NODE": "2"}, [], "6 place(s)"),
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
        (0, "node1", "node[1-4]", "4 place(s)"),
    ],
)
def test_a_mistake_of_the_step_is_named(tmp_path: Path, training, rank, node, nodes, named):
    env = step(tmp_path, rank, node, nodes)
    check_one_line_mistake(run("slurm.sbatch", "--step", *training, env=env), named)


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "per_node"), [("here", 1), ("one", 2)])
def test_it_trains_and_ends_the_step(tmp_path: Path, training, nodes: str, per_node: int):
    env = job(
        tmp_path,
        SLURM_JOB_NODELIST=nodes,
        SLURM_NTASKS_PER_NODE=str(per_node),
        SLURM_JOB_ID=str(os.getpid()),
        CUDA_VISIBLE_DEVICES="4,7",
    )
    result = run("slurm.sbatch", *training, env=env)
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").open()]
    assert [line["commit"] for line in events if line["event"] == "commit"] == [1, 2]
    # The parameter server is a task, or runs in the batch script.
    first = 1 if per_node == 1 else 0
    for worker, gpu in enumerate("47"):
        log = (tmp_path / "logs" / f"task-{first + worker}.log").read_text()
        assert f"worker-{worker} serves" in log
        assert f"with GPU {gpu} until" in log
    log = (tmp_path / "logs" / ("task-0.log" if first else "ps-0.log")).read_text()
    assert "ps-0 serves" in log and "GPU" not in log
    wait_until_gone(tmp_path)
