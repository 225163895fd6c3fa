"""The bounds of numbers that have none of their own.

They are far beyond anything that is trained, so that nothing computed from them overflows or takes
more memory than there is.
"""

from __future__ import annotations

MOST_WORKERS = 100_000
MOST_EPOCHS = 1_000_000
MOST_MINI_EPOCHS = 1_000_000  # of a worker in an epoch
MOST_SAMPLES = 10_000_000_000
LARGEST_BATCH = 1_000_000
SMALLEST_IMAGE, LARGEST_IMAGE = 8, 2048  # pixels a side
LARGEST_FACTOR = 1_000_000
LARGEST_COUNT = 1_000_000_000
MOST_BYTES = 2**60
LONGEST = 1_000_000  # seconds of a step or a mini-epoch
LONGEST_WAIT = 1_000_000_000  # seconds
SHORTEST = 1e-12  # seconds
