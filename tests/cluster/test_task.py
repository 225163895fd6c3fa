"""TF_CONFIG: what is read, and what is refused in one line."""

from __future__ import annotations

import json

import pytest

from dbsl_tf.cluster.task import ClusterAddresses, Task, host_and_port, task_from_environment
from dbsl_tf.common.errors import UserError

CLUSTER = {"chief": ["a:1"], "ps": ["b:2"], "worker": ["c:3", "d:4"]}


def environment(cluster: object = CLUSTER, **task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_without_tf_config_there_is_no_task(text):
    assert task_from_environment({} if text is None else {"TF_CONFIG": text}) is None


def test_a_worker_finds_its_role_and_address():
    task = task_from_environment(environment(type="worker", index=1))
    assert (task.role, task.index, task.name, task.address) == ("worker", 1, "worker-1", "d:4")
    assert task.addresses == ClusterAddresses("a:1", ("c:3", "d:4"), ("b:2",))


def test_a_task_survives_the_way_through_tf_config():
    task = Task(ClusterAddresses("a:1", ("c:3",), ("b:2", "e:5")), "ps", 1)
    assert task_from_environment({"TF_CONFIG": task.to_json()}) == task


@pytest.mark.parametrize(
    ("address", "parts"),
    [("node-1.example.:1", ("node-1.example.", 1)), ("[fe80::1%eth0]:2", ("fe80::1%eth0", 2))],
)
def test_names_and_bracketed_addresses_are_hosts(address, parts):
    task = task_from_environment(environment({**CLUSTER, "ps": [address]}, type="ps", index="0"))
    assert task.address == address
    assert host_and_port(address) == parts


def test_servers_are_everyone_but_the_chief():
    task = task_from_environment(environment(type="chief"))
    assert [server.name for server in task.addresses.servers()] == ["ps-0", "worker-0", "worker-1"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"TF_CONFIG": "{chief}"}, "TF_CONFIG='{chief}'"),
        ({"TF_CONFIG": "[]"}, "cannot be read"),
        ({"TF_CONFIG": "[" * 100_000}, "cannot be read"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "'task'"),
        (environment(type="evaluator", index=0), "task.type='evaluator'"),
        (environment(type="worker", index=2), "task.index=2"),
        (environment(type="worker", index=-1), "task.index=-1"),
        (environment({**CLUSTER, "master": ["x:1"]}, type="ps", index=0), "cluster.master"),
        (environment({**CLUSTER, "ps": []}, type="chief", index=0), "cluster.ps=[]"),
        (environment({"ps": ["b:2"], "worker": ["c:3"]}, type="ps", index=0), "cluster.chief=None"),
        (environment({**CLUSTER, "chief": ["a:1", "z:9"]}, type="ps", index=0), "2 addresses"),
        (environment({**CLUSTER, "worker": ["c"]}, type="ps", index=0), "'c'"),
        (environment({**CLUSTER, "worker": ["c:0"]}, type="ps", index=0), "'c:0'"),
        (environment({**CLUSTER, "worker": ["c:3", "b:2"]}, type="ps", index=0), "b:2 more than"),
        (environment({**CLUSTER, "worker": ["c:3", "B:02"]}, type="ps", index=0), "b:2 more than"),
        (environment({**CLUSTER, "worker": ["grpc://c:3"]}, type="ps", index=0), "'grpc://c:3'"),
        (environment({**CLUSTER, "worker": ["me@c:3"]}, type="ps", index=0), "'me@c:3'"),
        (environment({**CLUSTER, "worker": ["::1:3"]}, type="ps", index=0), "'::1:3'"),
        (environment({**CLUSTER, "worker": ["c..d:3"]}, type="ps", index=0), "'c..d:3'"),
        (environment({**CLUSTER, "worker": ["c" * 64 + ":3"]}, type="ps", index=0), "'cccc"),
        (environment({**CLUSTER, "worker": ["c:" + "1" * 5000]}, type="ps", index=0), "'c:1111"),
        (environment({**CLUSTER, "worker": "c:3"}, type="ps", index=0), "cluster.worker='c:3'"),
        (environment({**CLUSTER, "worker": [["c:3"]]}, type="ps", index=0), "['c:3']"),
        (environment(type=["worker"], index=0), "task.type=['worker']"),
        (environment(type="worker", index=0.5), "task.index=0.5"),
        (environment(type="worker", index=True), "task.index=True"),
        (environment(type="worker", index=None), "task.index=None"),
        (environment(type="worker", index="first"), "'first'"),
    ],
)
def test_a_mistake_is_named_in_one_line(given, named):
    with pytest.raises(UserError) as caught:
        task_from_environment(given)
    assert named in str(caught.value)
    assert "TF_CONFIG" in str(caught.value)
    assert "\n" not in str(caught.value)
