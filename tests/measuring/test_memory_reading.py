"""What a process says of its memory, against what Python knows of it."""

from __future__ import annotations

import resource
from unittest import mock

import tensorflow as tf

from dbsl_tf.measuring import memory_reading


class WorkerMemoryTest(tf.test.TestCase):
    def read(self) -> memory_reading.MemoryReading:
        with mock.patch.object(memory_reading.Engine, "worker_index", lambda: tf.constant(1)):
            return memory_reading.MemoryReading(*map(int, memory_reading.worker_memory()))

    def test_the_peak_is_that_of_this_process(self):
        before = self.read()
        # The process may have been larger before.
        held = bytearray(before.peak_bytes - before.resident_bytes + 200 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
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

    def test_a_system_without_the_files_says_0(self):
        self.assertEqual(int(memory_reading._kilobytes("/none/of/this", "VmHWM")), 0)


if __name__ == "__main__":
    tf.test.main()
