"""How a satisfaction index shows itself: first lines, tables of the summary, and what went wrong in many units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from .result import IndexResult


def headline(result: IndexResult) -> list[tuple[str, str]]:
    """Model, units, rows, convergence, index; see :meth:`IndexResult.headline`."""
    model = result.spec.model
    out = result.excluded
    reasons = ", ".join(f"{r.rows} {r.reason}" for r in out.itertuples())
    rows = f"{result.n_obs} used, {int(out['rows'].sum())} excluded" + (f" ({reasons})" if reasons else "")
    lines = [
        (
            f"{model.name} satisfaction index",
            f"{len(model.measures)} constructs, {len(model.items)} items, {len(model.paths)} paths, {result.engine_name}",
        ),
        ("Rows", rows),
        (
            "Converged",
            "yes" if result.converged else "NO: " + str(sum(not f.converged for f in result.models)) + " units",
        ),
    ]
    if result.keys:
        lines.insert(
            1, ("Units", f"{len(result.measured)} by {', '.join(result.keys)}, {len(result.skipped)} skipped")
        )
    else:
        row = result.scores.set_index("construct").loc[result.target]
        text = f"{row['index']:.1f} on 0-100, se {row['se']:.2f}, {result.level:.0%} interval {row['ci_lower']:.1f} to {row['ci_upper']:.1f}"
        lines.insert(0, (f"Index of {result.target}", text))
    return lines


def tables(result: IndexResult) -> dict[str, pd.DataFrame]:
    """Frames of the summary, by title; see :meth:`IndexResult.tables`."""
    headline = result.scores if not result.keys else result.scores[result.scores["construct"] == result.target]
    impacts = result.impacts[result.impacts["target"] == result.target]
    tables = {
        "Indices (0-100)" if not result.keys else f"Index of {result.target} (0-100)": headline,
    }
    if len(impacts):
        tables[f"Impacts on {result.target}, points per point"] = impacts
    if len(result.rates):
        tables["Rates (0-1)"] = result.rates
    if len(result.skipped):
        tables["Units skipped"] = result.skipped
    return {title: frame.reset_index(drop=True) for title, frame in tables.items()}


def failures(result: IndexResult) -> list[str]:
    """Replicates that failed: a sentence per unit, or one where there are many."""
    failed = {unit: r for unit, r in result.replicates.items() if r.failed}
    if len(failed) <= 3:
        return [
            f"{r.failed} of {r.n} bootstrap replicates failed"
            + (f" for {', '.join(map(str, unit))}." if unit else " and are left out.")
            for unit, r in failed.items()
        ]
    worst = max(failed, key=lambda u: failed[u].failed / failed[u].n)
    lost, total = sum(r.failed for r in failed.values()), sum(r.n for r in result.replicates.values())
    return [
        f"{lost} of {total} bootstrap replicates failed, in {len(failed)} of {len(result.replicates)} units; most, "
        f"{failed[worst].failed} of {failed[worst].n}, for {', '.join(map(str, worst))}."
    ]
