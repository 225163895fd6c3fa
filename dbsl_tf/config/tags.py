"""What a key of the configuration matters for beside the run itself, as metadata of its field.

`dbsl_tf.config.keys.tagged` and `effect_of` collect them, so that no other place lists keys by
name. A section that is tagged has that tag for all its keys that have none of the kind.

Example:
    >>> class ModelSection(Section):
    ...     name: Annotated[ModelName, Effect.RESULT, Fixed("the weights would not fit")]
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What changes with a key; every key has one, of its own or of its section.

    Attributes:
        RESULT: what comes of the run. Reports tell runs apart by it, and a run that is resumed
            with another value records the change.
        CONDUCT: how the run is carried out, or another command, not what comes of the run. The
            change is recorded too; reports take such runs for the same.
        REPETITION: which repetition of the same run it is: reports average over it.
        PLACE: where the run lies, how it is resumed and shown. No change is recorded.
    """

    RESULT = "result"
    CONDUCT = "conduct"
    REPETITION = "repetition"
    PLACE = "place"


@dataclass(frozen=True)
class Fixed:
    """A run cannot be resumed with another value.

    Attributes:
        reason: why not, as the end of a sentence.
        if_both: a key and its value, if the run can be resumed unless it has that value both before
            and now.
    """

    reason: str
    if_both: tuple[str, str] | None = None


@dataclass(frozen=True)
class For:
    """It is an argument of the optimisers with these names alone.

    Attributes:
        names: as in `optimizer.name`.
    """

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True)
class Timed:
    """Another value makes mini-epochs take another time: a profile of the one is not one of the
    other.

    Attributes:
        name: in the settings that profiles are kept by; keys that share one are a list there.
        of_steps: whether a profile that the user names is checked for it, as the steps themselves
            take another time.
        added: whether the key is younger than profiles that are still of use; it is left out of
            those settings while it has its default.
    """

    name: str
    of_steps: bool = False
    added: bool = False


@dataclass(frozen=True)
class SameWork:
    """The times of two runs can be compared only where they have the same value."""


@dataclass(frozen=True)
class OfSmallWorkers:
    """It has no effect without small workers."""


@dataclass(frozen=True)
class SetBySweep:
    """A sweep sets it for each of its runs.

    Attributes:
        instead: what to do instead of giving it.
        first: whether an override may give the value of the first run.
    """

    instead: str
    first: bool = False
