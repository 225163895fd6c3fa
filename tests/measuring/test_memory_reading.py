"""What a process says of its memory, against what Python knows of it."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from unittest import mock

import pytest
import tensorflow as tf

from dbsl_tf.measuring import memory_reading
from tests.support.cgroups import write_groups


class WorkerMemoryTest(tf.test.TestCase):
    def read(self) -> memory_reading.MemoryReading:
        with mock.patch.object(memory_reading.Engine, "worker_index", lambda: tf.constant(1)):
            return memory_reading.MemoryReading(*map(int, memory_reading.worker_memory()))

    @pytest.mark.slow
    def test_the_peak_is_that_of_this_process(self):
        before = self.read()
        # The process may have been larger before, and other threads free memory meanwhile.
        held = []
        while self.read().resident_bytes < before.peak_bytes + 200 * 2**20:
            self.assertLess(len(held), 200)
            held.append(bytearray(200 * 2**20))
            held[-1][::4096] = b"x" * len(held[-1][::4096])
        after = self.read()
        self.assertGreater(after.peak_bytes, before.peak_bytes + 100 * 2**20)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.assertAllClose(after.peak_bytes, peak, rtol=0.02)
        self.assertGreater(after.available_bytes, 0)
        del held
        freed = self.read()
        # The system counts in batches, so a peak may seem to shrink a little.
        self.assertAllClose(freed.peak_bytes, after.peak_bytes, rtol=0.02)
        self.assertLess(freed.resident_bytes, after.resident_bytes - 100 * 2**20)

    @pytest.mark.slow
    def test_the_tightest_limit_of_a_container_counts(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        gib = 1 << 30
        one = "9:cpu:/\n7:memory:/docker/a*[0]\n0::/"
        cases = [
            ("0::/", {"memory.max": f"{4 * gib}", "memory.current": f"{gib}"}, 3 * gib),
            ("0::/", {"memory.max": "max", "memory.current": f"{gib}"}, None),
            ("0::/", {}, None),
            (
                "0::/job/step\\x2d0/task",
                {
                    "job/memory.max": f"{2 * gib}",
                    "job/memory.current": f"{gib}",
                    "job/memory.stat": f"anon 7\ninactive_file {gib // 2}\nactive_file 9",
                    "job/step\\x2d0/memory.max": f"{gib}",
                    "job/step\\x2d0/memory.current": "0",
                    "job/step\\x2d0/task/memory.max": "max",
                },
                gib,
            ),
            ("0::/job", {"job/memory.max": f"{gib}", "job/memory.current": f"{2 * gib}"}, 1),
            (
                one,
                {
                    "memory/memory.limit_in_bytes": "9223372036854771712",
                    "memory/memory.usage_in_bytes": f"{gib}",
                    "memory/docker/a*[0]/memory.limit_in_bytes": f"{3 * gib}",
                    "memory/docker/a*[0]/memory.usage_in_bytes": f"{2 * gib}",
                    "memory/docker/a*[0]/memory.stat": (
                        f"inactive_file 5\ntotal_inactive_file {gib}"
                    ),
                },
                2 * gib,
            ),
            # Inside of a container of version 1 the path is that outside.
            (one, {"memory/memory.limit_in_bytes": f"{gib}"}, gib),
        ]
        for number, (own, files, expected) in enumerate(cases):
            root = write_groups(folder / str(number), own, files)
            room = int(memory_reading._room_in_groups(str(root)))
            if expected is None:
                self.assertGreater(room, 1 << 62, msg=number)
            else:
                self.assertEqual(room, expected, msg=number)

    def test_a_system_without_the_files_says_0(self):
        self.assertEqual(int(memory_reading._kilobytes("/none/of/this", "VmHWM")), 0)


if __name__ == "__main__":
    tf.test.main()
