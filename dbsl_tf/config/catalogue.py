"""The data sets that can be named in `data.name`: their files, layout and statistics.

All but `IMAGE_FOLDER` are kept in the binary record layout of CIFAR: a file is a plain sequence of
records, each `label_bytes` label bytes followed by the pixels of one image as uint8, channel by
channel (all red, then green, then blue), row by row.
See https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbsl_tf.common.errors import UserError

IMAGE_FOLDER = "image_folder"
# Default height and width of its images in pixels, where they are not smaller or not known.
IMAGE_FOLDER_SIZE = 224

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Archive:
    """An official archive: its file name, published MD5 sum, and the folder it holds."""

    file_name: str
    md5: str
    folder: str
    base_url: str = CIFAR_URL

    @property
    def url(self) -> str:
        """Where the archive is published."""
        return self.base_url + self.file_name


@dataclass(frozen=True)
class PythonLayout:
    """The pickled layout of CIFAR: one file per binary file, in the same order.

    `label_keys` are the keys of the label lists in the order of the binary label bytes.
    """

    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    label_keys: tuple[str, ...]
    archive: Archive


@dataclass(frozen=True)
class RecordDataset:
    """One image classification data set in binary record files.

    Attributes:
        name: the value of `data.name`.
        classes: number of classes; labels are 0 … classes − 1.
        label_bytes: bytes before the pixels of a record. The last of them is the label used.
        folder: name of the folder that holds the record files.
        train_files, test_files: file names inside `folder`, in order.
        train_records_per_file, test_records_per_file: records in every such file.
        mean, standard_deviation: per channel (red, green, blue), of the training pixels / 255.
        image_size: height and width in pixels.
        channels: colour channels.
        archive: the official archive of the binary layout; None if there is none.
        python_layout: the official pickled layout; None if there is none.
    """

    name: str
    classes: int
    label_bytes: int
    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    train_records_per_file: int
    test_records_per_file: int
    mean: tuple[float, float, float]
    standard_deviation: tuple[float, float, float]
    image_size: int = 32
    channels: int = 3
    archive: Archive | None = None
    python_layout: PythonLayout | None = None

    @property
    def train_samples(self) -> int:
        """Records in the whole training set."""
        return len(self.train_files) * self.train_records_per_file

    @property
    def test_samples(self) -> int:
        """Records in the whole test set."""
        return len(self.test_files) * self.test_records_per_file

    @property
    def image_bytes(self) -> int:
        """Bytes of one image."""
        return self.image_size * self.image_size * self.channels

    @property
    def record_bytes(self) -> int:
        """Bytes of one record, labels included."""
        return self.label_bytes + self.image_bytes


DATASETS: dict[str, RecordDataset] = {
    spec.name: spec
    for spec in (
        RecordDataset(
            name="digits",
            classes=10,
            label_bytes=1,
            folder="digits-bin",
            train_files=("train.bin",),
            test_files=("test.bin",),
            train_records_per_file=1437,
            test_records_per_file=360,
            mean=(0.3054, 0.3054, 0.3054),
            standard_deviation=(0.3237, 0.3237, 0.3237),
        ),
        RecordDataset(
            name="cifar10",
            classes=10,
            label_bytes=1,
            folder="cifar-10-batches-bin",
            train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
            test_files=("test_batch.bin",),
            train_records_per_file=10_000,
            test_records_per_file=10_000,
            mean=(0.4914, 0.4822, 0.4465),
            standard_deviation=(0.2470, 0.2435, 0.2616),
            archive=Archive(
                "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"
            ),
            python_layout=PythonLayout(
                folder="cifar-10-batches-py",
                train_files=tuple(f"data_batch_{number}" for number in range(1, 6)),
                test_files=("test_batch",),
                label_keys=("labels",),
                archive=Archive(
                    "cifar-10-python.tar.gz",
                    "c58f30108f718f92721af3b95e74349a",
                    "cifar-10-batches-py",
                ),
            ),
        ),
        RecordDataset(
            name="cifar100",
            classes=100,
            label_bytes=2,
            folder="cifar-100-binary",
            train_files=("train.bin",),
            test_files=("test.bin",),
            train_records_per_file=50_000,
            test_records_per_file=10_000,
            mean=(0.5071, 0.4865, 0.4409),
            standard_deviation=(0.2673, 0.2564, 0.2762),
            archive=Archive(
                "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary"
            ),
            python_layout=PythonLayout(
                folder="cifar-100-python",
                train_files=("train",),
                test_files=("test",),
                label_keys=("coarse_labels", "fine_labels"),
                archive=Archive(
                    "cifar-100-python.tar.gz",
                    "eb9058c3a382ffc7106e4002c42a8d85",
                    "cifar-100-python",
                ),
            ),
        ),
    )
}


def dataset_spec(name: str) -> RecordDataset:
    """Returns the data set called `name`.

    Raises:
        UserError: no data set has this name.
    """
    try:
        return DATASETS[name]
    except KeyError:
        known = ", ".join(DATASETS)
        raise UserError(f"data.name is {name!r}: choose one of {known}.") from None
