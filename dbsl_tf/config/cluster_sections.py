"""The sections about the workers and their cooperation: `cluster`, `dual_batch`, `sync`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dbsl_tf.config.names import (
    Isolation,
    Rounding,
    SyncMode,
    TransferType,
    UpdateFactor,
)
from dbsl_tf.config.ranges import (
    LARGEST_BATCH,
    LARGEST_COUNT,
    LARGEST_FACTOR,
    LONGEST_WAIT,
    MOST_WORKERS,
)
from dbsl_tf.config.section import Section
from dbsl_tf.config.tags import Effect, Fixed, OfSmallWorkers, Timed

# Schedulers usually kill what has not ended 30 s after SIGTERM.
GRACE_SECONDS = 25.0


class ClusterSection(Section):
    """The parameter-server cluster."""

    workers: Annotated[
        int, Effect.RESULT, Fixed("an epoch has commits of every worker"), Timed("servers")
    ] = Field(2, ge=1, le=MOST_WORKERS, description="number of workers, n")
    min_workers: Annotated[int | None, Effect.CONDUCT] = Field(
        None,
        ge=1,
        le=MOST_WORKERS,
        description="number of workers with which training begins; the others join when they "
        "come, and at the next epoch the plan is made anew for those that are there; null: all",
    )
    parameter_servers: Annotated[int, Effect.RESULT, Timed("servers")] = Field(
        1, ge=1, le=MOST_WORKERS, description="number of parameter servers"
    )
    connect_timeout: Annotated[float, Effect.CONDUCT] = Field(
        120.0,
        gt=0,
        le=LONGEST_WAIT,
        description="seconds to wait for all servers of the cluster; a local cluster is given "
        "longer while its servers are visibly still starting",
    )
    worker_timeout: Annotated[float | None, Effect.CONDUCT] = Field(
        None,
        gt=0,
        le=LONGEST_WAIT,
        description="seconds after which an unfinished mini-epoch is given to another worker, "
        "or 10 times as long as those of its worker take here if that is longer; the first of a "
        "worker is waited for while it answers; null: 10 times as long as its mini-epochs take, "
        "at least 20 s, if the worker does not answer, or 10 times that if it does",
    )
    max_restarts: Annotated[int, Effect.CONDUCT] = Field(
        10,
        ge=0,
        le=LARGEST_COUNT,
        description="how many times in a run dead servers of a local cluster are restarted, or "
        "the run is resumed from a checkpoint because a parameter server was lost",
    )
    grace_seconds: Annotated[float, Effect.CONDUCT] = Field(
        GRACE_SECONDS,
        ge=0,
        le=LONGEST_WAIT,
        description="seconds that a server may go on after it is asked to end (SIGTERM): a worker "
        "to finish its mini-epoch, a parameter server until the weights are saved; 0: it ends at "
        "once. Give less than passes before it is killed (terminationGracePeriodSeconds, KillWait)",
    )
    isolation: Annotated[Isolation, Effect.CONDUCT] = Field(
        "auto",
        description="use a network namespace to keep other users out of a local cluster; if "
        "the system refuses one, auto prints a warning and require stops the run. No effect with "
        "TF_CONFIG",
    )
    transfer_dtype: Annotated[TransferType, Effect.RESULT, Timed("transfer_dtype")] = Field(
        "float32",
        description="type in which workers pull weights and push their changes; bfloat16 halves "
        "the traffic, at the cost of one more copy of the model per worker on the servers",
    )

    @property
    def workers_to_begin(self) -> int:
        """Number of workers that have to be there when training begins."""
        return self.min_workers or self.workers

    @property
    def of_all_workers(self) -> ClusterSection:
        """The same section, but all workers have to be there."""
        return self.model_copy(update={"min_workers": None})

    @property
    def elastic(self) -> bool:
        """Whether workers may come and go: training does not wait for all of them."""
        return self.workers_to_begin < self.workers


class DualBatchSection(Section):
    """Small- and large-batch workers (Lu et al., COMPSAC 2022; arXiv 2509.26092)."""

    small_workers: int = Field(
        1,
        ge=0,
        le=MOST_WORKERS,
        description="number of workers with the small batch, n_S; at most cluster.workers",
    )
    large_batch: int = Field(
        128, ge=1, le=LARGEST_BATCH, description="samples in a large batch, B_L"
    )
    extra_time_ratio: Annotated[float, OfSmallWorkers()] = Field(
        1.05,
        ge=1,
        le=LARGEST_FACTOR,
        description="time of an epoch relative to large batches only, k; a larger k gives "
        "smaller small batches",
    )
    rounding: Rounding = Field(
        "nearest",
        description="how to round the plan to whole numbers if the workers are equal and have no "
        "overhead: nearest as in arXiv 2509.26092, floor as in COMPSAC 2022",
    )
    update_factor: Annotated[UpdateFactor, OfSmallWorkers()] = Field(
        "linear",
        description="weight f of a small worker's update: linear d_S/d_L, sqrt its square root, "
        "throughput d_S B_S/(d_L B_L), or none 1",
    )
    replan: bool = Field(
        False,
        description="divide an epoch anew at its beginning if workers turn out more than 10 % "
        "slower or faster than one another, other than planned; batches stay",
    )
    measure_noise: Annotated[bool, Effect.CONDUCT] = Field(
        False,
        description="measure the batch noise scale (arXiv 1812.06162) after every epoch, from "
        "gradients of at least eight large batches and of the small batches in them; the report "
        "compares it with the batches",
    )


class SyncSection(Section):
    """Synchronisation of the workers."""

    mode: SyncMode = Field(
        "asp",
        description="asp: no worker waits; bsp: all wait for one another after each mini-epoch, "
        "and their weights are averaged; ssp: no worker gets more than sync.staleness ahead",
    )
    staleness: int | None = Field(
        1,
        ge=0,
        le=LARGEST_COUNT,
        description="with ssp: by how many mini-epochs, s, a worker may be ahead of the slowest "
        "one and still begin another; 0: like bsp, null: like asp",
    )

    @property
    def in_rounds(self) -> bool:
        """Whether all workers wait for one another after every mini-epoch."""
        return self.mode == "bsp" or (self.mode == "ssp" and self.staleness == 0)
