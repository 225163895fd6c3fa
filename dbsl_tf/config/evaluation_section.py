"""The section `evaluation`: which weights are evaluated and exported."""

from __future__ import annotations

from pydantic import Field, model_validator

from dbsl_tf.config.names import WeightAverage
from dbsl_tf.config.ranges import LARGEST_COUNT, MOST_EPOCHS
from dbsl_tf.config.section import Section, across_keys


class EvaluationSection(Section):
    """The weights that are evaluated, exported and given back; training goes on with its own."""

    average: WeightAverage = Field(
        "none",
        description="none: the global weights of the commit; ema: their exponential moving average "
        "over the commits; last: their mean over the commits of the last epochs, and until then "
        "those of the commit",
    )
    average_epochs: float = Field(
        2.0,
        gt=0,
        le=MOST_EPOCHS,
        description="length of the average in epochs, c: with m commits an epoch, ema keeps "
        "1 - 1/(c m) of the average at each commit; last averages over the last c epochs",
    )
    batch_norm_batches: int = Field(
        0,
        ge=0,
        le=LARGEST_COUNT,
        description="training batches from which the workers estimate the statistics of batch "
        "normalisation anew before each evaluation; 0: those that training has left, averaged "
        "like the weights",
    )

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> EvaluationSection:
        default = type(self).model_fields["average_epochs"].default
        if self.average == "none" and self.average_epochs != default:
            raise across_keys(
                ("evaluation.average_epochs", "evaluation.average"),
                self.average_epochs,
                f"give {default:g}, since evaluation.average is none, or set evaluation.average to "
                "ema or last",
            )
        return self
