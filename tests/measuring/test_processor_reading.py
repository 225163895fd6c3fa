"""What is read of a worker's machine."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

from dbsl_tf.common.processor import CPU_INFO, this_processor
from dbsl_tf.measuring import processor_reading
from dbsl_tf.measuring.processor_reading import ProcessorReading


class ProcessorReadingTest(tf.test.TestCase):
    def read(self, gpus: str):
        """As on a worker, of this machine, with GPUs of the files."""
        pattern = processor_reading._GPUS
        processor_reading._GPUS = gpus
        self.addCleanup(setattr, processor_reading, "_GPUS", pattern)

        # Within an engine's closure a worker knows its index.
        @tf.function
        def reading():
            return processor_reading.machine()

        found = tf.nest.map_structure(lambda tensor: tensor.numpy(), reading())
        return processor_reading._read(ProcessorReading(np.int64(3), *found))

    def test_of_this_machine(self):
        worker = self.read(f"{self.enterContext(TemporaryDirectory())}/*/information")
        self.assertEqual((worker.worker, worker.host), (3, socket.gethostname()))
        self.assertEqual(worker.processor, this_processor())
        cores = len(re.findall(r"(?m)^processor\s*:", Path(CPU_INFO).read_text()))
        self.assertEqual((worker.cores, worker.gpus), (cores, ()))

    def test_gpus_by_their_models(self):
        folder = Path(self.enterContext(TemporaryDirectory()))
        for number, model in enumerate(("NVIDIA H100 80GB HBM3", "NVIDIA A100-PCIE-40GB")):
            (folder / f"0000:{number}").mkdir()
            text = f"Model: \t\t {model}\nIRQ:   \t\t 40\nGPU UUID: \t GPU-1\n"
            (folder / f"0000:{number}" / "information").write_text(text)
        worker = self.read(f"{folder}/*/information")
        self.assertEqual(worker.gpus, ("NVIDIA H100 80GB HBM3", "NVIDIA A100-PCIE-40GB"))
