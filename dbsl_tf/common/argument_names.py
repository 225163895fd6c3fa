"""What a program that uses `dbsl_tf.Trainer` calls what a configuration has keys for."""

from __future__ import annotations

# The names that a program knows the keys of the configuration by.
_NAMES = {
    # Longer ones first.
    "SparseCategoricalCrossentropy with training.loss_options={from_logits: true}": (
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
    ),
    "training.loss": "loss",
    "training.metrics": "metrics",
    "cluster.workers": "plan.workers",
    "dual_batch.": "plan.",
    "merge.rule": "plan.merge",
    "merge.learning_rate": "plan.merge_learning_rate",
    "merge.momentum": "plan.merge_momentum",
    "merge.staleness_power": "plan.staleness_power",
    "sync.mode": "plan.sync",
    "sync.staleness": "plan.staleness",
    "time_model.": "plan.time_model.",
    "schedule.mini_epochs_per_epoch": "plan.mini_epochs_per_epoch",
    "schedule.merge_interval": "plan.merge_interval",
    "schedule.final_local_epochs": "plan.final_local_epochs",
    "schedule.epochs": "epochs",
    "run.seed": "seed",
    "run.dir": "run_dir",
    "model.weights": "initial_weights",
    "optimizer.base_lr": "optimizer.learning_rate",
}


def in_words_of_a_program(text: str) -> str:
    """Returns a text with the names of arguments in place of the keys of the configuration.

    Example:
        >>> in_words_of_a_program("schedule.epochs was 8, now 9")
        'epochs was 8, now 9'
    """
    for key, name in _NAMES.items():
        text = text.replace(key, name)
    return text
