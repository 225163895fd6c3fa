"""Reading run directories: whole, interrupted, resumed, of other origin, damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbsl_tf.common.checksums import verified_line
from dbsl_tf.common.errors import UserError
from dbsl_tf.reporting.comparison import Group, group_runs
from dbsl_tf.reporting.curves import group_curve, run_curves
from dbsl_tf.reporting.measures import measures
from dbsl_tf.reporting.reading import read_run, read_runs
from dbsl_tf.reporting.run_tables import event_table
from dbsl_tf.results.records import FaultRecord, WorkersRecord
from tests.support.run_directories import HYBRID, START, append_event, make_run


def test_a_finished_run(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3", "run.seed=7")
    run = read_run(tmp_path / "run")
    assert (run.status, run.seed, run.workers) == ("finished", 7, 2)
    assert [m.commit for m in run.mini_epochs] == [1, 2, 3, 4, 5, 6]
    assert [e.epochs for e in run.evaluations] == [1, 2, 3]
    assert run.mini_epochs[0].begin == 0
    assert run.config["dual_batch.large_batch"] == 64
    assert run.time_model(1, 32).seconds_per_batch == 0.0024
    assert run.time_model(2, 32) is None


def test_validation_beside_one_evaluation_on_the_test_set(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3", validation=True)
    run = read_run(tmp_path / "run")
    assert [e.epochs for e in run.validations] == [1, 2, 3]
    assert [e.epochs for e in run.evaluations] == [3]
    assert run.watched == run.validations
    labels = [(curve.label, len(curve.x)) for curve in run_curves(run, "loss", "epoch")]
    assert labels[:2] == [("validation", 3), ("test", 1)]
    whole = group_curve(Group("", (run,)), "loss", "epoch")
    assert whole.y == tuple(e.test_loss for e in run.validations)
    assert measures(run).last is run.evaluations[0]
    assert measures(run).best_validation in run.validations


def test_a_merge_rule_under_the_name_of_its_paper(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3")
    text = directory.configuration.read_text()
    directory.configuration.write_text(text.replace("rule: average", "rule: journal"))
    assert "rule: journal" in directory.configuration.read_text()
    assert read_run(tmp_path / "run").config["merge.rule"] == "average"


def test_a_merge_rule_under_its_older_key(tmp_path: Path) -> None:
    now, before = (make_run(tmp_path / name, "schedule.epochs=3") for name in ("now", "before"))
    text = before.configuration.read_text()
    i = text.index("merge:\n")
    section = text[i : text.index("\nsync:", i)]
    text = text.replace(section, "").replace("dual_batch:\n", "dual_batch:\n  merge: journal\n")
    before.configuration.write_text(text)
    runs = [read_run(directory.path) for directory in (now, before)]
    assert runs[1].config["merge.rule"] == "average"
    assert "dual_batch.merge" not in runs[1].config
    # They are repetitions of one another.
    assert len(group_runs(runs)) == 1


def test_an_interrupted_run_with_a_line_cut_short(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3", commits=3)
    with open(directory.history, "a") as file:
        file.write('{"event": "commit", "comm')
    run = read_run(tmp_path / "run")
    assert run.status == "not finished: commit 3 of 6"
    assert len(run.mini_epochs) == 3


def test_time_leaves_out_the_pause_and_what_a_resumption_lost(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3", commits=4)
    before = read_run(tmp_path / "run")
    changes = ["run.seed was 0, now 1"]
    append_event(
        directory, event="resume", commit=2, discarded=2, time=START + 500, changes=changes
    )
    lines = directory.history.read_text().splitlines()
    events = [json.loads(verified_line(line)) for line in lines]
    third = next(e for e in events if e["event"] == "commit" and e["commit"] == 3)
    append_event(directory, **{**third, "started": START + 510.0, "seconds": 2.0})
    run = read_run(tmp_path / "run")
    ended = max(m.end for m in before.mini_epochs[:2])
    assert [m.commit for m in run.mini_epochs] == [1, 2, 3]
    assert run.mini_epochs[2].begin == ended
    assert run.wall_seconds == ended + 2.0
    (resumption,) = run.resumptions
    assert resumption.seconds == ended
    assert resumption.pause == pytest.approx(510 - ended, abs=1e-3)
    assert run.status == "not finished: commit 3 of 6; resumed once"
    assert "commits lost: 2; run.seed was 0, now 1" in str(event_table(run))


def test_a_plan_for_those_present_is_among_the_events(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3", commits=4)
    plan = {"workers": 1, "small_workers": 0, "large_workers": 1}
    append_event(directory, **WorkersRecord(2, 2, (1,), plan, None).as_dict())
    append_event(directory, **WorkersRecord(4, 3, (0,), None, "k is too large").as_dict())
    run = read_run(tmp_path / "run")
    assert [record.present for record in run.plans_for_present] == [(1,), (0,)]
    told = str(event_table(run))
    assert "from epoch 2 on: a plan for 1 of 2 workers (1): 1 large" in told
    assert "epoch 3: no plan for 1 of 2 workers (0), the one before is kept: k is too" in told


def test_a_clock_that_is_slow_does_not_lead_before_the_beginning(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3", commits=2, evaluate=False)
    append_event(directory, event="resume", commit=2, discarded=0, time=START - 3)
    append_event(
        directory, event="commit", commit=3, worker=0, role="small", started=START - 2, seconds=1.0
    )
    run = read_run(tmp_path / "run")
    assert run.resumptions[0].pause == 0
    assert run.mini_epochs[2].begin == max(m.end for m in run.mini_epochs[:2])


def test_faults_stand_where_they_were_noticed(tmp_path: Path) -> None:
    fault = FaultRecord(3, "absent", 1, "worker 1 is lost", time=START + 1.5)
    make_run(tmp_path / "run", "schedule.epochs=3", faults=[fault])
    run = read_run(tmp_path / "run")
    assert [(f.kind, f.worker) for f in run.faults] == [("absent", 1)]
    assert run.faults[0].seconds == 1.5


def test_of_a_run_of_other_origin_only_the_history_must_be_there(tmp_path: Path) -> None:
    run = tmp_path / "imported"
    run.mkdir()
    events = [
        dict(event="commit", commit=1, worker=0, role="small", started=10.0, seconds=2.0,
             train_loss=None, learning_rate=None),
        dict(event="commit", commit=2, worker=1, role="large", started=10.5, seconds=2.0),
        dict(event="evaluation", commit=1, epoch=0, test_loss=2.0, test_accuracy=0.5),
        dict(event="evaluation", commit=2, epoch=1, test_loss=1.0, test_accuracy=0.75),
    ]  # fmt: skip
    (run / "history.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    found = read_run(run)
    assert (found.workers, found.status) == (2, "no summary; 2 commits")
    assert [e.epochs for e in found.evaluations] == [0.5, 1.0]
    assert [e.end for e in found.evaluations] == [2.0, 2.5]
    assert found.mini_epochs[0].batch_seconds is None


def test_an_imported_run_is_finished_when_all_of_its_commits_are_there(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3", commits=4)
    directory.write_json(directory.summary, {"imported": {"file": "old.npy"}})
    run = read_run(tmp_path / "run")
    assert not run.finished
    assert run.status == "imported; not finished: commit 4 of 6"
    text = directory.configuration.read_text()
    directory.configuration.write_text(text.replace("epochs: 3", "epochs: 2"))
    assert read_run(tmp_path / "run").status == "imported; finished"


def test_a_time_model_for_each_resolution(tmp_path: Path) -> None:
    make_run(
        tmp_path / "run",
        *HYBRID,
    )
    run = read_run(tmp_path / "run")
    assert run.resolutions == (16, 32)
    assert run.time_model(0, 16).seconds_per_sample == 0.0003
    assert run.time_model(0, 32).seconds_per_sample == 0.0007


def test_a_profile_that_is_elsewhere_leaves_no_time_model(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", "schedule.epochs=3")
    text = directory.configuration.read_text()
    directory.configuration.write_text(text.replace("profile: null", "profile: /elsewhere.json"))
    assert read_run(tmp_path / "run").time_models == {}


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("config.yaml", "a: [", "config.yaml cannot be read"),
        ("config.yaml", "- 1", "it holds no sections"),
        ("plan.json", "{", "plan.json cannot be read"),
        ("summary.json", "[]", "summary.json cannot be read .it does not hold a JSON object"),
        ("history.jsonl", "no JSON\n", "history.jsonl line 1 is not a record"),
        (
            "history.jsonl",
            "".join(f'{{"event": "commit", "commit": {number}}}\n' for number in range(1, 7)),
            "worker of a line of kind commit is None",
        ),
        (
            "history.jsonl",
            '{"event": "commit", "commit": 1, "worker": -1, "started": 1, "seconds": 1}\n',
            "worker of a line of kind commit is -1",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str, expected: str) -> None:
    make_run(tmp_path / "run", "schedule.epochs=3")
    (tmp_path / "run" / file).write_text(content)
    with pytest.raises(UserError, match=expected):
        read_run(tmp_path / "run")


def test_what_is_no_run_and_what_is_named_twice(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        read_run(tmp_path)
    make_run(tmp_path / "run", "schedule.epochs=3")
    with pytest.raises(UserError, match="is named twice"):
        read_runs([tmp_path / "run", tmp_path / "." / "run"])
