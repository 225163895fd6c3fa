#!/usr/bin/env bash
# Whether the server of this pod answers: one that hangs still accepts connections.
set -euo pipefail
export no_grpc_proxy=127.0.0.1
exec python -c 'from dbsl_tf.cluster.probing import probe; probe("127.0.0.1:2222", timeout=20)'
