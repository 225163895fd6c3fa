"""What Prometheus gets of a run, over real connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dbsl_tf.common.errors import UserError
from dbsl_tf.operating.metrics import Metrics, listen
from dbsl_tf.planning import PlanRequest, TimeModel, plan_dual_batch
from dbsl_tf.results.records import FaultRecord
from tests.support.networks import skip_without_namespaces
from tests.support.records import commit_record, evaluation_record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    with listen("127.0.0.1", 0, {}) as listening:
        metrics = Metrics(listening)
        yield metrics
        metrics.close()


def scraped(url: str) -> dict[tuple[str, ...], float]:
    """The samples, by name and the values of their labels in alphabetical order."""
    with urlopen(url) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_a_run_does_is_counted(metrics: Metrics) -> None:
    plan = plan_dual_batch(
        PlanRequest((TimeModel(0.001, 0.01),) * 2, 300, 2, 1, 50, "nearest"), extra_time_ratio=1.1
    )
    metrics.begin(Path("runs/a"), plan, commits=6, merged=2, absent={0})
    found = scraped(metrics.url)
    assert found["dbsl_commits",] == 2
    assert [found["dbsl_worker_present", w] for w in "01"] == [0, 1]
    metrics.faulted(FaultRecord(2, "back", 0, "joined"))
    for commit in (3, 4):
        metrics.committed(
            commit_record(
                commit=commit, worker=0, role="small", samples=100, seconds=0.5, train_loss=1.25
            )
        )
    metrics.evaluated(evaluation_record(commit=4, test_loss=0.75, test_accuracy=None))
    metrics.faulted(FaultRecord(4, "absent", 1, "lost"))
    metrics.faulted(FaultRecord(4, "rejected", 0, "not finite"))
    found = scraped(metrics.url)
    resolution = str(evaluation_record().resolution)
    assert found["dbsl_commits",] == 4
    assert found["dbsl_commits_planned",] == 6
    assert found["dbsl_samples_total", "0", "small"] == 200
    assert found["dbsl_mini_epoch_seconds_sum", "0", "small"] == 1.0
    assert found["dbsl_mini_epoch_seconds_count", "0", "small"] == 2
    assert found["dbsl_train_loss", "small"] == 1.25
    assert found["dbsl_evaluation_loss", resolution, "test"] == 0.75
    assert not any(name == "dbsl_evaluation_accuracy" for name, *_ in found)
    assert found["dbsl_faults_total", "absent"] == 1
    assert [found["dbsl_worker_present", w] for w in "01"] == [1, 0]
    metrics.faulted(FaultRecord(5, "back", 1, "back"))
    assert scraped(metrics.url)["dbsl_worker_present", "1"] == 1
    assert found["process_resident_memory_bytes",] > 0


def test_only_this_machine_reaches_it_unless_asked(metrics: Metrics) -> None:
    assert metrics.url.startswith("http://127.0.0.1:")
    with listen("0.0.0.0", 0, {}) as listening:
        metrics = Metrics(listening)
        assert metrics.url.startswith(f"http://{socket.gethostname()}:")
        metrics.close()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"run.metrics_port={port}: .* in use.*another port"):
            listen("127.0.0.1", port, {})


@pytest.mark.parametrize("address", ["no such host", "a..b", "203.0.113.7"])
def test_an_address_that_is_none_of_this_machine(address: str) -> None:
    with pytest.raises(UserError, match=rf"listen at {address} \([^(]*\).*metrics_address"):
        listen(address, 0, {})


def test_it_is_reached_from_outside_the_network_of_a_run() -> None:
    """Even though that network has no way in, and the command begins again in its process."""
    skip_without_namespaces()
    program = """
import os, sys
from dbsl_tf.cluster import namespaces
from dbsl_tf.operating.metrics import Metrics, listen
listening = listen("127.0.0.1", 0, os.environ)
if "again" not in sys.argv:
    os.execv(sys.executable, [*sys.orig_argv, "again"])
namespaces.enter(namespaces.usable_way())
print(Metrics(listening).url, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        url = process.stdout.readline().strip()
        assert ("dbsl_commits",) in scraped(url)
        process.stdin.close()
