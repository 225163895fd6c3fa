"""The section `simulate`: the cluster that `dbsl_tf.simulate` assumes."""

from __future__ import annotations

from pydantic import Field
from pydantic.config import JsonDict

from dbsl_tf.config.names import DelayDistribution
from dbsl_tf.config.ranges import LARGEST_FACTOR, LONGEST, MOST_BYTES, MOST_EPOCHS, MOST_SAMPLES
from dbsl_tf.config.section import Section
from dbsl_tf.config.sizes import Bytes

_BYTES: JsonDict = {"allowed": "a number of bytes above 0, such as 1250000000 or 1.25GB, or null"}


class SimulateSection(Section):
    """A simulated cluster, apart from its time model and plan."""

    epochs: int = Field(
        10,
        ge=1,
        le=MOST_EPOCHS,
        description="epochs to simulate, at the highest resolution; the last "
        "schedule.final_local_epochs of them are local",
    )
    samples_per_worker: int | None = Field(
        None,
        ge=1,
        le=MOST_SAMPLES,
        description="samples per epoch for each worker, so that the data grows with the cluster; "
        "null: the data set's samples are divided",
    )
    model_bytes: Bytes | None = Field(
        None,
        gt=0,
        le=MOST_BYTES,
        description="bytes that a pull or a push transfers, in cluster.transfer_dtype; null: the "
        "size of model.name, plus that of the optimiser's state with optimizer.state keep",
        json_schema_extra=_BYTES,
    )
    server_bandwidth: Bytes | None = Field(
        Bytes(1_250_000_000),
        gt=0,
        le=MOST_BYTES,
        description="bytes per second that a parameter server can send, and likewise receive, "
        "divided between the transfers in progress; null: no limit",
        json_schema_extra=_BYTES,
    )
    worker_bandwidth: Bytes | None = Field(
        Bytes(1_250_000_000),
        gt=0,
        le=MOST_BYTES,
        description="bytes per second that a worker can send or receive; null: no limit",
        json_schema_extra=_BYTES,
    )
    latency: float = Field(
        1e-4, ge=0, le=LONGEST, description="seconds that a message takes to arrive"
    )
    merge_seconds_per_byte: float = Field(
        1e-9,
        ge=0,
        le=1,
        description="seconds a parameter server takes to merge a byte of a pushed model, stored as "
        "float32, by averaging; rules of the section merge that keep more take as much longer; one "
        "model is merged at a time",
    )
    copy_seconds_per_byte: float = Field(
        2e-10,
        ge=0,
        le=1,
        description="seconds a parameter server takes to copy a byte, stored as float32, for a "
        "pull, during which nothing is merged",
    )
    commit_seconds: float = Field(
        0.002,
        ge=0,
        le=LONGEST,
        description="seconds that the coordinator takes for a commit, apart from the merge",
    )
    evaluation_seconds: float = Field(
        0.0,
        ge=0,
        le=LONGEST,
        description="seconds that one worker would take for a whole evaluation, which the workers "
        "share every schedule.eval_every epochs; 0: evaluations are left out",
    )
    overhead: float | None = Field(
        None,
        ge=0,
        le=LONGEST,
        description="seconds a mini-epoch takes beyond its batches, pull and push; null: the "
        "time model's overhead less an undisturbed pull and push",
    )
    variation: float = Field(
        0.0,
        ge=0,
        le=2,
        description="spread of the training time from mini-epoch to mini-epoch: standard "
        "deviation of its logarithm, with the mean unchanged",
    )
    worker_variation: float = Field(
        0.0, ge=0, le=2, description="the same from worker to worker, constant over the mini-epochs"
    )
    straggler_probability: float = Field(
        0.0, ge=0, le=1, description="probability that a mini-epoch is delayed"
    )
    straggler_slowdown: float = Field(
        3.0,
        ge=1,
        le=LARGEST_FACTOR,
        description="mean factor by which a delayed mini-epoch takes longer",
    )
    straggler_distribution: DelayDistribution = Field(
        "exponential", description="distribution of the time by which it is delayed"
    )
    failures_per_hour: float = Field(
        0.0,
        ge=0,
        le=LARGEST_FACTOR,
        description="mean number of failures of a worker per hour of training, "
        "exponentially distributed",
    )
    restart_seconds: float = Field(
        30.0, ge=0, le=LONGEST, description="mean seconds until a failed worker rejoins"
    )
    restart_distribution: DelayDistribution = Field(
        "constant", description="distribution of restart_seconds"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed for everything drawn at random")
