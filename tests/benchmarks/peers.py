"""The environments of peers: apart from the package's own, made when first needed."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


def interpreter(folder: Path, needed: Sequence[str]) -> Path:
    """Interpreter of an environment with the peers, made when it is missing; or the one that CXMODELS_PEER_PYTHON names."""
    if given := os.environ.get("CXMODELS_PEER_PYTHON"):
        return Path(given)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=True)
    return python
