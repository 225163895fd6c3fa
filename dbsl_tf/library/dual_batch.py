"""What a user's program asks of the plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbsl_tf.common.errors import UserError
from dbsl_tf.common.registry import OWN


@dataclass(frozen=True)
class DualBatch:
    """Who trains what, with which batch: `dual_batch`, `merge`, `sync`, `time_model` and more.

    Attributes:
        workers: number of workers, n.
        small_workers: how many of them train with small batches, n_S.
        large_batch: samples in a large batch, B_L.
        extra_time_ratio: time of an epoch relative to large batches only, k; at least 1.
        time_model: (a, b), the seconds a batch takes being a times its samples plus b; the file of
            a profile; None: measured before the training.
        update_factor: weight of a small worker's update: "linear" d_S/d_L, "sqrt" the
            root of that, "throughput" d_S B_S/(d_L B_L), or "none" 1.
        merge: how updates enter the global weights: "average", "interpolate", "delta",
            "delayed_nesterov"; with "bsp" also "nesterov" and "slowmo"; an import path; a function
            of a global weight, the worker's and the update factor, in TensorFlow's operations, that
            works element by element; or a class, see `dbsl_tf.shared_model.outer`. With "bsp" all
            weights are averaged if it is "average", "interpolate" or a function.
        merge_learning_rate: of "delta", "delayed_nesterov", "nesterov" and "slowmo"; None: by the
            rule.
        merge_momentum: of the last three of these; None: by the rule.
        staleness_power: p; an update counts (1 + s)^-p as much, where s is the number of commits
            merged since its worker began.
        replan: whether the plan follows the speed that is observed.
        sync: "asp", "bsp", or "ssp".
        staleness: of "ssp", s.
        mini_epochs_per_epoch: how often every worker takes and gives back the weights in an epoch.
        merge_interval: "constant", or "quadratic": less often as the learning rate falls.
        final_local_epochs: epochs at the end that every worker trains on its own, from the same
            weights; the results are averaged once. Callbacks see them as one epoch, the last.
        measure_noise: whether the batch noise scale is measured after every epoch.
        sharing: "shared": each worker goes through the whole training set; "disjoint": each sample
            is trained by one worker in an epoch.

    Example:
        >>> DualBatch(workers=4, small_workers=2, large_batch=256).extra_time_ratio
        1.05
    """

    workers: int = 2
    small_workers: int = 1
    large_batch: int = 128
    extra_time_ratio: float = 1.05
    time_model: None | Sequence[float] | str | Path = None
    update_factor: str = "linear"
    merge: str | Callable[..., Any] = "average"
    replan: bool = False
    sync: str = "asp"
    staleness: int | None = 1
    mini_epochs_per_epoch: int = 1
    merge_interval: str = "constant"
    final_local_epochs: int = 0
    measure_noise: bool = False
    merge_learning_rate: float | None = None
    merge_momentum: float | None = None
    staleness_power: float = 0.0
    sharing: str = "shared"

    def sections(self) -> dict[str, dict[str, Any]]:
        """Returns the keys of the configuration that say this.

        Raises:
            UserError: `time_model` is neither two numbers nor a file that is there.
        """
        return {
            "dual_batch": {
                "small_workers": self.small_workers,
                "large_batch": self.large_batch,
                "extra_time_ratio": self.extra_time_ratio,
                "update_factor": self.update_factor,
                "replan": self.replan,
                "measure_noise": self.measure_noise,
            },
            "merge": {
                "rule": OWN if callable(self.merge) else self.merge,
                "learning_rate": self.merge_learning_rate,
                "momentum": self.merge_momentum,
                "staleness_power": self.staleness_power,
            },
            "data": {"sharing": self.sharing},
            "sync": {"mode": self.sync, "staleness": self.staleness},
            "schedule": {
                "mini_epochs_per_epoch": self.mini_epochs_per_epoch,
                "merge_interval": self.merge_interval,
                "final_local_epochs": self.final_local_epochs,
            },
            "time_model": self._time_model(),
        }

    def _time_model(self) -> dict[str, Any]:
        if self.time_model is None:
            return {}
        if isinstance(self.time_model, str | Path):
            path = Path(self.time_model).absolute()
            if not os.path.isfile(path):
                raise UserError(
                    f"time_model is {str(self.time_model)!r}, and there is no such file; give one "
                    "that dbsl profile has written, (a, b), or None"
                )
            return {"profile": str(path)}
        try:
            a, b = map(float, self.time_model)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"time_model is {self.time_model!r}; give (a, b), the seconds per sample and per "
                "batch, the file of a profile, or None"
            ) from error
        return {"a": a, "b": b}
