#!/usr/bin/env bash
# Usage: bash scripts/until_eof.sh SIGNAL SECONDS COMMAND [ARGUMENT ...]
# Runs COMMAND until it or standard input ends; then sends it SIGNAL and, SECONDS later, KILL. The
# starting process holds the other end of standard input, so COMMAND ends with its starter, however
# that ends, even over a connection. Exits with the status of COMMAND.
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    sed -n '/^# /!q; s/^# //p' <(tail -n +2 "${BASH_SOURCE[0]}")
    exit 0
elif [ $# -lt 3 ]; then
    echo "error: SIGNAL, SECONDS and COMMAND are needed; see scripts/until_eof.sh --help" >&2
    exit 2
fi
signal="$1"
seconds="$2"
shift 2

command=''
asked=''
pass_on() {
    asked=yes
    [ -z "$command" ] || kill -s "$signal" -- "-$command" || true
}
trap pass_on INT TERM HUP

# Each job has its own process group, in which SIGINT is ignored only if it already was, as when the
# starter runs in the background. No shell can undo that, but GNU `env` can since 8.31.
set -m
if env "--default-signal=$signal" true 2> /dev/null; then
    set -- env "--default-signal=$signal" "$@"
fi
"$@" < /dev/null &
command=$!
{
    cat
    kill -s "$signal" -- "-$command"
    sleep "$seconds"
    kill -s KILL -- "-$command"
} <&0 > /dev/null 2>&1 &
watcher=$!
# Keep the shell from reporting how the two ended.
disown "$watcher"
[ -z "$asked" ] || pass_on
status=0
while :; do
    # A signal to this process ends `wait` early.
    wait "$command" && status=0 || status=$?
    kill -0 "$command" || break
done 2> /dev/null
kill -s KILL -- "-$watcher" 2> /dev/null || true
exit "$status"
