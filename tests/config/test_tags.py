"""Which keys matter for what, as the fields of the configuration say."""

from __future__ import annotations

import pytest

from dbsl_tf.config import describe_keys
from dbsl_tf.config.keys import effect_of, tagged
from dbsl_tf.config.schema import Config
from dbsl_tf.config.tags import Effect, Fixed, OfSmallWorkers, SameWork, SetBySweep, Timed

NOT_COMPARED = {
    *("data.dir", "time_model.profile"),
    *("cluster.connect_timeout", "cluster.worker_timeout"),
    *("cluster.max_restarts", "cluster.isolation", "cluster.grace_seconds"),
    "cluster.min_workers",
    "dual_batch.measure_noise",
}


def keys() -> list[str]:
    return [description.key for description in describe_keys()]


def test_every_key_says_what_changes_with_it() -> None:
    """A key of no effect would silently be one that tells runs apart."""
    assert list(tagged(Effect)) == keys()


def test_no_key_says_two_things_of_one_kind() -> None:
    for section, field in Config.model_fields.items():
        for name, part in field.annotation.model_fields.items():
            for kind in (Effect, Fixed, OfSmallWorkers, SameWork, SetBySweep, Timed):
                given = [tag for tag in part.metadata if isinstance(tag, kind)]
                assert len(given) <= 1, (section, name, given)


def test_where_a_run_lies_and_how_it_is_shown_is_no_change_of_it() -> None:
    found = {key for key, effect in tagged(Effect).items() if effect is Effect.PLACE}
    assert found == {
        *("run.dir", "run.resume", "run.tensorboard", "run.metrics_port", "run.metrics_address")
    }


def test_how_a_run_is_carried_out_is_not_compared() -> None:
    found = {key for key, effect in tagged(Effect).items() if effect is Effect.CONDUCT}
    whole = ("checkpoint.", "profile.", "simulate.")
    assert found == NOT_COMPARED | {key for key in keys() if key.startswith(whole)}
    repeated = [key for key, effect in tagged(Effect).items() if effect is Effect.REPETITION]
    assert repeated == ["run.seed"]


def test_what_a_resumed_run_must_keep() -> None:
    assert {key: tag.reason for key, tag in tagged(Fixed).items()} == {
        "data.name": "the classes would be different",
        "data.train_samples": "an epoch would have other samples",
        "data.sharing": "it would not be known which samples the epoch has had",
        "data.validation_samples": "what is held out now was trained on, or the other way round",
        "model.name": "the weights belong to another network",
        "model.options": "the weights belong to another network",
        "model.stem": "the weights belong to another network",
        "cluster.workers": "an epoch has commits of every worker",
        "optimizer.name": "the state that is kept is that of another optimiser",
    }


def test_what_the_times_of_a_profile_depend_on() -> None:
    assert {key: tag.name for key, tag in tagged(Timed).items()} == {
        "data.name": "data",
        "data.options": "data_options",
        "data.dir": "files",
        "data.image_size": "resolutions",
        "data.augment": "augment",
        "model.name": "model",
        "model.stem": "stem",
        "compute.precision": "precision",
        "compute.xla": "xla",
        "compute.onednn": "onednn",
        "compute.winograd": "winograd",
        "cluster.workers": "servers",
        "cluster.parameter_servers": "servers",
        "cluster.transfer_dtype": "transfer_dtype",
        "optimizer.name": "optimizer_name",
        "optimizer.options": "optimizer_options",
        "optimizer.momentum": "optimizer",
        "optimizer.clip_norm": "clip_norm",
        "optimizer.state": "optimizer",
        "progressive.mode": "resolutions",
        "progressive.resolutions": "resolutions",
    }
    of_steps = [tag.name for tag in tagged(Timed).values() if tag.of_steps]
    assert of_steps == ["model", "stem", "precision", "xla", "onednn", "winograd"]


def test_what_else_matters_for_comparing_and_sweeping() -> None:
    assert set(tagged(SameWork)) == {
        *("schedule.epochs", "model.name", "model.options", "data.name", "data.train_samples"),
        *("compute.precision", "compute.xla", "data.validation_samples"),
    }
    assert set(tagged(OfSmallWorkers)) == {
        *("dual_batch.extra_time_ratio", "dual_batch.update_factor"),
    }
    swept = tagged(SetBySweep)
    assert {key: tag.first for key, tag in swept.items()} == {
        "run.dir": False,
        "run.resume": False,
        "run.seed": True,
    }


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("simulate.removed", Effect.CONDUCT),
        ("optimizer.removed", Effect.RESULT),
        ("run.removed", Effect.RESULT),
        ("removed.key", Effect.RESULT),
    ],
)
def test_a_key_of_another_version_is_like_its_section_or_tells_runs_apart(
    key: str, effect: Effect
) -> None:
    assert effect_of(key) is effect
