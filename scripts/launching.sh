# shellcheck shell=bash
# Sourced by the launchers: their options, and processes that end when the launcher does.
# Sets `config`, `overrides`, `python`, `port`, `logs` and `dry_run`. Everything happens in the
# project's folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/help.sh

# An interrupted chief takes as long as it needs to save, and then ends; only one that hangs is
# killed, after this many seconds. A later Ctrl-C ends it without saving.
# shellcheck disable=SC2034 # the launchers read it
saving_seconds=900

# Each job has its own process group: Ctrl-C reaches only the launcher, which ends the rest.
set -m

fail() {
    echo "error: $*" >&2
    exit 2
}

warn() {
    echo "warning: $*" >&2
}

# Reads an option that all launchers have; sets `taken` to the number of words it took.
read_option() {
    taken=2
    case "$1" in
        -h | --help)
            show_help "$launcher"
            exit 0
            ;;
        --dry-run)
            dry_run=yes
            taken=1
            ;;
        --config | --logs | --port | --python)
            [[ $# -ge 2 && "$2" != --* ]] || fail "$1 needs a value; see $launcher --help"
            printf -v "${1#--}" %s "$2"
            ;;
        -*) fail "unknown option $1; see $launcher --help" ;;
        *=*)
            overrides+=("$1")
            taken=1
            ;;
        *) fail "'$1' is neither an option nor key=value; see $launcher --help" ;;
    esac
}

check_options() {
    [ -n "$config" ] || fail "--config is missing; give a file, such as --config configs/quickstart.yaml"
    if [ -z "$python" ]; then
        python=.venv/bin/python
        (source scripts/environment.sh requirements.txt >&2)
    fi
    command -v "$python" > /dev/null || fail "--python $python is not a program"
    # A name without such a file refers to a configuration of the project.
    [ -e "$config" ] || [ ! -f "configs/$config" ] || config="configs/$config"
}

# Makes `names`, `addresses` and `tf_configs` of all processes, the chief first. The arguments say
# where the processes run.
lay_out_cluster() {
    local listing name address tf_config
    listing="$("$python" -m scripts.tf_config "$@" --config "$config" "${overrides[@]}")"
    while read -r name address tf_config; do
        names+=("$name")
        addresses+=("$address")
        tf_configs+=("$tf_config")
    done <<< "$listing"
}

# Servers and chief live as long as the launcher holds the writing ends of these two pipes.
open_lifelines() {
    exec {servers_lifeline}<> <(:)
    exec {chief_lifeline}<> <(:)
    trap end_servers EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# start_server NAME COMMAND...: COMMAND ends with its standard input. Its output goes to a log.
start_server() {
    local name="$1" log="$logs/$1.log"
    shift
    {
        status=0
        "$@" > "$log" 2>&1 || status=$?
        # Unless standard input has ended, in which case it can be read.
        read -r -t 0 || warn "$name ended with status $status: $(tail -n 1 "$log") (see $log)"
    } < "/dev/fd/$servers_lifeline" {servers_lifeline}>&- {chief_lifeline}>&- &
    servers+=("$!")
}

# run_chief COMMAND...: COMMAND ends with its standard input. Returns its status.
run_chief() {
    trap end_chief INT TERM HUP
    "$@" < "/dev/fd/$chief_lifeline" {servers_lifeline}>&- {chief_lifeline}>&- &
    local status=0
    chief_process=$!
    while :; do
        # A signal to the launcher ends `wait` early.
        wait "$chief_process" && status=0 || status=$?
        kill -0 "$chief_process" 2> /dev/null || break
    done
    return "$status"
}

end_chief() {
    if [ -n "$chief_lifeline" ]; then
        exec {chief_lifeline}>&-
        chief_lifeline=''
    elif [ -n "$chief_process" ]; then
        kill -s INT -- "-$chief_process" 2> /dev/null || true
    fi
}

end_servers() {
    local late
    # From here on nothing may be interrupted.
    trap '' INT TERM HUP
    chief_process=''
    end_chief
    exec {servers_lifeline}>&-
    [ ${#servers[@]} -gt 0 ] || return 0
    {
        sleep 20
        kill -s KILL -- "${servers[@]/#/-}"
    } > /dev/null 2>&1 &
    late=$!
    disown "$late"
    wait "${servers[@]}" || true
    kill -s KILL -- "-$late" 2> /dev/null || true
}

launcher="scripts/$(basename "${BASH_SOURCE[-1]}")"
# shellcheck disable=SC2034 # the launchers read them
config='' python='' port='' logs='' dry_run='' chief_process='' taken=0
overrides=() names=() addresses=() tf_configs=() servers=()
