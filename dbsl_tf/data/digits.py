"""Writes scikit-learn's handwritten digits in the record layout of CIFAR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbsl_tf.config.catalogue import RecordDataset

if TYPE_CHECKING:
    import numpy as np

_SPLIT_SEED = 0
_LARGEST_INTENSITY = 16


def write_digits(spec: RecordDataset, target: Path) -> None:
    """Writes the 1,797 digits of `sklearn.datasets.load_digits` as record files in `target`.

    The 8×8 images with intensities 0 … 16 become 32×32×3 with 0 … 255 by bilinear interpolation.
    They are shuffled with a fixed seed and split in the same proportion for every class.

    Raises:
        OSError: `target` cannot be written.
    """
    import numpy as np

    # scikit-learn takes seconds to import and is used only for this data set.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = _enlarge(digits.images, spec.image_size)
    pixels = np.repeat(images.reshape(len(images), 1, -1), spec.channels, axis=1)
    records = np.concatenate(
        [digits.target[:, None].astype(np.uint8), pixels.reshape(len(images), -1)], axis=1
    )
    train, test = train_test_split(
        records,
        train_size=spec.train_samples,
        test_size=spec.test_samples,
        stratify=digits.target,
        random_state=_SPLIT_SEED,
    )
    train.tofile(target / spec.train_files[0])
    test.tofile(target / spec.test_files[0])


def _enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Returns square images [N, s, s] with intensities 0 … 16 as uint8 [N, size, size]."""
    old_size = images.shape[-1]
    import numpy as np

    centres = (np.arange(size) + 0.5) * old_size / size - 0.5
    weights = np.stack(
        [np.interp(centres, np.arange(old_size), row) for row in np.eye(old_size)], axis=1
    )
    return np.rint(weights @ images @ weights.T * (255 / _LARGEST_INTENSITY)).astype(np.uint8)
