# shellcheck shell=bash
# Sourced by the other scripts: --help prints the comment at the top of a script.
set -euo pipefail

show_help() {
    awk 'NR > 1 { if (!/^#/) exit; if (!/^#SBATCH/) { sub(/^# ?/, ""); print } }' "$1"
}

# For scripts that have no other options; the script, then its arguments.
help_if_asked() {
    case "${2:-}" in
        -h | --help)
            show_help "$1"
            exit 0
            ;;
    esac
}
