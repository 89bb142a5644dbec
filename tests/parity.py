"""How far each method is from its reference implementation; ``python -m tests.parity`` prints markdown.

Covariance-based models: from the cases that test_sem_reference.py and test_sem_lavaan_designs.py hold to. All others: the
tests named in SOURCES run while every comparison that they make is recorded.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from tests import test_churn_lifetimes as lifetimes
from tests import test_churn_measures as measures
from tests import test_churn_monitor as drift
from tests import test_drivers_reference as drivers
from tests import test_metrics as metrics
from tests import test_pls_prediction as prediction
from tests import test_pls_reference as pls
from tests import test_pls_stages as stages
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


# --- everything else ---------------------------------------------------------------------------------------------


class Record:
    """The comparisons made while it watches: how many numbers, and the largest difference."""

    def __init__(self) -> None:
        self.numbers, self.largest = 0, 0.0

    def add(self, ours: Any, theirs: Any) -> None:
        """Compare, absolutely up to 1 and relatively above."""
        if isinstance(theirs, dict):
            ours, theirs = [ours[k] for k in theirs], list(theirs.values())
        a, b = np.broadcast_arrays(np.asarray(ours, float), np.asarray(theirs, float))
        gap = (np.abs(a - b) / np.maximum(1, np.abs(b)))[np.isfinite(b)]
        self.numbers += gap.size
        self.largest = max(self.largest, gap.max(initial=0.0))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what pytest.approx and numpy's assert_allclose are asked."""
        approx, allclose, record = pytest.approx, np.testing.assert_allclose, self

        class Seen:
            __array_ufunc__ = None
            __array_priority__ = 100
            __hash__ = None  # type: ignore[assignment]

            def __init__(self, expected: Any, *args: Any, **how: Any) -> None:
                self.expected, self.real = expected, approx(expected, *args, **how)

            def __eq__(self, actual: object) -> bool:
                record.add(actual, self.expected)
                return bool(actual == self.real)

        def compared(actual: Any, desired: Any, *args: Any, **how: Any) -> None:
            record.add(actual, desired)
            allclose(actual, desired, *args, **how)

        with mock.patch.object(pytest, "approx", Seen), mock.patch.object(np.testing, "assert_allclose", compared):
            yield


def cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The arguments that a test is parametrised with."""
    axes = []
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names = [n.strip() for n in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
            axes.append([dict(zip(names, v if len(names) > 1 else (v,), strict=True)) for v in mark.args[1]])
    for chosen in itertools.product(*axes):
        yield {k: v for part in chosen for k, v in part.items()}


def mobi_fits(test: Callable[..., None], case: dict[str, Any]) -> dict[str, Any]:
    """What fixtures give to the tests of prediction and stages."""
    given = test.__code__.co_varnames[: test.__code__.co_argcount]
    mobi = cx.datasets.load("mobi")
    made = {
        "mobi": lambda: mobi,
        "fit": lambda: cx.PLS(prediction.MODEL, tolerance=1e-12).fit(mobi),
        "seminr": lambda: pls.reference("ecsi_plspredict_fixed_folds"),
    }
    return case | {name: make() for name, make in made.items() if name in given}


SEMINR, CSEM = "seminr 2.3.1, R 4.2.2", "cSEM 0.6.1, R"
RELAIMPO, SUBSETS = "relaimpo 2.2-7, R 4.2", "all-subsets program, independent"
FADER = "Fader and Hardie; lifetimes 0.11"
Source = tuple[str, str, ModuleType, str, str]
# Method, reference, module, test, and which of its cases: those whose arguments hold the text.
SOURCES: list[Source] = [
    ("PLS, Mode A and B", SEMINR, pls, "test_every_quantity_of_the_reference", "ecsi_modeA_path'|ecsi_modeA_factorial|mixed|corp_rep"),
    ("PLS, centroid scheme", CSEM, pls, "test_every_quantity_of_the_reference", "ecsi_modeA_centroid|ecsi_modeA_path_csem"),
    ("PLS, items not standardised", "plspm 0.5.7, Python", pls, "test_every_quantity_of_the_reference", "raw_metric"),
    ("Consistent PLS", f"{SEMINR}; {CSEM}", pls, "test_every_quantity_of_the_reference", "plsc"),
    ("PLS, missing answers", SEMINR, pls, "test_every_quantity_of_the_reference", "missing"),
    ("PLS, case weights", f"{SEMINR}, rows repeated", pls, "test_case_weights_are_rows_repeated", ""),
    ("Index, effects in points, importance-performance", f"{SEMINR} weights", pls, "test_index_effects_and_importance", ""),
    ("PLS, bootstrap intervals of given resamples", f"{SEMINR} refits", pls, "test_intervals_from_given_resamples", ""),
    ("PLS, interactions", SEMINR, stages, "test_agrees_with_seminr", "interaction"),
    ("PLS, higher-order constructs", SEMINR, stages, "test_agrees_with_seminr", "hoc"),
    ("PLSpredict", SEMINR, prediction, "test_errors_agree_with_seminr", ""),
    ("PLSpredict, benchmarks", SEMINR, prediction, "test_benchmarks_agree_with_seminr", ""),
    ("CVPAT", SEMINR, prediction, "test_cvpat_agrees_with_seminr", ""),
    ("Drivers, linear measures of importance", RELAIMPO, drivers, "test_relaimpo", ""),
    ("Drivers, dominance, Johnson, PMVD", SUBSETS, drivers, "test_all_subsets", ""),
    ("Drivers, controls", RELAIMPO, drivers, "test_controls_stand_in_every_model", ""),
    ("Drivers, groups", f"{RELAIMPO}; {SUBSETS}", drivers, "test_groups_are_players", ""),
    ("Drivers, categories", RELAIMPO, drivers, "test_categorical_attributes_are_players", ""),
    ("Drivers, logit", "glm, R 4.2, all subsets", drivers, "test_logit", ""),
    ("Drivers, ordered", "MASS::polr, R 4.2, all subsets", drivers, "test_ordered", ""),
    ("Drivers, missing answers", SUBSETS, drivers, "test_missing", ""),
    ("Drivers, segments", "lm and anova, R 4.2", drivers, "test_segments", ""),
    ("Drivers, penalty and reward", "lm, R 4.2", drivers, "test_penalty_reward", ""),
    ("Drivers, what if", "lm, R 4.2", drivers, "test_what_if", ""),
    ("NPS and its intervals", "closed forms", metrics, "test_nps_of_counts", ""),
    ("Shares, four intervals", "closed forms", metrics, "test_share", ""),
    ("Metrics with weights, strata, clusters", "survey 4.1, R", metrics, "test_survey_standard_errors", ""),
    ("Churn, ranking and calibration", "scikit-learn 1.9.1", measures, "test_ranking_and_calibration_equal_the_reference", ""),
    ("Churn, lift", "by hand", measures, "test_lift_equals_the_reference", ""),
    ("Churn, profit (EMPC, MPC)", "empulse 0.13.1", measures, "test_profit_equals_empulse", ""),
    ("Churn, stability (PSI)", "by hand", drift, "test_psi_equals_the_reference", ""),
    ("Contracts, shifted beta-geometric", "Fader and Hardie 2007, 2018", lifetimes, "test_shifted_beta_geometric_equals_the_article", ""),
    ("Purchases, BG/NBD", f"{FADER}", lifetimes, "test_bgnbd_equals_the_article", ""),
    ("Purchases, Pareto/NBD", f"{FADER}", lifetimes, "test_pareto_nbd_equals_the_article", ""),
    ("Spend, Gamma-Gamma", f"{FADER}", lifetimes, "test_gamma_gamma_equals_the_article", ""),
]  # fmt: skip


def others() -> pd.DataFrame:
    """Largest differences of all other methods, [reference, numbers, largest difference]."""
    rows = []
    for method, source, module, name, which in SOURCES:
        test, record = getattr(module, name), Record()
        chosen = [c for c in cases(test) if not which or any(w in repr(c) for w in which.split("|"))]
        with record.watching():
            for case in chosen:
                try:
                    test(**mobi_fits(test, case))
                except pytest.skip.Exception:
                    continue
        rows.append((method, source, record.numbers, record.largest))
    return pd.DataFrame(rows, columns=["method", "reference", "numbers", "largest difference"]).set_index("method")


if __name__ == "__main__":
    print(markdown(parity()), markdown(others()), sep="\n\n")
