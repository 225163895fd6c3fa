"""Compares Winograd's filtering with TensorFlow's convolution: forward and backward, on one core.

    python -m scripts.benchmarking.convolutions [--isa avx2] [BATCHxPIXELSxCHANNELS ...]

Each case is a convolution of 3 × 3 from so many channels to as many. Both take turns, and the best
time of each is printed in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from dbsl_tf.common import onednn
from dbsl_tf.common.cores import available_cores
from dbsl_tf.common.quiet import import_tensorflow_quietly
from scripts.benchmarking.instruction_sets import INSTRUCTION_SETS, variables

# The convolutions of ResNet-18, ResNet-8 and ResNet-20, and others near the limits of what gains.
CASES = (
    *("32x32x64", "32x16x128", "32x8x256", "32x4x512", "64x32x16", "64x16x32", "64x8x64"),
    *("8x56x64", "16x28x128", "16x14x256", "32x7x512", "8x4x512", "16x4x512"),
)
_ROUNDS, _STEPS = 5, 4


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", choices=INSTRUCTION_SETS, help="do without wider instructions")
    parser.add_argument(
        "cases",
        nargs="*",
        type=_case,
        default=[*map(_case, CASES)],
        metavar="BATCHxPIXELSxCHANNELS",
    )
    options = parser.parse_args(arguments)
    os.environ.update(variables(options.isa, os.environ))
    os.sched_setaffinity(0, available_cores()[:1])
    onednn.apply("auto")
    import_tensorflow_quietly()
    import tensorflow as tf

    from dbsl_tf.models.winograd import convolution

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    peers = {"direct": lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), "Winograd": convolution}
    print(f"{'case':12}{'direct':>10}{'Winograd':>10}{'ratio':>8}")
    for batch, pixels, channels in options.cases:
        images = tf.random.normal((batch, pixels, pixels, channels))
        kernel = tf.random.normal((3, 3, channels, channels)) / (9 * channels) ** 0.5
        loops = {name: _loop(convolve) for name, convolve in peers.items()}
        times: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(_ROUNDS + 1):
            for name, loop in loops.items():
                begin = time.perf_counter()
                loop(images, kernel).numpy()
                times[name].append((time.perf_counter() - begin) / _STEPS * 1000)
        # The first one traces.
        direct, winograd = (min(values[1:]) for values in times.values())
        case = f"{batch}x{pixels}x{channels}"
        print(f"{case:12}{direct:10.1f}{winograd:10.1f}{direct / winograd:8.2f}", flush=True)


def _case(text: str) -> tuple[int, int, int]:
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5}){2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not three whole numbers such as 32x8x256")
    batch, pixels, channels = map(int, text.split("x"))
    return batch, pixels, channels


def _loop(convolve: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Returns a function that computes outputs and both gradients a few times."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def loop(images: Any, kernel: Any) -> Any:
        def step(done: Any, images: Any, kernel: Any) -> tuple[Any, Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch([images, kernel])
                outputs = convolve(images, kernel)
            # Any gradient of the outputs will do; this one takes no time to compute.
            of_images, of_kernel = tape.gradient(
                outputs, [images, kernel], output_gradients=outputs
            )
            # The numbers stay as large as they are, and both gradients are needed.
            return done + 1, of_images, kernel + 1e-9 * of_kernel

        start = tf.constant(0), images, kernel
        return tf.while_loop(lambda done, *_: done < _STEPS, step, start, parallel_iterations=1)[2]

    return loop


if __name__ == "__main__":
    main(sys.argv[1:])
