"""dbsl_tf's input pipeline in PyTorch: whole batches at once, in the training process.

It makes about 30,000 images/s on one core, on which the smallest network trains fewer than 1,000,
so there is little to gain from other processes or from `tf.data` beside PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dbsl_tf.config.augment import AugmentStep
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.record_files import RecordData


class Images:
    """The first images of a training set.

    Args:
        data: the checked files.
        samples: how many of the first images to train on.
        augment: `random_crop` or `random_flip` or both, or nothing.

    Raises:
        SystemExit: the data or an augmentation is of another kind.
    """

    def __init__(self, data: PreparedData, samples: int, augment: Sequence[AugmentStep]) -> None:
        if not isinstance(data, RecordData):
            sys.exit("error: the peer pytorch reads record files only; choose other --peers")
        parameters = {step.name: step.parameters for step in augment}
        if set(parameters) - {"random_crop", "random_flip"} or (
            parameters.get("random_flip", {}).get("mode", "horizontal") != "horizontal"
        ):
            sys.exit(
                "error: the peer pytorch augments only by random_crop and a horizontal "
                "random_flip; set data.augment accordingly, or choose other --peers"
            )
        spec = data.spec
        record = np.dtype(
            [
                ("label", np.uint8, spec.label_bytes),
                ("image", np.uint8, (spec.channels, spec.image_size, spec.image_size)),
            ]
        )
        records = np.concatenate([np.fromfile(path, record) for path in data.train_files])[:samples]
        labels = records["label"].reshape(len(records), spec.label_bytes)[:, -1]
        self._labels = torch.from_numpy(labels.astype(np.int64))
        self._padding = parameters.get("random_crop", {}).get("padding", 0)
        self._flip = "random_flip" in parameters
        border = [self._padding] * 4
        images = functional.pad(torch.from_numpy(records["image"]), border)
        # Every window of every image, as a view: [samples, top, left, channels, height, width].
        self._windows = (
            images.contiguous(memory_format=torch.channels_last)
            .unfold(2, spec.image_size, 1)
            .unfold(3, spec.image_size, 1)
            .permute(0, 2, 3, 1, 4, 5)
        )
        self._mean = 255 * torch.tensor(spec.mean).reshape(-1, 1, 1)
        self._scale = 1 / (255 * torch.tensor(spec.standard_deviation).reshape(-1, 1, 1))

    def batches(self, sizes: Sequence[int], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields endless batches, whose sizes cycle through `sizes`.

        Every sample is used once before any is used again.

        Yields:
            Images, normalised, float32 [B, 3, height, width] in the layout channels_last, and
            labels, int64 [B].
        """
        generator = torch.Generator().manual_seed(seed)
        waiting = torch.empty(0, dtype=torch.int64)
        while True:
            for size in sizes:
                while len(waiting) < size:
                    order = torch.randperm(len(self._labels), generator=generator)
                    waiting = torch.cat([waiting, order])
                chosen, waiting = waiting[:size], waiting[size:]
                yield self._augmented(chosen, generator), self._labels[chosen]

    def _augmented(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        count = len(chosen)
        tops, lefts = torch.randint(2 * self._padding + 1, (2, count), generator=generator)
        images = self._windows[chosen, tops, lefts]
        if self._flip:
            flipped = torch.randint(2, (count, 1, 1, 1), generator=generator).bool()
            images = torch.where(flipped, images.flip(3), images)
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return images.sub_(self._mean).mul_(self._scale)
