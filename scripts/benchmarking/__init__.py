"""The peers of scripts/benchmark.py, how they are measured and how the results are shown."""
