"""TFRecord files as training data: finding and counting, and what is refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.data.tfrecord_data import tfrecords
from dbsl_tf.data.tfrecord_files import count_records, find_files
from tests.data.own_kinds import parse, write_records


def refusal(*arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        tfrecords(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_counted(tmp_path):
    paths = [
        write_records(tmp_path / "a.tfrecord", range(1000, 4000)),
        write_records(tmp_path / "b.tfrecord.gz", range(7)),
        write_records(tmp_path / "empty.tfrecord", range(0)),
    ]
    assert [file.records for file in count_records(paths)] == [3000, 7, 0]


def test_patterns_and_relative_paths(tmp_path, monkeypatch):
    for name in ("b-1", "a", "b-0"):
        write_records(tmp_path / f"{name}.tfrecord", range(2))
    monkeypatch.chdir(tmp_path)
    found = find_files(["a.tfrecord", Path("b-*.tfrecord")], "train_files")
    assert found == [tmp_path / f"{name}.tfrecord" for name in ("a", "b-0", "b-1")]


def test_samples_of_all_files_of_a_split(tmp_path):
    train = write_records(tmp_path / "train.tfrecord", range(9))
    test = write_records(tmp_path / "test.tfrecord.gz", range(4))
    data = tfrecords([train, train], str(test), parse)
    assert (data.train_samples, data.test_samples) == (18, 4)


def test_what_is_refused(tmp_path):
    good = write_records(tmp_path / "good.tfrecord", range(3))
    assert "train_files: no file matches" in refusal(str(tmp_path / "x*"), good, parse)
    assert "train_files names no file" in refusal([], good, parse)
    assert "gone: No such file" in refusal(good, tmp_path / "gone", parse)
    assert "not a file" in refusal(good, tmp_path, parse)
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(good, tmp_path / "pipe", parse)
    assert "parse is 3; give a function" in refusal(good, good, 3)
    empty = write_records(tmp_path / "empty.tfrecord", range(0))
    assert "test_samples is 0" in refusal(good, empty, parse)


def test_a_compressed_file_that_was_damaged(tmp_path):
    zipped = write_records(tmp_path / "good.tfrecord.gz", range(3))
    content = bytearray(zipped.read_bytes())
    # The kind of the first block, after the file's own name: one that does not exist.
    place = 10 + (len(b"good.tfrecord\0") if content[3] & 8 else 0)
    content[place] |= 0b110
    zipped.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as TFRecord file .*invalid block type"):
        count_records([zipped])


def test_files_of_another_kind_and_cut_short(tmp_path):
    good = write_records(tmp_path / "good.tfrecord", range(3))
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(good.read_bytes()[:-2])
    assert "cut.tfrecord: not a TFRecord file, or one that is cut short" in refusal(
        cut, good, parse
    )
    huge = tmp_path / "huge.tfrecord"
    huge.write_bytes(struct.pack("<QI", 1 << 31, 0))
    os.truncate(huge, 12 + (1 << 31) + 4)
    assert "has a record of 2 GiB" in refusal(huge, good, parse)
    text = tmp_path / "text.tfrecord"
    text.write_text("no records at all, but some text")
    assert "not a TFRecord file" in refusal(text, good, parse)
    disguised = tmp_path / "disguised.tfrecord.gz"
    disguised.write_bytes(good.read_bytes())
    assert "cannot be read as TFRecord file" in refusal(disguised, good, parse)
    zipped = write_records(tmp_path / "good.tfrecord.gz", range(3))
    unnamed = tmp_path / "unnamed.tfrecord"
    unnamed.write_bytes(zipped.read_bytes())
    assert "names of compressed files end in .gz" in refusal(unnamed, good, parse)
    cut_zip = tmp_path / "cut.tfrecord.gz"
    cut_zip.write_bytes(zipped.read_bytes()[:-10])
    assert "cannot be read as TFRecord file" in refusal(cut_zip, good, parse)
