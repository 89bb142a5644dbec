"""Results of benchmark runs, kept as small files beside them for the pages that show them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "results"


def machine(*packages: str) -> dict[str, str]:
    """Where a run was made: processor, load, Python, and the versions that matter."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    where = f"{os.cpu_count()} processors {platform.machine()}, {platform.system()}{load}"
    named = {p: version(p) for p in ("cxmodels", "numpy", "scipy", "pandas", *packages)}
    return {"machine": where, "Python": platform.python_version(), **named}


def keep(name: str, kind: str, rows: Iterable[dict[str, Any]], *packages: str) -> Path:
    """Write rows as ``results/NAME.json``; kind is ``speed``, ``coverage`` or ``cost``.

    A row of speed is {job, peer, seconds, peer_seconds}: medians, answers compared before. A row of coverage is
    {method, design, n, runs, coverage, se}: share of 95 % intervals that hold the truth and its Monte-Carlo error, 0
    where every sample was enumerated. A row of cost is {job, what, sizes, seconds, exponent}.
    """
    HERE.mkdir(exist_ok=True)
    path = HERE / f"{name}.json"
    content = {"kind": kind, "made": machine(*packages), "rows": [rounded(r) for r in rows]}
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Plain numbers of four significant digits."""
    plain = {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in plain.items()}


def load(kind: str) -> dict[str, dict[str, Any]]:
    """All kept runs of a kind, by name."""
    found = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(HERE.glob("*.json"))}
    return {name: content for name, content in found.items() if content["kind"] == kind}
