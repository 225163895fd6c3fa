"""The one list of the commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType


@dataclass(frozen=True)
class Command:
    """A command of `dbsl`, which `python -m dbsl_tf.NAME` runs too.

    Attributes:
        name: the name of the command and of its modules.
        summary: one sentence on what it does.
    """

    name: str
    summary: str

    @property
    def module(self) -> str:
        """The module that holds its `main`."""
        return f"dbsl_tf.cli.{self.name}"

    def main(self) -> Callable[[Sequence[str]], int]:
        """Imports the command, a function from arguments to an exit status."""
        return import_module(self.module).main


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        name: Command(name, summary)
        for name, summary in (
            ("train", "Train a network with small- and large-batch workers."),
            ("run", "Run a program that trains with dbsl_tf.Trainer."),
            ("serve", "Run a worker or a parameter server of a cluster."),
            ("status", "Say how far a run is, how it goes, and what its workers do."),
            ("stop", "End a run in order, so that it can be resumed."),
            ("watch", "Show the report of a run as a page that renews itself."),
            ("plan", "Print what every worker trains in an epoch, and how long that takes."),
            ("profile", "Measure how long training steps take, and fit the time model."),
            ("simulate", "Predict how a cluster of any size would perform, without using one."),
            ("sweep", "Train every combination of given values, with one or more seeds each."),
            ("reproduce", "Train a published grid of experiments anew, and compare the results."),
            ("report", "Write one HTML page about runs: what happened, and how they compare."),
            ("plot", "Draw a figure for a paper, one column wide and legible in greyscale."),
            ("audit", "Check that a run trained every sample of each epoch exactly once."),
            ("evaluate", "Evaluate a checkpoint of a run on its test set."),
            ("export", "Write the model or the history of a run for other programs."),
            ("import_history", "Turn a result file of the method's authors into a run directory."),
        )
    }
)
