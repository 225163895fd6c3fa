"""Data sets of a few records, written in the official layouts."""

from __future__ import annotations

import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from dbsl_tf.config.catalogue import DATASETS, RecordDataset

RECORDS_PER_FILE = 20


def small_spec(name: str = "cifar10", **changes: object) -> RecordDataset:
    """The named data set with 20 records in a file, and at most 10 classes."""
    return replace(
        DATASETS[name],
        **{
            "classes": 10,
            "train_records_per_file": RECORDS_PER_FILE,
            "test_records_per_file": RECORDS_PER_FILE,
            **changes,
        },
    )


def random_records(spec: RecordDataset, records: int, seed: int) -> np.ndarray:
    """Records of random pixels with every class, uint8 [records, record_bytes]."""
    content = np.random.default_rng(seed).integers(
        0, 256, (records, spec.record_bytes), dtype=np.uint8
    )
    content[:, : spec.label_bytes] = 0
    content[:, spec.label_bytes - 1] = np.arange(records) % spec.classes
    return content


def write_record_files(spec: RecordDataset, folder: Path) -> dict[str, np.ndarray]:
    """Writes all record files of `spec` in `folder`; returns their content by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for seed, name in enumerate(spec.train_files + spec.test_files):
        written[name] = random_records(spec, RECORDS_PER_FILE, seed)
        written[name].tofile(folder / name)
    return written


def write_python_layout(spec: RecordDataset, folder: Path) -> dict[str, np.ndarray]:
    """Writes the pickled layout; returns the records expected from it by record file name."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = spec.python_layout
    expected = {}
    pairs = zip(
        layout.train_files + layout.test_files, spec.train_files + spec.test_files, strict=True
    )
    for seed, (pickled, name) in enumerate(pairs):
        records = random_records(spec, RECORDS_PER_FILE, seed)
        expected[name] = records
        batch = {"data": records[:, spec.label_bytes :].copy()}
        for column, key in enumerate(layout.label_keys):
            batch[key] = records[:, column].tolist()
        (folder / pickled).write_bytes(pickle.dumps(batch, protocol=4))
    return expected


def python2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """The batch as Python 2 and its numpy wrote it: protocol 2, byte strings, old names."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    dtype = (
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    shape = b"".join(b"M" + struct.pack("<H", length) for length in pixels.shape) + b"\x86"
    content = b"T" + struct.pack("<i", pixels.size) + pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01"
        + shape
        + dtype
        + b"\x89"
        + content
        + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."
