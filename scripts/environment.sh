# Sourced by the other scripts: makes .venv when missing and installs what REQUIREMENTS lists.
# Installation is skipped while the listed files are unchanged since the last one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="${PYTHON:-python3}"
REQUIREMENTS=("$@")

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "error: $PYTHON is not Python 3.11 or later: install one, or name it, as in PYTHON=python3.12" >&2
    exit 2
fi
if [ ! -x .venv/bin/python ]; then
    echo "making .venv"
    "$PYTHON" -m venv .venv
fi
fingerprint="$(cat "${REQUIREMENTS[@]}" | sha256sum)"
stamp=".venv/installed-${#REQUIREMENTS[@]}"
if [ "$(cat "$stamp" 2>/dev/null)" != "$fingerprint" ]; then
    echo "installing ${REQUIREMENTS[*]} (about a minute, once)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        "${REQUIREMENTS[@]/#/--requirement=}"
    echo "$fingerprint" > "$stamp"
fi
