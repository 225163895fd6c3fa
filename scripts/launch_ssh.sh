#!/usr/bin/env bash
# Usage: bash scripts/launch_ssh.sh --hosts FILE --config FILE [options] [key=value ...]
#
# Trains on the machines of a hosts file, which says where each process runs:
#
#   chief  host0          # a port may follow, as in host0:2222
#   ps     host0
#   worker host1 slots=4  # four workers, such as one for each GPU
#   worker host2          # one worker
#
# There are as many as cluster.workers and cluster.parameter_servers say. The workers of a machine
# take its GPUs in turn; the other processes use none. Servers are started over ssh; the chief is
# started here or, if its host is another machine, over ssh too. All end when the chief does, or on
# Ctrl-C. Every machine needs the project in the same folder, the same configuration, and a key that
# lets ssh log in without a password; user names belong in ~/.ssh/config. File names are relative to
# the project's folder.
#
#   --chief HOW       local or ssh (default: local if its host is this machine)
#   --directory DIR   project folder on the other machines (default: the same as here)
#   --logs DIR        folder here for the output of the servers (default: runs/launch-TIME)
#   --port PORT       port for hosts without one; counts up on a host (default: 2222)
#   --python PATH     the Python to use everywhere (default: .venv/bin/python; created here if missing)
#   --dry-run         print what would be started
source "$(dirname "${BASH_SOURCE[0]}")/launching.sh"
hosts_file='' directory="$PWD" chief=''
while [ $# -gt 0 ]; do
    case "$1" in
        --hosts | --directory | --chief)
            [[ $# -ge 2 && "$2" != --* ]] || fail "$1 needs a value; see $launcher --help"
            case "$1" in
                --hosts) hosts_file="$2" ;;
                --directory) directory="$2" ;;
                --chief) chief="$2" ;;
            esac
            shift 2
            ;;
        *)
            read_option "$@"
            shift "$taken"
            ;;
    esac
done
[ -n "$hosts_file" ] || fail "--hosts is missing; give a file, see $launcher --help"
[[ "$chief" =~ ^(|local|ssh)$ ]] || fail "--chief $chief must be local or ssh"
command -v ssh > /dev/null || fail "there is no ssh on this machine; install it"
check_options
logs="${logs:-runs/launch-$(date +%Y%m%d-%H%M%S)}"
lay_out_cluster --hosts-file "$hosts_file" --port "${port:-2222}"

host_of() {
    local host="${addresses[$1]%:*}"
    host="${host#[}"
    echo "${host%]}"
}

is_this_machine() {
    "$python" - "$1" << 'END'
import sys
from dbsl_tf.cluster.probing import is_here
sys.exit(not is_here(sys.argv[1]))
END
}

if [ -z "$chief" ]; then
    chief=ssh
    ! is_this_machine "${addresses[0]}" || chief=local
fi

# over_ssh HOST WORD...: makes `command`, which runs the words in the project's folder on HOST.
# There the login shell reads them, so they are quoted.
over_ssh() {
    local host="$1"
    shift
    command=(
        ssh -o BatchMode=yes -o ConnectTimeout=60 -o ServerAliveInterval=15 -o ServerAliveCountMax=20
        "$host" "cd ${directory@Q} && ${*@Q}"
    )
}

# Makes `command` for the process with number $1 over ssh; it gets signal $2 and has $3 seconds
# to end.
make_command() {
    over_ssh "$(host_of "$1")" bash scripts/until_eof.sh "$2" "$3" env "TF_CONFIG=${tf_configs[$1]}" \
        "$python" -m dbsl_tf.train --config "$config" "${overrides[@]}"
}

make_chief_command() {
    if [ "$chief" = ssh ]; then
        make_command 0 INT "$saving_seconds"
    else
        command=(bash scripts/until_eof.sh INT "$saving_seconds" env "TF_CONFIG=${tf_configs[0]}"
            "$python" -m dbsl_tf.train --config "$config" "${overrides[@]}")
    fi
}

# Refuses a machine that cannot be used, before anything is started.
check_machine() {
    local answer expected check
    # In one line: quotes of several are bash's own. To be expanded on the other machine.
    # shellcheck disable=SC2016
    {
        check='command -v "$1" > /dev/null || { echo "no $1"; exit 1; }; '
        check+='[ -f scripts/until_eof.sh ] || { echo "no dbsl_tf in it"; exit 1; }; cksum < "$2"'
    }
    over_ssh "$1" sh -c "$check" check "$python" "$config"
    answer="$("${command[@]}" < /dev/null 2>&1)" ||
        fail "$1 cannot be used over ssh with folder $directory: ${answer//$'\n'/; }"
    expected="$(cksum < "$config")"
    [ "$answer" = "$expected" ] ||
        fail "$config on $1 differs from the one on this machine; copy it there (${answer//$'\n'/; })"
}

if [ -n "$dry_run" ]; then
    make_chief_command
    echo "${command[*]@Q}"
    for i in "${!names[@]}"; do
        [ "$i" -gt 0 ] || continue
        make_command "$i" TERM 10
        echo "${command[*]@Q}"
    done
    exit 0
fi

checks=()
while read -r host; do
    check_machine "$host" &
    checks+=("$!")
done < <(
    for i in "${!names[@]}"; do
        [ "$i" = 0 ] && [ "$chief" = local ] || host_of "$i"
    done | sort -u
)
refused=''
for check in "${checks[@]}"; do
    wait "$check" || refused=yes
done
[ -z "$refused" ] || exit 2

mkdir -p "$logs"
warn "anyone who can reach ${addresses[*]} can run code in this cluster: have the firewalls admit" \
    "only its own machines to these ports"
open_lifelines
for i in "${!names[@]}"; do
    [ "$i" -gt 0 ] || continue
    make_command "$i" TERM 10
    start_server "${names[i]}" "${command[@]}"
done
make_chief_command
run_chief "${command[@]}"
