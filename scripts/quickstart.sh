#!/usr/bin/env bash
# Usage: bash scripts/quickstart.sh [key.sub=value ...]
#
# Trains on the digits with a small parameter-server cluster on this machine: half a minute, after
# making .venv if it is missing. Further arguments are those of the training command, such as
# schedule.epochs=4: overrides of configs/quickstart.yaml. All keys:
#
#   bash scripts/quickstart.sh && .venv/bin/python -m dbsl_tf.train --help
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
help_if_asked "${BASH_SOURCE[0]}" "$@"
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh" requirements.txt
exec .venv/bin/python -m dbsl_tf.train --config configs/quickstart.yaml "$@"
