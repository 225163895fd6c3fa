"""The run in sub-stages: which epochs at which learning rate, resolution, dropout and batch.

Cyclic progressive learning (arXiv 2509.26092, section 4) raises resolution and dropout inside
every stage of the learning rate; the same weights go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class ResolutionSettings:
    """What goes with an image resolution.

    Attributes:
        resolution: height and width of the training images in pixels.
        dropout: dropout rate.
        large_batch: samples in a large batch, B_L.
    """

    resolution: int
    dropout: float
    large_batch: int


@dataclass(frozen=True)
class SubStage:
    """Epochs in a row that have all settings in common.

    Attributes:
        first_epoch: counted from 1.
        last_epoch: the last epoch that belongs to it.
        learning_rate: at the start of its first epoch, without warm-up and before it follows a
            worker's batch size.
        last_learning_rate: the same at the start of its last epoch; only a cosine changes it.
        settings: resolution and what goes with it.
        mini_epochs: of every worker in each of its epochs, M.
    """

    first_epoch: int
    last_epoch: int
    learning_rate: float
    last_learning_rate: float
    settings: ResolutionSettings
    mini_epochs: Fraction = Fraction(1)

    @property
    def epochs(self) -> int:
        """How many epochs it has, at least 1."""
        return self.last_epoch - self.first_epoch + 1

    @property
    def resolution(self) -> int:
        """Height and width of the training images in pixels."""
        return self.settings.resolution

    @property
    def dropout(self) -> float:
        """Dropout rate."""
        return self.settings.dropout

    @property
    def large_batch(self) -> int:
        """Samples in a large batch, B_L."""
        return self.settings.large_batch
