"""Finds the folder behind `/Volumes/<catalog>/<schema>/<volume>`.

On Databricks a volume is mounted there. Elsewhere (a laptop, a rehearsal) nothing is, and nothing may be made at the
root of somebody's disk: the same path is then looked for below `CHURN_VOLUMES`, or a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MOUNT = Path("/Volumes")


def folder(volume: str, *parts: str) -> Path:
    path = Path(volume, *parts)
    if MOUNT not in path.parents or ".." in path.parts:
        raise ValueError(f"`{path}` is not a path in a volume, e.g. `/Volumes/dev/churn/data`")
    if not MOUNT.is_dir():
        root = os.environ.get("CHURN_VOLUMES") or Path(tempfile.gettempdir(), "churn-volumes")
        path = Path(root, *path.parts[2:])
    path.mkdir(parents=True, exist_ok=True)
    return path
