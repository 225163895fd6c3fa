"""Batch-times files that fit, and the line a person gets for each that does not.

`batch_times/gtx1080_resolution_32.csv` is part of the measurements by the authors of
arXiv 2509.26092 on four GTX 1080 (every seventh batch size, CIFAR-100, float32, seconds of a batch
as the mean of 50).
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.profiling.batch_times_file import profile_batch_times, read_batch_times

PUBLISHED = Path(__file__).parent / "batch_times" / "gtx1080_resolution_32.csv"


def _file(folder: Path, text: str) -> Path:
    path = folder / "batch_times.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _lines(*lines: tuple[str, int, float, float], sizes=(4, 8, 16, 32, 64)) -> str:
    """The text of a file whose hosts' times lie exactly on lines: (host, resolution, a, b)."""
    rows = ["host,resolution,batch_size,seconds_per_batch"]
    for size in sizes:
        rows += [f"{host},{res},{size},{a * size + b:.12g}" for host, res, a, b in lines]
    return "\n".join(rows) + "\n"


def test_ols_gives_the_published_coefficients() -> None:
    (times,) = profile_batch_times(PUBLISHED, "ols").fits
    # arXiv 2509.26092, GTX 1080, resolution 32.
    assert times.resolution == 32
    assert times.a == pytest.approx(0.0005056358858583448, rel=0.01)
    assert times.b == pytest.approx(0.015562114074817612, rel=0.01)
    assert [worker.host for worker in times.workers] == ["gpu01", "gpu02", "gpu03", "gpu04"]


@pytest.mark.parametrize("method", ["robust", "ols"])
def test_each_resolution_is_fitted_over_the_mean_of_its_hosts(tmp_path: Path, method: str) -> None:
    text = _lines(("x", 24, 1e-3, 0.01), ("y", 24, 3e-3, 0.03), ("x", 32, 5e-3, 0.05))
    low, high = profile_batch_times(_file(tmp_path, text), method).fits
    assert (low.resolution, low.a, low.b) == (24, pytest.approx(2e-3), pytest.approx(0.02))
    assert (high.resolution, high.a, high.b) == (32, pytest.approx(5e-3), pytest.approx(0.05))
    assert [(worker.worker, worker.host) for worker in low.workers] == [(0, "x"), (1, "y")]
    assert low.workers[1].a == pytest.approx(3e-3)


def test_a_host_that_measured_more_often_counts_once(tmp_path: Path) -> None:
    text = _lines(("x", 24, 1e-3, 0.01), ("x", 24, 1e-3, 0.01), ("y", 24, 3e-3, 0.03))
    (times,) = profile_batch_times(_file(tmp_path, text)).fits
    assert times.a == pytest.approx(2e-3)


def test_hosts_keep_their_order_at_every_resolution(tmp_path: Path) -> None:
    text = _lines(("x", 24, 1e-3, 0.01), ("y", 24, 1e-3, 0.01)) + "".join(
        f"{host},32,{size},{size * 1e-3 + 0.01}\n" for host in ("y", "x") for size in (4, 8)
    )
    _, high = profile_batch_times(_file(tmp_path, text)).fits
    assert [worker.host for worker in high.workers] == ["x", "y"]


def test_host_and_resolution_may_be_absent(tmp_path: Path) -> None:
    text = "seconds_per_batch,batch_size\n0.02,10\n0.03,20\n0.04,30\n0.05,40\n"
    (times,) = profile_batch_times(_file(tmp_path, text)).fits
    assert (times.resolution, times.workers[0].host) == (None, None)
    assert (times.a, times.b) == (pytest.approx(1e-3), pytest.approx(0.01))


def test_other_columns_blanks_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    text = "\ufeffbatch_size, seconds_per_batch ,date\r\n\r\n 8 , 0.02 ,today\r\n,,\r\n"
    (row,) = read_batch_times(_file(tmp_path, text))
    assert (row.batch, row.seconds, row.host, row.resolution) == (8, 0.02, None, None)


