"""The section `simulate`: the cluster that `dbsl_tf.simulate` imagines."""

from __future__ import annotations

from pydantic import Field

from dbsl_tf.config.names import DelayDistribution
from dbsl_tf.config.section import Section
from dbsl_tf.config.sizes import Bytes

_BYTES = {"allowed": "a number of bytes above 0, such as 1250000000 or 1.25GB, or null"}


class SimulateSection(Section):
    """What a simulated cluster is like beyond its time model and plan."""

    epochs: int = Field(10, ge=1, description="epochs to simulate, at the highest resolution")
    samples_per_worker: int | None = Field(
        None,
        ge=1,
        description="samples in an epoch for each worker, so that the data grow with the cluster; "
        "null: the data set's are divided",
    )
    model_bytes: Bytes | None = Field(
        None,
        gt=0,
        description="bytes that a pull or a push sends, in cluster.transfer_dtype; null: those of "
        "model.name, and of its velocity with optimizer.state keep",
        json_schema_extra=_BYTES,
    )
    server_bandwidth: Bytes | None = Field(
        Bytes(1_250_000_000),
        gt=0,
        description="bytes a second that a parameter server sends, and as many that it takes, "
        "divided between the transfers under way; null: no limit",
        json_schema_extra=_BYTES,
    )
    worker_bandwidth: Bytes | None = Field(
        Bytes(1_250_000_000),
        gt=0,
        description="bytes a second that a worker sends or takes; null: no limit",
        json_schema_extra=_BYTES,
    )
    latency: float = Field(1e-4, ge=0, description="seconds a message is under way")
    merge_seconds_per_byte: float = Field(
        1e-9,
        ge=0,
        description="seconds a parameter server takes to merge a byte of a pushed model, stored as "
        "float32; one model is merged at a time",
    )
    copy_seconds_per_byte: float = Field(
        2e-10,
        ge=0,
        description="seconds a parameter server takes to copy a byte, stored as float32, for "
        "a pull, while which nothing is merged",
    )
    commit_seconds: float = Field(
        0.002, ge=0, description="seconds the coordinator takes for a commit beside the merge"
    )
    overhead: float | None = Field(
        None,
        ge=0,
        description="seconds a mini-epoch takes beyond its batches, pull and push; null: what the "
        "time model's overhead leaves after an undisturbed pull and push",
    )
    variation: float = Field(
        0.0,
        ge=0,
        le=2,
        description="spread of the training time from mini-epoch to mini-epoch: standard "
        "deviation of its logarithm, its mean kept",
    )
    worker_variation: float = Field(
        0.0, ge=0, le=2, description="likewise from worker to worker, the same in all mini-epochs"
    )
    straggler_probability: float = Field(
        0.0, ge=0, le=1, description="probability that a mini-epoch is held up"
    )
    straggler_slowdown: float = Field(
        3.0, ge=1, description="mean of how many times longer one takes that is held up"
    )
    straggler_distribution: DelayDistribution = Field(
        "exponential", description="distribution of the time it is held up"
    )
    failures_per_hour: float = Field(
        0.0, ge=0, description="mean failures of a worker in an hour of training, exponential"
    )
    restart_seconds: float = Field(
        30.0, ge=0, description="mean seconds until a worker that failed takes part again"
    )
    restart_distribution: DelayDistribution = Field(
        "constant", description="distribution of these seconds"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed of everything drawn")
