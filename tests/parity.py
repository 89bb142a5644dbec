"""How far covariance-based models are from their reference, by method; ``python -m tests.parity`` prints markdown.

Every number comes from the cases that test_sem_reference.py and test_sem_lavaan_designs.py hold to.
"""

import numpy as np
import pandas as pd

from tests import test_sem_lavaan_designs as designs
from tests.test_sem_designs import matched as matched_design
from tests.test_sem_designs import reference as designs_reference
from tests.test_sem_reference import CASES, fitted, matched, reference

DESIGNS = {
    "cx": "Ordinal items with predictors",
    "fiml": "Missing data (FIML)",
    "cat": "Ordinal items",
}
ROBUST = ("cfi_robust", "tli_robust", "rmsea_robust")
INDICES = ("cfi", "tli", "rmsea", "srmr", "cfi_scaled", "tli_scaled", "rmsea_scaled")


def method(name: str) -> str:
    """What a case is about, in the words of a user."""
    ref = reference(name)
    o = dict(ref["options"] or {})
    kind = fitted(name).estimate.plan.name
    if "level:" in ref["model"]:
        return "Two levels, ML"
    if o.get("missing") in ("ml", "fiml"):
        return f"Missing data (FIML), {kind}"
    if o.get("sampling.weights"):
        return "Sampling weights, MLR"
    if o.get("cluster"):
        return "Clusters, MLR"
    if ref["function"] == "growth":
        return "Growth curves, ML"
    what = "Ordinal items, " if o.get("ordered") else "Groups, " if o.get("group") else ""
    return what + kind


def design_method(name: str) -> str:
    """The same of a case of the data designs."""
    kind = designs.fitted(name).estimate.plan.name
    return f"{DESIGNS[name.split('_')[0]]}, {kind}"


def distance(what: str, m: pd.DataFrame, ref: dict, ours: pd.Series, left_out: set[str]) -> dict[str, object]:
    """Largest differences of one case: estimates absolute, standard errors and test relative, indices absolute."""

    def gap(a: object, b: object) -> np.ndarray:
        a, b = np.asarray(a, float), np.asarray(b, float)
        return np.abs(a - b)[np.isfinite(b)]

    scale = np.maximum(1, np.abs(m["est_ref"].astype(float)))
    se = m["se_ref"].to_numpy(float)
    known = se > 0
    tests = [k for k in ("chisq", "chisq_scaled") if ref.get(k) is not None and k in ours]
    shared = [k for k in (*INDICES, *ROBUST) if ref.get(k) is not None and k in ours.dropna() and k not in left_out]
    return {
        "method": what,
        "estimates": gap(m["est"] / scale, m["est_ref"].astype(float) / scale).max(),
        "standard errors": (np.abs(m["se"].to_numpy() - se)[known] / se[known]).max(initial=0.0),
        "test": max((abs(ours[k] - ref[k]) / max(1.0, ref[k]) for k in tests), default=np.nan),
        "fit indices": max((abs(ours[k] - ref[k]) for k in shared), default=np.nan),
    }


def case(name: str) -> dict[str, object]:
    """A case of the first collection."""
    return distance(method(name), matched(name), reference(name)["fit"], fitted(name).fit_measures, set(ROBUST))


def design_case(name: str) -> dict[str, object]:
    """A case of the data designs."""
    res, ref = designs.fitted(name), designs_reference()[name]
    grouped = len(res.rows.labels) > 1 and name.startswith("cat")
    left_out = designs.BASELINE if grouped else set()
    return distance(design_method(name), matched_design(res, ref), ref["fit"], res.fit_measures, left_out)


def _told(name: str) -> bool:
    return name.split("_")[0] in DESIGNS


def parity() -> pd.DataFrame:
    """Largest differences by method, [cases, reference, estimates, standard errors, test, fit indices]."""
    rows = pd.DataFrame([*map(case, CASES), *map(design_case, filter(_told, designs.CASES))])
    out = rows.groupby("method").max()
    software = reference(CASES[0])["software"].replace(" version", "").split(" Patched")[0]
    out.insert(0, "cases", rows.groupby("method").size())
    out.insert(1, "reference", software.replace("lavaan 0.6.14 on R", "lavaan 0.6-14, R"))
    return out.sort_index()


def markdown(table: pd.DataFrame) -> str:
    """The table as text."""
    head = ["method", *table.columns]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, row in table.iterrows():
        cells = [f"{v:.0e}" if isinstance(v, float) else str(v) for v in row]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(parity()))
