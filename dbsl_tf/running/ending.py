"""How a run that is interrupted ends: it is saved, and says how it is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from dbsl_tf.cluster.connecting import ReadyCluster
from dbsl_tf.cluster.liveness import SilenceWatch
from dbsl_tf.cluster.task import PARAMETER_SERVER
from dbsl_tf.common.errors import ClusterError, UserError
from dbsl_tf.common.interruptions import ends_at_once, uninterrupted
from dbsl_tf.common.printing import print_command
from dbsl_tf.common.waiting import waiting
from dbsl_tf.operating.live_run import LiveRun
from dbsl_tf.operating.resuming import how_to_resume, resuming_words
from dbsl_tf.running.begun_run import Run

if TYPE_CHECKING:
    from dbsl_tf.coordinator.trainer import Trainer


class Ending:
    """Says once how an interrupted run is resumed.

    Args:
        run: that is interrupted.
        console: where to say it.
        live: keeps what came of saving.
    """

    def __init__(self, run: Run, console: Console, live: LiveRun) -> None:
        self._run = run
        self._console = console
        self._live = live
        self._told = False

    def tell(self, what: str) -> None:
        """Prints it after `what` has happened, even if the run is interrupted again."""
        if self._told:
            return
        with uninterrupted():
            words, command = resuming_words(self._run.directory)
            print_command(self._console, f"{what}: {words}", command)
            self._told = True

    def save(self, trainer: Trainer, cluster: ReadyCluster) -> None:
        """Saves the weights, and prints what came of it."""
        self._live.doing("saving the weights")
        what = self._saved(trainer, cluster)
        self._live.tell(what)
        self.tell(what)

    def _saved(self, trainer: Trainer, cluster: ReadyCluster) -> str:
        """Saves the weights while the parameter servers answer, or until another Ctrl-C."""
        kept = "not saved; the last checkpoint remains"
        what = "saving the weights (Ctrl-C again: keep the last checkpoint instead)"
        try:
            trainer.stop()
            if ends_at_once():
                return kept
            holders = [s for s in cluster.task.addresses.servers() if s.role == PARAMETER_SERVER]
            silence = SilenceWatch(holders, cluster.limits.answer)
            with waiting(self._console, what):
                trainer.save_now(silence.check)
        except (ClusterError, UserError) as error:
            return f"{kept} ({error})"
        except KeyboardInterrupt:
            return kept
        return "saved"


def last_words(run: Run) -> str:
    """Returns what is printed if the process has to be killed."""
    return (
        "error: the process did not respond and was ended; the last checkpoint remains: "
        + how_to_resume(run.directory)
    )
