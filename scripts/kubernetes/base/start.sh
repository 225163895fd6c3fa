#!/usr/bin/env bash
# What every pod runs: ROLE in its environment and the number at the end of its host name say which
# process of the cluster it is.
set -euo pipefail
TF_CONFIG="$(python -m scripts.tf_config --hosts-pattern 'train-{role}-{index}.train' \
    --config "$CONFIG" --port 2222 --role "$ROLE" --index "${HOSTNAME##*-}")"
export TF_CONFIG
exec python -m dbsl_tf.train --config "$CONFIG"
