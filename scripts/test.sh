#!/usr/bin/env bash
# Usage: bash scripts/test.sh [--all] [pytest options]
# Runs the test suite. `--all` adds what takes minutes or shows again what another test shows (marked
# slow); `-m "not cluster"` leaves out the tests that start server processes.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" requirements.txt requirements-test.txt
# Half of the time clusters start, wait or end: two tests at a time.
exec .venv/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder "$@"
