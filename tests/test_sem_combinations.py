"""Which kinds of items, missing answers, designs, groups and estimators go together: each fits, or says why not."""

import itertools

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, DataError, DataWarning
from tests.test_sem_designs import DATA, fit

ROWS = DATA[DATA["stratum"].isin(["s1", "s2", "s3", "s4"])].reset_index(drop=True)
ORDINAL = ["o1", "o2", "o3", "o4"]
ITEMS = {
    "numerical": ("f =~ y1 + y2 + y3 + y4", None),
    "ordinal": ("f =~ o1 + o2 + o3 + o4", ORDINAL),
    "mixed": ("f =~ o1 + y2 + o3 + y4", ["o1", "o3"]),
    "ordinal given predictors": ("f =~ o1 + o2 + o3 + o4\nf ~ x + z", ORDINAL),
    "numerical given predictors": ("f =~ y1 + y2 + y3 + y4\nf ~ x + z", None),
}
DESIGNS = {
    "plain": {},
    "weights": {"weights": "w"},
    "clusters": {"cluster": "psu"},
    "strata": {"strata": "stratum"},
    "all": {"weights": "w", "cluster": "psu", "strata": "stratum"},
}
# kinds of items: missing -> why not; absent: it works
MISSING = {
    ("numerical", "pairwise"): "missing='pairwise' is for ordinal items; use missing='fiml'",
    ("ordinal", "fiml"): "missing='fiml' is maximum likelihood for numerical items",
}
# estimator -> (with a design, with fiml): why not; None: it works
ESTIMATORS = {
    "ML": (None, None),
    "MLR": (None, None),
    "MLM": (None, "cannot be combined with estimator MLM"),
    "GLS": (
        "would be ignored by the standard errors and test of GLS; use estimator MLR",
        "combined with estimator GLS",
    ),
    "WLS": (None, "combined with estimator WLS"),
    "WLSMV": (None, None),
    "ULSMV": (None, None),
    "DWLS": ("would be ignored by the standard errors and test of DWLS; use estimator WLSMV", None),
}


def gaps() -> pd.DataFrame:
    """Rows with a tenth of the answers missing at random given x."""
    rng = np.random.default_rng(9)
    data = ROWS.copy()
    for name in ("y1", "y2", "y3", "o1", "o2", "o3"):
        data[name] = data[name].astype(float).mask(rng.random(len(data)) < np.where(data["x"] > 0.3, 0.15, 0.05))
    return data


GAPS = gaps()


def attempt(items: str, missing: str, design: str, group: bool, estimator: str | None = None):
    model, ordered = ITEMS[items]
    options = {} if ordered is None else {"ordered": ordered}
    if estimator is not None:
        options["estimator"] = estimator
    how = DESIGNS[design] | ({"group": "g"} if group else {})
    return fit(model, GAPS, options, missing=missing, **how)


def usable(found) -> None:
    """Everything that a result promises is there, and finite."""
    e = found.estimates
    assert found.converged
    assert np.isfinite(e[["est", "se"]].to_numpy(float)).all()
    assert (e.loc[e["op"] == "=~", "se"].to_numpy()[1:3] > 0).all()
    m = found.fit_measures
    assert 0 <= m.get("pvalue_scaled", m["pvalue"]) <= 1
    assert 0 <= m["srmr"] < 0.2
    assert found.n_obs + found.excluded["rows"].sum() == len(GAPS)


@pytest.mark.parametrize(("design", "group"), [*((d, False) for d in DESIGNS), ("plain", True), ("all", True)])
@pytest.mark.parametrize(("items", "missing"), [*itertools.product(ITEMS, ["listwise", "pairwise", "fiml"])])
def test_items_missing_answers_designs_and_groups(items, missing, design, group):
    kind = "numerical" if ITEMS[items][1] is None else "ordinal"
    why = MISSING.get((kind, missing))
    if why is None:
        usable(attempt(items, missing, design, group))
        return
    with pytest.raises(CxError, match=why):
        attempt(items, missing, design, group)


@pytest.mark.parametrize("design", ["plain", "weights", "all"])
@pytest.mark.parametrize("missing", ["listwise", "fiml", "pairwise"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators(estimator, missing, design):
    ordinal = estimator in ("WLSMV", "ULSMV", "DWLS")
    if missing == ("fiml" if ordinal else "pairwise"):
        return  # refused whatever the estimator, as above
    with_design, with_fiml = ESTIMATORS[estimator]
    why = (with_fiml if missing == "fiml" else None) or (with_design if design != "plain" else None)
    items = "ordinal" if ordinal else "numerical"
    if why is None:
        usable(attempt(items, missing, design, False, estimator))
        return
    with pytest.raises(CxError, match=why):
        attempt(items, missing, design, False, estimator)


def test_a_design_changes_standard_errors_and_test_but_not_more_than_it_says():
    """Clusters and strata leave estimates alone; weights move them."""
    for items in ("numerical", "ordinal", "mixed"):
        missing = "fiml" if items == "numerical" else "pairwise"
        found = {d: attempt(items, missing, d, False) for d in DESIGNS}
        free = found["plain"].estimates["se"] > 0
        # least squares takes its weights from the covariance of the moments, which is the design's
        same = 1e-6 if items == "numerical" else 0.05
        for d in ("clusters", "strata"):
            gap = (found[d].estimates["est"] - found["plain"].estimates["est"])[free]
            assert gap.abs().max() < same, (items, d)
            assert (found[d].estimates["se"] / found["plain"].estimates["se"])[free].std() > 1e-3
        assert (found["all"].estimates["est"] - found["plain"].estimates["est"])[free].abs().max() > 0.02


def test_items_that_say_the_same_are_named():
    """Latent correlations beyond .99 warn, with the items, the group, and how many more."""
    rng = np.random.default_rng(2)
    f = rng.normal(size=600)
    near = {f"t{k}": np.digitize(f + 0.06 * rng.normal(size=600), [-1, 0, 1]) for k in range(4)}
    data = pd.DataFrame(near | {"u": np.digitize(f + rng.normal(size=600), [-1, 1]), "g": np.arange(600) % 2})
    with pytest.warns(
        DataWarning, match=r"correlation of 't1' and 't0', .* and 3 more pairs is beyond \.99: these items"
    ):
        cx.SEM("f =~ t0 + t1 + t2 + t3 + u", ordered=True).fit(data)
    found = fit("f =~ t0 + t1 + u", data, {"ordered": True}, group="g")
    assert [f"'t1' and 't0' is beyond .99 in group '{g}'" in " ".join(found.warnings) for g in (0, 1)] == [True, True]


def test_least_squares_cannot_weigh_moments_that_follow_from_others():
    with pytest.raises(DataError, match=r"WLS cannot weigh these moments, .* yes-no item"):
        fit("f =~ y1 + y2 + y3\nf ~ z", DATA, {"estimator": "WLS", "mean_structure": True})
    with pytest.raises(DataError, match="WLS needs more rows than moments: 20 rows for 21 moments"):
        fit("f =~ y1 + y2 + y3 + y4 + y5 + y6", DATA.head(20), {"estimator": "WLS"})
