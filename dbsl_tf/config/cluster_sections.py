"""The sections of who does it: `cluster`, `dual_batch`, `sync`."""

from __future__ import annotations

from pydantic import Field

from dbsl_tf.config.names import (
    Isolation,
    MergeRule,
    Rounding,
    SyncMode,
    TransferType,
    UpdateFactor,
)
from dbsl_tf.config.section import Section


class ClusterSection(Section):
    """The parameter-server cluster."""

    workers: int = Field(2, ge=1, description="workers, n")
    parameter_servers: int = Field(1, ge=1, description="parameter servers")
    connect_timeout: float = Field(
        120.0,
        gt=0,
        description="seconds to wait for all servers of the cluster; those of a local cluster get "
        "longer while they are still seen to start",
    )
    worker_timeout: float | None = Field(
        None,
        gt=0,
        description="seconds after which a mini-epoch that does not come back is given to another "
        "worker; null: 10 times as long as they take here, at least 20 s, where the worker does "
        "not answer either, and 10 times as long as that where it does",
    )
    max_restarts: int = Field(
        10,
        ge=0,
        description="how often in a run dead servers of a local cluster are started again, or the "
        "run resumes from a checkpoint because a parameter server was lost",
    )
    isolation: Isolation = Field(
        "auto",
        description="a network namespace keeps others out of a cluster on this machine; where the "
        "system refuses it, auto warns and require stops. No effect with TF_CONFIG",
    )
    transfer_dtype: TransferType = Field(
        "float32",
        description="type in which workers pull weights, and push what they have added to them; "
        "bfloat16 halves what mini-epochs send, for one more model copy per worker on the servers",
    )


class DualBatchSection(Section):
    """Small- and large-batch workers (Lu et al., COMPSAC 2022; arXiv 2509.26092)."""

    small_workers: int = Field(
        1, ge=0, description="workers with the small batch, n_S; at most cluster.workers"
    )
    large_batch: int = Field(128, ge=1, description="samples in a large batch, B_L")
    extra_time_ratio: float = Field(
        1.05,
        ge=1,
        description="time of an epoch relative to large batches only, k; a larger k gives "
        "smaller small batches",
    )
    rounding: Rounding = Field(
        "nearest",
        description="how the plan of equal workers without overhead becomes whole: nearest as in "
        "arXiv 2509.26092, floor as in COMPSAC 2022",
    )
    update_factor: UpdateFactor = Field(
        "linear",
        description="weight of a small worker's update, f: d_S/d_L, its square root, or 1",
    )
    merge: MergeRule = Field(
        "journal",
        description="how weights w enter the global g: journal (g + f w)/(1 + f), compsac "
        "((2 - f) g + f w)/2",
    )
    replan: bool = Field(
        False,
        description="plan anew at the end of an epoch when the observed time of a batch is more "
        "than 10 % off the plan's",
    )


class SyncSection(Section):
    """Synchronisation of the workers."""

    mode: SyncMode = Field(
        "asp",
        description="asp: nobody waits; bsp: all wait for each other after each mini-epoch, and "
        "their weights are averaged; ssp: nobody gets more than staleness ahead",
    )
    staleness: int | None = Field(
        1,
        ge=0,
        description="with ssp: mini-epochs that a worker may be ahead of the slowest one and still "
        "begin another, s; 0: as bsp, null: as asp",
    )
