"""Memory of a server process: what one thread frees, another can use."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The C library lists its heaps.
PROGRAM = """
import ctypes, sys, threading
from dbsl_tf.cluster import server
if sys.argv[1] == "shared":
    server._share_one_heap()
library = ctypes.CDLL(None)
library.malloc.restype = library.fopen.restype = ctypes.c_void_p
together = threading.Barrier(3)
def take():
    together.wait()
    library.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
out = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, out)
library.fclose(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps of threads")
@pytest.mark.parametrize("mode", ["shared", "as it is"])
def test_all_threads_share_one_heap(mode: str, tmp_path: Path) -> None:
    listing = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", PROGRAM, mode, listing], cwd=ROOT, check=True)
    heaps = listing.read_text().count("<heap ")
    assert (heaps == 1) == (mode == "shared"), heaps
