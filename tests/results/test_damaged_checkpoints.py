"""Checkpoints that are changed after they were written: nothing in them is believed."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbsl_tf.common.checksums import add_archive_checksum
from dbsl_tf.common.errors import UserError
from dbsl_tf.results.checkpoints import Checkpoint, Checkpoints

PROGRESS: dict[str, Any] = {
    "format": 1,
    "commit": 2,
    "clocks": [1, 1],
    "samples": {"32": [45, 55]},
    "wall_seconds": 1.5,
    "time_models": {"32": [[1e-3, 1e-2, 0.0], [1e-3, 1e-2, 0.0]]},
}
ARRAYS = {
    "weight_00000": np.arange(6, dtype=np.float32).reshape(2, 3),
    "weight_00001": np.full(3, 0.5, np.float32),
    "velocity_00000": np.ones((2, 2, 3), np.float32),
}


def write_without_checksum(path: Path, progress: Any = None, **arrays: Any) -> Path:
    """A checkpoint as versions without checksums wrote it, or nearly."""
    content = {**ARRAYS, **arrays}
    kept = {name: array for name, array in content.items() if array is not None}
    np.savez(path, progress=np.array(json.dumps(progress or PROGRESS)), **kept)
    return path


def plain(checkpoint: Checkpoint) -> Any:
    """Its content, to compare it."""
    values = {**vars(checkpoint)}
    for name in ("weights", "optimizer_state"):
        values[name] = [(array.shape, array.tobytes()) for array in values[name]]
    return values


class DamagedCase:
    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path):
        self.checkpoints = Checkpoints(tmp_path, keep=9)
        self.path = tmp_path / "commit-000000002.npz"
        write_without_checksum(self.path)

    def check_damage(self, content: bytes) -> bool:
        """A file of this content is refused in a line; whether that is so, or it is what it was."""
        self.path.write_bytes(content)
        try:
            read = self.checkpoints.at(2)
        except UserError as error:
            assert str(self.path) in str(error)
            assert "\n" not in str(error)
            return True
        assert plain(read) == self.before
        return False


class TestWithChecksum(DamagedCase):
    @pytest.fixture(autouse=True)
    def _save(self, _set_up):
        self.path = self.checkpoints.save(self.checkpoints.at(2))
        self.before = plain(self.checkpoints.at(2))
        self.content = self.path.read_bytes()

    def test_every_flipped_bit_is_noticed(self):
        draw = random.Random(1)
        for _ in range(600):
            damaged = bytearray(self.content)
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            assert self.check_damage(bytes(damaged))

    def test_so_is_any_other_damage(self):
        draw = random.Random(2)
        for _ in range(200):
            start, length = draw.randrange(len(self.content)), draw.randrange(1, 40)
            end = self.content[start + length :]
            for middle in (b"", bytes(length), draw.randbytes(length), draw.randbytes(3)):
                changed = self.content[:start] + middle + end
                assert changed == self.content or self.check_damage(changed)

    def test_other_programs_read_it(self):
        with np.load(self.path) as content:
            np.testing.assert_array_equal(content["weight_00000"], ARRAYS["weight_00000"])
        with zipfile.ZipFile(self.path) as archive:
            assert archive.testzip() is None
            assert archive.comment.startswith(b"\nsha256 ")

    def test_one_under_the_name_of_another_is_not_taken_for_it(self):
        other = self.path.rename(self.path.with_name("commit-000000003.npz"))
        with pytest.raises(UserError, match=r"000000003.npz is damaged \(it holds commit 2\)"):
            self.checkpoints.at(3)
        assert other.exists()


class TestWithoutChecksum(DamagedCase):
    """Those of earlier versions, whose arrays the archive has checksums of."""

    @pytest.fixture(autouse=True)
    def _read(self, _set_up):
        self.before = plain(self.checkpoints.at(2))
        self.content = self.path.read_bytes()

    def test_no_flipped_bit_alters_what_is_read(self):
        noticed = 0
        for place in range(len(self.content)):
            damaged = bytearray(self.content)
            damaged[place] ^= 1 << random.Random(place).randrange(8)
            noticed += self.check_damage(bytes(damaged))
        assert noticed > len(self.content) / 2

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"clocks": [1]}, "samples for a number of workers other than 1"),
            ({"clocks": []}, r"its clocks are \(\) after 2 commits"),
            ({"clocks": [2**53, 1]}, r"its clocks are \(9007199254740992, 1\) after 2 commits"),
            ({"clocks": [1, -1]}, "a clock is -1, not a count"),
            ({"clocks": 2}, "not iterable"),
            ({"samples": {"32": [45]}}, "samples for a number of workers other than 2"),
            ({"samples": {"32": [45, 5.5]}}, "samples is 5.5, not a count"),
            ({"time_models": {"32": [[1e-3, 1e-2, 0.0]]}}, "time models for a number of workers"),
            ({"time_models": {"32": [[1e-3, 1e-2]] * 2}}, "not enough values"),
            ({"batches": {"32": [5]}}, "batches for a number of workers other than 2"),
            ({"batches": {"32": [5, 0]}}, "a batch is 0"),
            ({"time_models": {"32": [[-1e-3, 1e-2, 0.0]] * 2}}, r"a time model is \(-0.001"),
            *(
                ({"time_models": {"32": [model] * 2}}, "time model")
                for model in ([0.0, 0.0, 0.0], [1e-300, 1e-2, 0.0], [1e-3, 1e59, 0.0], [1e308] * 3)
            ),
            ({"wall_seconds": -1.0}, "wall_seconds is -1.0"),
            ({"wall_seconds": None}, "wall_seconds is None, not a finite number"),
            ({"format": 2}, "its checksum is missing"),
            ({"format": 3}, "its format is 3; known are 1 and 2"),
            ({"commit": 4}, "it holds commit 4"),
        ],
    )
    def test_what_no_run_leaves_is_refused(self, changes: dict[str, Any], expected: str):
        write_without_checksum(self.path, {**PROGRESS, **changes})
        with pytest.raises(UserError, match=f"000000002.npz is damaged .*{expected}"):
            self.checkpoints.at(2)

    @pytest.mark.parametrize(
        ("arrays", "expected"),
        [
            ({"weight_00000": None}, "no 'weight_00000'"),
            ({"weight_00000": None, "weight_00001": None}, "it lacks weights"),
            ({"weight_00002": np.ones(3)}, "weight_00002 is of type float64"),
            ({"Weight_00002": np.ones(3, np.float32)}, "other arrays"),
            ({"velocity_00000": np.ones((1, 2, 3), np.float32)}, r"the shape \(1, 2, 3\)"),
            ({"velocity_00000": np.ones((), np.float32)}, r"the shape \(\)"),
        ],
    )
    def test_arrays_of_no_run_are_refused(self, arrays: dict[str, Any], expected: str):
        write_without_checksum(self.path, **arrays)
        with pytest.raises(UserError, match=f"is damaged .*{expected}"):
            self.checkpoints.at(2)


def member(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(12)


class TestAllocations(DamagedCase):
    """Nothing in a file has more memory taken than it has bytes, whatever its checksum says."""

    @pytest.mark.parametrize("shape", ["(2199023255552,)", "(3, 2)", "(-1,)", "(", "(3.0,)", "x"])
    def test_a_shape_that_is_not_that_of_the_data(self, shape: str):
        self.add(lambda archive: archive.writestr("weight_00002.npy", member(shape)))
        with pytest.raises(UserError, match="is damaged"):
            self.checkpoints.at(2)

    def test_a_member_that_unpacks_to_far_more(self):
        self.add(
            lambda archive: archive.writestr(
                "weight_00002.npy", bytes(1 << 24), compress_type=zipfile.ZIP_DEFLATED
            )
        )
        with pytest.raises(UserError, match=r"'weight_00002.npy' is not where it was written"):
            self.checkpoints.at(2)

    def add(self, change: Callable[[zipfile.ZipFile], None]) -> None:
        with zipfile.ZipFile(self.path, "a") as archive:
            change(archive)
        add_archive_checksum(self.path)
