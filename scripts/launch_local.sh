#!/usr/bin/env bash
# Usage: bash scripts/launch_local.sh --config FILE [options] [key=value ...]
#
# Trains on a cluster on this machine whose processes are started separately, each with its
# TF_CONFIG as on many machines: cluster.workers workers, cluster.parameter_servers parameter
# servers, and the chief, whose output is shown and whose status is returned. All end when the chief
# does, or on Ctrl-C. File names are relative to the project's folder. The workers take the GPUs of
# CUDA_VISIBLE_DEVICES, or of the machine, in turn; the other processes use none.
#
#   --logs DIR      folder for the output of the servers (default: runs/launch-TIME)
#   --port PORT     the first of as many ports as processes (default: any free ones)
#   --python PATH   the Python to use (default: .venv/bin/python, created if missing)
#   --dry-run       print what would be started
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"
while [ $# -gt 0 ]; do
    read_option "$@"
    shift "$taken"
done
check_options
logs="${logs:-runs/launch-$(date +%Y%m%d-%H%M%S)}"
lay_out_cluster --hosts-pattern 127.0.0.1 --port "${port:-0}"

# Makes `command` for the process with number $1.
make_command() {
    command=(env "TF_CONFIG=${tf_configs[$1]}"
        "$python" -m dbsl_tf.train --config "$config" "${overrides[@]}")
}

if [ -n "$dry_run" ]; then
    for i in "${!names[@]}"; do
        make_command "$i"
        echo "${command[*]@Q}"
    done
    exit 0
fi
mkdir -p "$logs"
warn "anyone who can reach the ports ${addresses[*]##*:} of this machine can run code in this" \
    "cluster: make the firewall admit nobody to them"
open_lifelines
for i in "${!names[@]}"; do
    [ "$i" -gt 0 ] || continue
    make_command "$i"
    start_server "${names[i]}" bash scripts/until_eof.sh TERM 10 "${command[@]}"
done
make_command 0
run_chief bash scripts/until_eof.sh INT "$saving_seconds" "${command[@]}"
