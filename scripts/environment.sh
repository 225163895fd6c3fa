# shellcheck shell=bash
# Sourced by the other scripts: creates .venv if it is missing and installs what REQUIREMENTS lists.
# constraints.txt pins the dependencies. Installation is skipped if these files have not changed
# since the last one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="${PYTHON:-python3}"
REQUIREMENTS=("$@")

if ! "$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    echo "error: $PYTHON is not Python 3.11, 3.12 or 3.13, for which TensorFlow is made: name one of them, as in PYTHON=python3.12" >&2
    exit 2
fi
if ! .venv/bin/python -m pip --version > /dev/null 2>&1; then
    echo "making .venv"
    "$PYTHON" -m venv --clear .venv
fi
fingerprint="$(cat "${REQUIREMENTS[@]}" constraints.txt | sha256sum)"
stamp=".venv/installed-${#REQUIREMENTS[@]}"
if [ "$(cat "$stamp" 2>/dev/null)" != "$fingerprint" ]; then
    echo "installing ${REQUIREMENTS[*]} (about a minute, once)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        "${REQUIREMENTS[@]/#/--requirement=}" --constraint=constraints.txt
    echo "$fingerprint" > "$stamp"
fi
