"""Image classification as training data: the files of a data set, and how they are augmented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dbsl_tf.data.dataset import dataset_facts
from dbsl_tf.data.held_out import HeldOut
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.image_listing import TRAIN, class_folders
from dbsl_tf.data.prepare import PreparedData
from dbsl_tf.data.training_data import Share, StreamSettings

if TYPE_CHECKING:
    import tensorflow as tf

    from dbsl_tf.data.augmentation import Step


@dataclass(frozen=True)
class ImageClassificationData:
    """Images and one-hot labels; see `TrainingData`, and `dbsl_tf.data.pipeline` for the batches.

    Attributes:
        files: checked; at these paths on every worker that holds no copy of its own.
        augment: augmentation steps in order.
        held_out: training images that are not trained on; None: all are.
        test_crop: side of the square that is cut out of the middle of image files to test on, as a
            fraction of the shorter side.
    """

    files: PreparedData
    augment: tuple[Step, ...] = ()
    held_out: HeldOut | None = None
    test_crop: float = 1.0

    @property
    def name(self) -> str:
        """The value of `data.name`."""
        return self.files.spec.name

    @property
    def train_samples(self) -> int:
        """Images in the training set that are not held out."""
        return self.held_out.others if self.held_out else self.files.spec.train_samples

    @property
    def validation_samples(self) -> int:
        """Images held out of the training set."""
        return self.held_out.samples if self.held_out else 0

    def holding_out(self, samples: int, seed: int) -> ImageClassificationData:
        """See `TrainingData.holding_out`."""
        held_out = HeldOut(samples, self.files.spec.train_samples, seed)
        return replace(self, held_out=held_out)

    @property
    def test_samples(self) -> int:
        """Images in the test set."""
        return self.files.spec.test_samples

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.files.spec.classes

    @property
    def class_names(self) -> list[str]:
        """Folders of images name the classes; others are numbered."""
        if isinstance(self.files, ImageData):
            return class_folders(self.files.directory, TRAIN)
        return [str(label) for label in range(self.classes)]

    def facts(self) -> dict[str, Any]:
        """Returns the content of data.json; folders of images have names of classes too."""
        facts = dataset_facts(self.files.spec)
        if isinstance(self.files, ImageData):
            facts["class_names"] = self.class_names
            facts["class_counts"] = {
                name: list(counts) for name, counts in self.files.class_counts.items()
            }
            facts["left_out"] = list(self.files.left_out)
        return {**facts, **(self.held_out.facts() if self.held_out else {})}

    def transform(self, resolution: int, standardized: bool) -> dict[str, Any]:
        """Returns how the pixels of a test image become an input of the model, as JSON values.

        Args:
            resolution: of the images that are tested, in pixels.
            standardized: whether that includes the standardisation, which is part of built-in
                models.
        """
        of_files = isinstance(self.files, ImageData)
        facts: dict[str, Any] = {
            "image_size": resolution,
            "test_crop": self.test_crop,
            "rounded": of_files,
            "standardized": standardized,
        }
        steps = [
            "RGB from 0 to 255",
            "cut the square out of the middle whose side is test_crop of the shorter side, rounded"
            if of_files
            else "",
            f"resize it to {resolution} pixels, bilinearly with antialiasing",
            "round" if of_files else "",
            "(pixels / 255 - mean) / standard_deviation" if standardized else "",
        ]
        return {**facts, "steps": "; ".join(filter(None, steps))}

    def element_spec(self, resolution: int | None = None) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Returns the specs of images and labels, float32."""
        import tensorflow as tf

        size = resolution or self.files.spec.image_size
        images = tf.TensorSpec([None, size, size, 3], tf.float32)
        return images, tf.TensorSpec([None, self.classes], tf.float32)

    def held(self, samples: int) -> tf.Tensor:
        """See `TrainingData.held`."""
        from dbsl_tf.data.pipeline import held_for_training_on

        return held_for_training_on(self.files, samples, self.held_out)

    def training_batches(
        self, samples: int, stream: StreamSettings, resolution: int | None = None
    ) -> tf.data.Dataset:
        """Returns `dbsl_tf.data.pipeline.training_dataset`."""
        from dbsl_tf.data.pipeline import training_dataset

        return training_dataset(
            self.files, self.augment, samples, stream, resolution, self.held_out
        )

    def test_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """Returns `dbsl_tf.data.pipeline.test_dataset`."""
        from dbsl_tf.data.pipeline import test_dataset

        return test_dataset(self.files, share, resolution, self.test_crop)

    def validation_batches(self, share: Share, resolution: int | None = None) -> tf.data.Dataset:
        """Returns `dbsl_tf.data.pipeline.validation_dataset`."""
        from dbsl_tf.data.pipeline import validation_dataset

        if self.held_out is None:
            raise ValueError("no images are held out")
        return validation_dataset(self.files, self.held_out, share, resolution, self.test_crop)
