"""The manifests: valid, and in agreement with one another and with TF_CONFIG."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from dbsl_tf.cluster.task import task_from_environment
from dbsl_tf.config import load_config
from tests.support.launching import ROOT, write_program

MANIFESTS = sorted((ROOT / "scripts" / "kubernetes").glob("*.yaml"))


def read(path: Path) -> dict:
    return YAML(typ="safe", pure=True).load(path)


CONTENT = {path.stem: read(path) for path in MANIFESTS}
PODS = {
    "chief": CONTENT["chief"]["spec"]["template"],
    "ps": CONTENT["parameter-server"]["spec"]["template"],
    "worker": CONTENT["worker"]["spec"]["template"],
}


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """The ConfigMap as the pods see it, as a folder."""
    for name, text in CONTENT["configuration"]["data"].items():
        (tmp_path / name).write_text(text)
    return tmp_path


# The oldest version with schemas at hand, and the newest.
@pytest.mark.parametrize("version", ["1.25", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid(path: Path, version: str):
    kubernetes_validate.validate(read(path), version, strict=True)


def test_a_misspelt_manifest_would_be_found():
    wrong = {**CONTENT["service"], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_replicas_are_those_of_the_configuration(configuration: Path):
    cluster = load_config(configuration / "train.yaml").cluster
    assert CONTENT["worker"]["spec"]["replicas"] == cluster.workers
    assert CONTENT["parameter-server"]["spec"]["replicas"] == cluster.parameter_servers


@pytest.mark.parametrize("role", PODS)
def test_a_pod_finds_its_task_by_its_name(configuration: Path, role: str):
    """The container's own command, with a `python` that shows the TF_CONFIG it is given."""
    program = f"""#!/usr/bin/env bash
    [ "$2" != dbsl_tf.train ] || {{ echo "$TF_CONFIG"; exit; }}
    exec {sys.executable} "$@"
    """
    write_program(configuration / "bin" / "python", program)
    (container,) = PODS[role]["spec"]["containers"]
    mount = container["volumeMounts"][0]["mountPath"]
    words = [word.replace(mount, str(configuration)) for word in container["command"]]
    variables = {v["name"]: v["value"].replace(mount, str(configuration)) for v in container["env"]}
    (port,) = [port["containerPort"] for port in container["ports"]]
    service = CONTENT["service"]["metadata"]["name"]
    names = {
        "chief": [PODS["chief"]["spec"]["hostname"]],
        "ps": [pod_name("parameter-server", index) for index in range(1)],
        "worker": [pod_name("worker", index) for index in range(2)],
    }
    for index, name in enumerate(names[role]):
        result = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True,
            env={**variables, "HOSTNAME": name,
                 "PATH": f"{configuration / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        task = task_from_environment({"TF_CONFIG": result.stdout})
        assert (task.role, task.index) == (role, index)
        assert task.addresses.as_dict() == {
            key: [f"{host}.{service}:{port}" for host in hosts] for key, hosts in names.items()
        }


def pod_name(manifest: str, index: int) -> str:
    assert CONTENT[manifest]["spec"]["serviceName"] == CONTENT["service"]["metadata"]["name"]
    return f"{CONTENT[manifest]['metadata']['name']}-{index}"


def test_a_pod_without_a_number_is_refused(configuration: Path):
    write_program(configuration / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    result = subprocess.run(
        ["bash", str(configuration / "start.sh")], cwd=ROOT, capture_output=True, text=True,
        env={"ROLE": "worker", "CONFIG": str(configuration / "train.yaml"), "HOSTNAME": "train",
             "PATH": f"{configuration / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("role", PODS)
def test_only_pods_of_the_cluster_reach_its_ports(role: str):
    policy = CONTENT["network-policy"]["spec"]
    labels = PODS[role]["metadata"]["labels"]
    (rule,) = policy["ingress"]
    (sender,) = rule["from"]
    ports = [port["containerPort"] for port in PODS[role]["spec"]["containers"][0]["ports"]]
    for selector in (policy["podSelector"], sender["podSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress"]
    assert [port["port"] for port in rule["ports"]] == ports
    assert CONTENT["service"]["spec"]["selector"].items() <= labels.items()


def test_names_exist_before_pods_are_ready_and_lead_to_the_pods():
    service = CONTENT["service"]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert PODS["chief"]["spec"]["subdomain"] == CONTENT["service"]["metadata"]["name"]
    for name in ("parameter-server", "worker"):
        spec = CONTENT[name]["spec"]
        assert spec["podManagementPolicy"] == "Parallel"
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
