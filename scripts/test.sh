#!/usr/bin/env bash
# Usage: bash scripts/test.sh [--all] [pytest options]
#
# Runs the test suite. `--all` adds the tests marked slow, which take minutes or repeat what another
# test shows; `-m "not cluster"` leaves out the tests that start server processes.
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
help_if_asked "${BASH_SOURCE[0]}" "$@"
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" requirements.txt requirements-test.txt requirements-docs.txt
# Clusters spend half of the time starting, waiting or ending, so two tests run at a time.
exec .venv/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder "$@"
