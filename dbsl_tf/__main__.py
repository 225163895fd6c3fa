"""`python -m dbsl_tf` tells which commands there are."""

from __future__ import annotations

import sys
from pathlib import Path

from dbsl_tf.command_line import USER_ERROR_STATUS


def main() -> int:
    """Name the commands: the modules beside this one that have help of their own."""
    names = sorted(
        file.stem
        for file in Path(__file__).parent.glob("*.py")
        if "run(main)" in file.read_text(encoding="utf-8") and file.stem != "__main__"
    )
    print(
        f"error: dbsl_tf is no command; give one of {', '.join(names)}, as in "
        "python -m dbsl_tf.train --help",
        file=sys.stderr,
    )
    return USER_ERROR_STATUS


if __name__ == "__main__":
    sys.exit(main())