HEADER = "host,resolution,batch_size,seconds_per_batch\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: column batch_size is missing (found: nothing)"),
        (
            HEADER + "x,32,8,1e308\n",
            "line 2: column seconds_per_batch is '1e308'; give",
        ),
        (
            HEADER + "x,32,8,1e-300\n",
            "seconds_per_batch is '1e-300'; give a number",
        ),
        (HEADER + "x,1000000,8,1\n", "resolution is '1000000'; give a whole number from 1 to 2048"),
        ("batch_size;seconds_per_batch\n8;0.1\n", "line 1: column batch_size is missing"),
        ("batch_sizes,seconds_per_batch\n8,0.1\n", "did you mean batch_size?"),
        ("hosts,batch_size,seconds_per_batch\nx,8,0.1\n", "did you mean host?"),
        ("batch_size,batch_size,seconds_per_batch\n", "column batch_size occurs twice"),
        (HEADER, "no line below the column names"),
        (HEADER + "x,32,8,0.1\nx,32,16\n", "line 3 has 3 columns instead of 4"),
        (HEADER + "x,32,8,0.1\n\nx,32,8.5,0.1\n", "line 4: column batch_size is '8.5'"),
        (HEADER + "x,32,0,0.1\n", "line 2: column batch_size is '0'"),
        (HEADER + "x,,8,0.1\n", "line 2: column resolution is ''"),
        (HEADER + ",32,8,0.1\n", "line 2: column host is empty"),
        (HEADER + "x,32,8,fast\n", "line 2: column seconds_per_batch is 'fast'"),
        (HEADER + "x,32,8,nan\n", "line 2: column seconds_per_batch is 'nan'"),
        (HEADER + "x,32,8,-0.1\n", "line 2: column seconds_per_batch is '-0.1'"),
        (HEADER + 'x,32,8,"0.1\n', "line 2: not usable as CSV"),
        (HEADER + "x,32,8,0.1\ny,32,8,0.2\n", "resolution 32 has only the size 8"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UserError) as caught:
        profile_batch_times(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert expected in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        profile_batch_times(tmp_path / "none.csv")
    with pytest.raises(UserError, match="cannot be read"):
        profile_batch_times(tmp_path)
    (tmp_path / "batch_times.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        profile_batch_times(tmp_path / "batch_times.csv")


def test_what_is_far_too_much(tmp_path: Path) -> None:
    for text, expected in (
        (f"x,32,{10**400},1\n", "column batch_size is '1000"),
        ("x,32,8,1\n" * 100_001, "has more than 100000 lines"),
        ("".join(f"{host},32,8,1\n" for host in range(1001)), "more than 1000 hosts"),
    ):
        with pytest.raises(UserError, match=expected):
            read_batch_times(_file(tmp_path, HEADER + text))


@pytest.mark.parametrize(
    ("sizes", "points"), [(4, 3000), (3000, 3000)], ids=["few sizes", "many sizes"]
)
def test_many_lines_take_little_memory(tmp_path: Path, sizes: int, points: int) -> None:
    rows = [(number % sizes + 1, 1 + 0.01 * (number % 7)) for number in range(points)]
    text = "batch_size,seconds_per_batch\n" + "".join(
        f"{size},{noise * (size * 1e-3 + 0.01)}\n" for size, noise in rows
    )
    tracemalloc.start()
    try:
        (times,) = profile_batch_times(_file(tmp_path, text)).fits
        assert tracemalloc.get_traced_memory()[1] < 1 << 27
    finally:
        tracemalloc.stop()
    assert (times.a, times.b) == (pytest.approx(1.03e-3, rel=0.01), pytest.approx(0.0103, rel=0.02))


@pytest.mark.parametrize("method", ["robust", "ols"])
def test_times_that_are_no_line_at_all_have_no_intervals(tmp_path: Path, method: str) -> None:
    text = "batch_size,seconds_per_batch\n1,1e-12\n16,1\n16,66\n1000000,1e-9\n1,1e6\n1,1e-12\n"
    (times,) = profile_batch_times(_file(tmp_path, text), method).fits
    assert times.warning
