"""The section `merge`: how what the workers have trained enters the global weights."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from dbsl_tf.config.names import MERGE_RULE_ALIASES
from dbsl_tf.config.ranges import LARGEST_FACTOR
from dbsl_tf.config.registries import MERGE_RULES, chosen_from
from dbsl_tf.config.section import Section, across_keys

# Of the built-in rules that have them; None: by the number of workers.
_LEARNING_RATES = {"delta": 1.0, "delayed_nesterov": 1.0, "nesterov": 0.7, "slowmo": 1.0}
_MOMENTA = {"delayed_nesterov": 0.5, "nesterov": 0.9, "slowmo": None}
_LARGEST_POWER = 100
# What to use instead of a rule that another synchronisation needs.
_INSTEAD_IN_ROUNDS = {"delayed_nesterov": "nesterov"}
_INSTEAD_ASYNCHRONOUSLY = {"nesterov": "delayed_nesterov", "slowmo": "delayed_nesterov"}


class MergeSection(Section):
    """How what a worker has trained enters the global weights; docs/method.md has the formulas."""

    rule: Annotated[str, chosen_from(MERGE_RULES)] = Field(
        "average",
        description="how a worker's weights w are merged into the global g: average (g + f w)/(1 + "
        "f), interpolate ((2 - f) g + f w)/2; delta, which adds what the worker added to the "
        "weights it began with, over n; delayed_nesterov, the same with momentum after every n "
        "commits; with bsp, which otherwise averages all weights: nesterov, slowmo; a function of "
        "yours of g, w and f, or a class of yours; journal and compsac, the papers' names, still "
        "work",
        json_schema_extra={"allowed": MERGE_RULES.allowed},
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=LARGEST_FACTOR,
        description="factor of a merged change with delta, delayed_nesterov, nesterov and slowmo; "
        "null: 1, with nesterov 0.7",
    )
    momentum: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the changes before that delayed_nesterov, nesterov and slowmo go on "
        "with; null: 0.5, 0.9, and by the number of workers 0.2 up to 4, 0.5 at 8, 0.6 from 16 on",
    )
    staleness_power: float = Field(
        0.0,
        ge=0,
        le=_LARGEST_POWER,
        description="p: what a worker has trained counts (1 + s)^-p as much, where s is the number "
        "of commits merged since it began; 0: as much; no effect with bsp",
    )

    @field_validator("rule", mode="before")
    @classmethod
    def _rule_of_alias(cls, rule: Any) -> Any:
        return MERGE_RULE_ALIASES.get(rule, rule) if isinstance(rule, str) else rule

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> MergeSection:
        for key, rules in (("learning_rate", _LEARNING_RATES), ("momentum", _MOMENTA)):
            value = getattr(self, key)
            if value is not None and MERGE_RULES.is_builtin(self.rule) and self.rule not in rules:
                raise across_keys(
                    (f"merge.{key}", "merge.rule"),
                    value,
                    f"leave it out, as it is for {', '.join(rules)}, and merge.rule is {self.rule}",
                )
        return self

    def settled(self, workers: int) -> MergeSection:
        """Returns the same section with the numbers that a built-in rule has where it has null.

        Args:
            workers: their number, n.
        """
        rate, momentum = self.learning_rate, self.momentum
        if rate is None:
            rate = _LEARNING_RATES.get(self.rule)
        if momentum is None and self.rule in _MOMENTA:
            momentum = _MOMENTA[self.rule] or slow_momentum(workers)
        return self.model_copy(update={"learning_rate": rate, "momentum": momentum})

    def in_words(self, workers: int, in_rounds: bool) -> str:
        """Returns what happens to the weights, as in "delta, learning rate 1".

        Args:
            workers: their number, n.
            in_rounds: whether all of them are merged at once (BSP).
        """
        settled = self.settled(workers)
        mixes = MERGE_RULES.is_builtin(self.rule) and settled.learning_rate is None
        told = ["mean of a round" if in_rounds and mixes else self.rule]
        for name, value in (
            ("learning rate", settled.learning_rate),
            ("momentum", settled.momentum),
            ("staleness power", None if in_rounds else self.staleness_power or None),
        ):
            if value is not None:
                told.append(f"{name} {value:.4g}")
        return ", ".join(told)


def slow_momentum(workers: int) -> float:
    """Returns the momentum of slowmo for a number of workers, between those that were published.

    Example:
        >>> slow_momentum(4), slow_momentum(8), slow_momentum(16)
        (0.2, 0.5, 0.6)
    """
    logarithm = math.log2(workers)
    if logarithm <= 3:
        return 0.2 + 0.3 * max(0.0, logarithm - 2)
    return 0.5 + 0.1 * min(1.0, logarithm - 3)


def check_merge(section: MergeSection, in_rounds: bool) -> None:
    """Checks that a built-in rule fits the synchronisation.

    Args:
        section: names the rule.
        in_rounds: whether all workers wait for one another (BSP).

    Raises:
        PydanticCustomError: it does not.
    """
    rule = section.rule
    instead = (_INSTEAD_IN_ROUNDS if in_rounds else _INSTEAD_ASYNCHRONOUSLY).get(rule)
    if instead is None:
        return
    if in_rounds:
        remedy = "is for workers that do not wait for one another"
        other = "sync.mode=asp"
    else:
        remedy = "merges the mini-epochs of all workers at once"
        other = "sync.mode=bsp"
    raise across_keys(
        ("merge.rule", "sync.mode", "sync.staleness"),
        rule,
        f"it {remedy}: give {instead}, or {other}",
    )
