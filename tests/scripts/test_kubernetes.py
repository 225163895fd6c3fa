"""The manifests: valid, and in agreement with one another, with the image and with TF_CONFIG."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from dbsl_tf import __version__
from dbsl_tf.cluster.local import free_ports
from dbsl_tf.cluster.task import task_from_environment
from dbsl_tf.config import load_config
from tests.support.launching import ROOT, write_program
from tests.support.patience import wait_until

FOLDERS = {"base": "", "gpu": "-gpu"}
ROLES = ("chief", "ps", "worker")
SERVERS = ("ps", "worker")


@cache
def built(folder: str) -> dict[tuple[str, str], dict]:
    """What Kustomize makes of a folder, by kind and name."""
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    done = subprocess.run(
        [kubectl, "kustomize", ROOT / "scripts" / "kubernetes" / folder],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    documents = YAML(typ="safe", pure=True).load_all(done.stdout)
    return {(content["kind"], content["metadata"]["name"]): content for content in documents}


def controller(role: str, folder: str = "base") -> dict:
    """What makes the pods of a role."""
    return built(folder)["Job" if role == "chief" else "StatefulSet", f"train-{role}"]


def pod(role: str, folder: str = "base") -> dict:
    return controller(role, folder)["spec"]["template"]


def container(role: str, folder: str = "base") -> dict:
    (only,) = pod(role, folder)["spec"]["containers"]
    return only


def configuration(folder: str, target: Path) -> Path:
    """Write the ConfigMap as the pods see it."""
    for name, text in built(folder)["ConfigMap", "train"]["data"].items():
        (target / name).write_text(text)
    return target


# The oldest version with schemas at hand, and the newest.
@pytest.mark.parametrize("version", ["1.25", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid(folder: str, version: str):
    for content in built(folder).values():
        kubernetes_validate.validate(content, version, strict=True)


def test_a_misspelt_manifest_would_be_found():
    wrong = {**built("base")["Service", "train"], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_complete(folder: str):
    kinds = sorted(kind for kind, _ in built(folder))
    assert kinds == sorted(
        [
            *("ConfigMap", "Job", "NetworkPolicy", "PersistentVolumeClaim", "Service"),
            *("PodDisruptionBudget", "PodDisruptionBudget", "StatefulSet", "StatefulSet"),
        ]
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_replicas_are_those_of_the_configuration(tmp_path: Path, folder: str):
    cluster = load_config(configuration(folder, tmp_path) / "train.yaml").cluster
    assert controller("worker", folder)["spec"]["replicas"] == cluster.workers
    assert controller("ps", folder)["spec"]["replicas"] == cluster.parameter_servers


@pytest.mark.parametrize(("folder", "variant"), FOLDERS.items())
@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_image_of_the_dockerfile(role: str, folder: str, variant: str):
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert container(role, folder)["image"] == f"dbsl-tf:{__version__}{variant}"
    assert f"docker build --tag dbsl-tf:{__version__}{variant} " in dockerfile
    user, group = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE).groups()
    context = pod(role, folder)["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    # Where the image has the scripts.
    folders = re.findall(r"^WORKDIR (\S+)$", dockerfile.partition("COPY scripts")[0], re.MULTILINE)
    assert container(role, folder)["workingDir"] == folders[-1]


def test_each_worker_of_the_gpu_folder_has_a_gpu_and_nothing_else_has():
    for role in ROLES:
        for folder in FOLDERS:
            limits = container(role, folder)["resources"]["limits"]
            expected = 1 if (role, folder) == ("worker", "gpu") else None
            assert limits.get("nvidia.com/gpu") == expected


@pytest.mark.parametrize("role", ROLES)
def test_a_container_can_write_to_its_volumes_alone(role: str):
    only = container(role)
    assert only["securityContext"]["readOnlyRootFilesystem"]
    writable = {mount["mountPath"] for mount in only["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/cache", "/tmp"} | ({"/runs"} if role == "chief" else set())
    assert only["resources"]["requests"].keys() >= {"cpu", "memory"}


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("role", SERVERS)
def test_a_server_has_time_to_leave_in_order(tmp_path: Path, role: str, folder: str):
    grace = load_config(configuration(folder, tmp_path) / "train.yaml").cluster.grace_seconds
    seconds = pod(role, folder)["spec"]["terminationGracePeriodSeconds"]
    # What it takes until the server is noticed, and until it has ended.
    assert seconds >= grace + 10


@pytest.mark.parametrize("role", SERVERS)
def test_a_budget_counts_the_pods_of_a_role(role: str):
    selector = built("base")["PodDisruptionBudget", f"train-{role}"]["spec"]["selector"]
    assert selector == controller(role)["spec"]["selector"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("role", ROLES)
def test_a_pod_finds_its_task_by_its_name(tmp_path: Path, role: str, folder: str):
    """The container's own command, with a `python` that shows the TF_CONFIG it is given."""
    configuration(folder, tmp_path)
    program = f"""#!/usr/bin/env bash
    [ "$2" != dbsl_tf.train ] || {{ echo "$TF_CONFIG"; exit; }}
    exec {sys.executable} "$@"
    """
    write_program(tmp_path / "bin" / "python", program)
    only = container(role, folder)
    mount = only["volumeMounts"][0]["mountPath"]
    words = [word.replace(mount, str(tmp_path)) for word in only["command"]]
    variables = {v["name"]: v["value"].replace(mount, str(tmp_path)) for v in only["env"]}
    (port,) = [port["containerPort"] for port in only["ports"]]
    names = {
        "chief": [pod("chief", folder)["spec"]["hostname"]],
        "ps": pod_names("ps", folder),
        "worker": pod_names("worker", folder),
    }
    for index in {0, len(names[role]) - 1}:
        result = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True,
            env={**variables, "HOSTNAME": names[role][index],
                 "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        task = task_from_environment({"TF_CONFIG": result.stdout})
        assert (task.role, task.index) == (role, index)
        assert task.addresses.as_dict() == {
            key: [f"{host}.train:{port}" for host in hosts] for key, hosts in names.items()
        }


def pod_names(role: str, folder: str) -> list[str]:
    content = controller(role, folder)
    assert ("Service", content["spec"]["serviceName"]) in built(folder)
    return [f"{content['metadata']['name']}-{i}" for i in range(content["spec"]["replicas"])]


def test_a_pod_without_a_number_is_refused(tmp_path: Path):
    configuration("base", tmp_path)
    write_program(tmp_path / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    result = subprocess.run(
        ["bash", str(tmp_path / "start.sh")], cwd=ROOT, capture_output=True, text=True,
        env={"ROLE": "worker", "CONFIG": str(tmp_path / "train.yaml"), "HOSTNAME": "train",
             "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("role", ROLES)
def test_only_pods_of_the_cluster_reach_its_ports(role: str):
    policy = built("base")["NetworkPolicy", "train"]["spec"]
    labels = pod(role)["metadata"]["labels"]
    (rule,) = policy["ingress"]
    (sender,) = rule["from"]
    ports = [port["containerPort"] for port in container(role)["ports"]]
    for selector in (policy["podSelector"], sender["podSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress"]
    assert [port["port"] for port in rule["ports"]] == ports
    assert built("base")["Service", "train"]["spec"]["selector"].items() <= labels.items()


def test_names_exist_before_pods_are_ready_and_lead_to_the_pods():
    service = built("base")["Service", "train"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert pod("chief")["spec"]["subdomain"] == service["metadata"]["name"]
    for role in SERVERS:
        spec = controller(role)["spec"]
        assert spec["podManagementPolicy"] == "Parallel"
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


@pytest.mark.parametrize("role", SERVERS)
def test_probes_ask_the_port_of_the_server(role: str, tmp_path: Path):
    only = container(role)
    (port,) = only["ports"]
    for probe in ("startupProbe", "readinessProbe"):
        assert only[probe]["tcpSocket"]["port"] == port["name"]
    *_, script = only["livenessProbe"]["exec"]["command"]
    text = (configuration("base", tmp_path) / Path(script).name).read_text()
    seconds = only["livenessProbe"]["timeoutSeconds"]
    assert f'probe("127.0.0.1:{port["containerPort"]}", timeout=20)' in text and seconds > 20


@pytest.mark.cluster
@pytest.mark.slow
def test_a_server_that_hangs_is_not_live(tmp_path: Path):
    ports = free_ports(3)
    script = configuration("base", tmp_path) / "answers.sh"
    script.write_text(script.read_text().replace("2222", str(ports[2])).replace("=20", "=1"))
    write_program(tmp_path / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    addresses = {
        role: [f"127.0.0.1:{port}"] for role, port in zip(("chief", "worker", "ps"), ports)
    }
    task = {"cluster": addresses, "task": {"type": "ps", "index": 0}}

    def answers() -> bool:
        done = subprocess.run(
            ["bash", script], cwd=ROOT, capture_output=True, env={**os.environ, "PATH": path}
        )
        return done.returncode == 0

    server = subprocess.Popen(
        [sys.executable, "-m", "dbsl_tf.serve"],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": json.dumps(task)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(answers, 20)
        server.send_signal(signal.SIGSTOP)
        assert not answers()
        server.send_signal(signal.SIGCONT)
        wait_until(answers, 20)
    finally:
        server.kill()
        server.wait()
