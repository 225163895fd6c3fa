"""The workload of every peer: the same model on the same samples in the same batches."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from dbsl_tf.common import onednn
from dbsl_tf.config import Config, load_config
from dbsl_tf.data.configured import epoch_samples
from dbsl_tf.planning import DualBatchPlan, WorkerPlan
from dbsl_tf.resolved import resolve


@dataclass(frozen=True)
class Workload:
    """A configuration, its plan, and how long to train.

    Attributes:
        config: the resolved configuration.
        plan: batch and samples of every worker.
        mini_epochs: how many mini-epochs each worker trains.
    """

    config: Config
    plan: DualBatchPlan
    mini_epochs: int

    @property
    def workers(self) -> tuple[WorkerPlan, ...]:
        """One mini-epoch of each worker."""
        return self.plan.workers

    def dataset(self, batch: int, samples: int, seed: Any, threads: int) -> Any:
        """Returns an endless `tf.data.Dataset` of (images, labels): mini-epochs of `samples`.

        It is the input pipeline of dbsl_tf, which costs every peer the same.

        Args:
            batch: samples in a batch, a scalar.
            samples: samples in a mini-epoch, a scalar.
            seed: seed of order and augmentation, a scalar.
            threads: cores to make batches on.
        """
        from dbsl_tf.data.configured import training_data
        from dbsl_tf.data.sample_stream import mini_epoch_batches
        from dbsl_tf.data.training_data import StreamSettings

        stream = StreamSettings(mini_epoch_batches(batch, samples), seed, threads)
        data = training_data(self.config.data)
        return data.training_batches(epoch_samples(self.config.data), stream)

    def model(self, keras: Any) -> Any:
        """Returns the network, built with `keras`: keras_core, Keras 3 or tf_keras."""
        from dbsl_tf.data.configured import prepare_data
        from dbsl_tf.models import build_model

        return build_model(
            keras,
            self.config.model.name,
            prepare_data(self.config.data).spec.classes,
            self.config.model.dropout,
            seed=self.config.run.seed,
            stem=self.config.stem,
            precision=self.config.precision,
        )

    @staticmethod
    def of(config: Config, mini_epochs: int) -> Workload:
        """Returns the workload of a configuration."""
        return Workload(config, resolve(config).schedule.plain, mini_epochs)


def peer_parser(description: str) -> argparse.ArgumentParser:
    """Returns the parser with the options of every peer; parse with `parse_workload`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", required=True, help="configuration of dbsl_tf")
    parser.add_argument(
        "--mini-epochs", type=int, default=5, help="mini-epochs of each worker (default: 5)"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    return parser


def parse_workload(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> tuple[argparse.Namespace, Workload]:
    """Returns the options of a peer and its workload."""
    options = parser.parse_intermixed_args(arguments)
    config = load_config(options.config, options.overrides)
    # Every peer uses the oneDNN setting of dbsl_tf.
    onednn.apply(config.compute.onednn)
    return options, Workload.of(config, options.mini_epochs)
