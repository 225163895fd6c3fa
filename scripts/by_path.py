"""Restarts a script that was started by its path as a module.

Scripts import this if they belong to no package; a module finds its siblings and dbsl_tf.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "by_path":
    _script = Path(sys.argv[0]).resolve()
    _path = [str(_script.parents[1]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _path))
    # -P: the working directory's modules must not take precedence over the project's.
    os.execv(
        sys.executable,
        [sys.executable, "-P", "-m", f"scripts.{_script.stem}", *sys.argv[1:]],
    )
