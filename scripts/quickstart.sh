#!/usr/bin/env bash
# Usage: bash scripts/quickstart.sh [key.sub=value ...]
# Trains on the digits with a small parameter-server cluster on this machine; see
# configs/quickstart.yaml.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" requirements.txt
exec .venv/bin/python -m dbsl_tf.train --config configs/quickstart.yaml "$@"
