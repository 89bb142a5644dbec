"""Sampling designs in SEM: strata, clusters and weights against R's survey 4.1 and the metrics of this package."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cxmodels as cx
from cxmodels.errors import CxWarning, DataError, SpecError
from cxmodels.sem.design import Units

HERE = Path(__file__).parent / "reference" / "cbsem" / "designs"
DATA = pd.read_csv(HERE / "design.csv")
DESIGNS = {"both": {"cluster": "psu", "strata": "stratum"}, "rows": {"strata": "stratum"}}
TWO = "f1 =~ y1 + y2 + y3\nf2 =~ y4 + y5 + y6"


@cache
def reference() -> dict:
    return json.loads((HERE / "designs.json").read_text())


def fit(model, data=DATA, options=None, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)  # few clusters for many parameters
        return cx.SEM(model, **(options or {})).fit(data, **how)


def matched(found, case: dict) -> pd.DataFrame:
    """Our estimates beside the reference's."""
    keys = ["lhs", "op", "rhs", *(["group"] if len(found.rows.labels) > 1 else [])]
    ours, theirs = found.estimates, pd.DataFrame(case["estimates"])
    if "group" in keys:
        theirs["group"] = [found.rows.labels[g - 1] if g else "" for g in theirs["group"]]
    out = ours.merge(theirs, on=keys, suffixes=("", "_ref"))
    assert len(out) == len(theirs)
    return out


# --- strata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", DESIGNS)
def test_regression_has_the_linearised_standard_errors_of_svyglm(how):
    ref = reference()[f"survey_{how}"]
    found = fit("y1 ~ x + z", weights="w", **DESIGNS[how]).estimates.set_index(["op", "rhs"])
    rows = [("~1", ""), ("~", "x"), ("~", "z")]
    first = found[found["lhs"] == "y1"].loc[rows]
    assert_allclose(first["est"], ref["slopes"], rtol=1e-8)
    assert_allclose(first["se"], ref["slopes_se"], rtol=1e-8)


@pytest.mark.parametrize("how", DESIGNS)
def test_means_of_groups_are_those_of_domains_with_their_covariance(how):
    """Groups have clusters and strata in common, so their means are correlated, as svyby says."""
    ref = reference()[f"survey_{how}"]
    found = fit("y1 ~~ y1\ny1 ~ c(a, b)*1\ngap := a - b", weights="w", group="g", **DESIGNS[how])
    assert_allclose(found.vcov.loc[["a", "b"], ["a", "b"]], ref["by_vcov"], rtol=1e-8)
    gap = found.estimates.set_index("lhs").loc["gap", "se"]
    contrast = np.array([1.0, -1.0])
    assert gap == pytest.approx(np.sqrt(contrast @ np.array(ref["by_vcov"]) @ contrast), rel=1e-8)


@pytest.mark.parametrize("how", DESIGNS)
def test_mlm_equals_lavaan_with_the_survey_covariance_of_the_moments(how):
    """The way of lavaan.survey (Oberski 2014): Satorra-Bentler with a design-based Gamma."""
    ref = reference()[f"survey_{how}"]
    found = fit(TWO, options={"estimator": "MLM"}, weights="w", **DESIGNS[how])
    m = matched(found, ref)
    assert_allclose(m["est"], m["est_ref"], atol=1e-6)
    assert_allclose(m["se"], m["se_ref"], rtol=1e-6)
    for name in ("chisq", "chisq_scaled", "chisq_scaling_factor", "cfi_scaled", "rmsea_scaled"):
        assert found.fit_measures[name] == pytest.approx(ref["fit"][name], rel=1e-6), name


@pytest.mark.parametrize("how", DESIGNS)
def test_threshold_of_a_yes_no_item_has_the_design_error_of_its_share(how):
    """tau = -Phi^-1(share), so se(tau) = se(share) / phi(tau): ordinal moments against the metrics."""
    from scipy.stats import norm

    design = DESIGNS[how]
    data = DATA.assign(yes=(DATA["o6"] == 2).astype(int))
    found = fit("f =~ yes + o1 + o2 + o4", data, {"ordered": True}, weights="w", **design).estimates
    tau = found[(found["lhs"] == "yes") & (found["op"] == "|")].iloc[0]
    share = cx.metrics.rate("yes", data=data, weights="w", strata="stratum", clusters=design.get("cluster"))
    assert tau["est"] == pytest.approx(-norm.ppf(share.value), abs=1e-9)
    n = len(data)  # like lavaan, the covariance of WLSMV has the divisor n less the number of groups
    assert tau["se"] == pytest.approx(share.se / norm.pdf(tau["est"]) * np.sqrt(n / (n - 1)), rel=1e-6)


def test_ordinal_groups_that_share_clusters_are_correlated():
    """Thresholds of a yes-no item by group against the covariance of two shares, linearised by hand."""
    from scipy.stats import norm

    data = DATA.assign(yes=(DATA["o6"] == 2).astype(int))
    found = fit("f =~ yes + o1 + o2 + o4\nyes | c(a, b)*t1\ngap := a - b", data, {"ordered": True}, group="g",
                weights="w", cluster="psu", strata="stratum")  # fmt: skip
    v = found.vcov.loc[["a", "b"], ["a", "b"]].to_numpy()
    # linearised by hand: influence of every row on -Phi^-1(share), totals of clusters about their stratum
    z = np.zeros((len(data), 2))
    for k, g in enumerate(found.rows.labels):
        mine = (data["g"] == g).to_numpy()
        w = data["w"].to_numpy() * mine
        share = w @ data["yes"] / w.sum()
        z[:, k] = -w * (data["yes"] - share) / w.sum() / norm.pdf(norm.ppf(share))
    total = pd.DataFrame(z).groupby([data["stratum"], data["psu"]]).sum()
    want = np.zeros((2, 2))
    for _, part in total.groupby(level=0):
        d = part.to_numpy() - part.to_numpy().mean(axis=0)
        want += len(d) / (len(d) - 1) * d.T @ d
    assert want[0, 1] != 0
    n = len(data)  # like lavaan, the covariance of WLSMV has the divisor n less the number of groups
    assert_allclose(v, want * n / (n - 2), rtol=1e-6)


def test_incomplete_likelihood_of_complete_rows_has_the_same_design():
    plain, fiml = (fit(TWO, weights="w", missing=m, **DESIGNS["both"]) for m in ("listwise", "fiml"))
    assert_allclose(fiml.estimates["se"], plain.estimates["se"], rtol=1e-5)
    for name in ("chisq_scaled", "chisq_scaling_factor", "cfi_scaled"):
        assert fiml.fit_measures[name] == pytest.approx(plain.fit_measures[name], rel=1e-5)


def test_strata_of_repeated_rows_and_their_own_clusters():
    """Rows doubled within clusters of two change nothing; one stratum is no stratum but for the factor."""
    twice = pd.concat([DATA, DATA]).assign(person=np.tile(np.arange(len(DATA)), 2))
    a = fit(TWO, strata="stratum").estimates["se"]
    assert_allclose(fit(TWO, twice, cluster="person", strata="stratum").estimates["se"], a, rtol=1e-6)
    one = fit(TWO, DATA.assign(s=1), strata="s").estimates["se"]
    n = len(DATA)
    assert_allclose(one, fit(TWO, options={"estimator": "MLR", "mean_structure": True}).estimates["se"] * np.sqrt(n / (n - 1)), rtol=1e-6)  # fmt: skip


def test_totals_are_centred_within_strata_and_count_empty_units():
    units = Units.of(np.array(list("aabbccdd")), np.array([1, 1, 1, 1, 2, 2, 2, 2]))
    z = np.arange(8.0)[:, None]
    got = units.totals(z)
    # totals 1, 5 and 9, 13: 2 / (2 - 1) times the squares about their means, 2 * (4 + 4) twice
    assert float((got.T @ got)[0, 0]) == pytest.approx(32.0)


def test_design_stands_in_the_summary_and_the_bootstrap_follows_it():
    found = fit(TWO, weights="w", **DESIGNS["both"])
    assert "weighted, 53 clusters, 6 strata" in found.summary()
    boot = found.bootstrap(150, seed=3)
    se = found.estimates["se"].to_numpy()
    ratio = boot.estimates["se"].to_numpy()[se > 0] / se[se > 0]
    assert 0.8 < np.median(ratio) < 1.15  # drawing n_h of n_h units: (n_h - 1) / n_h of the variance
    assert "Strata have 8.8 units on average" in boot.warnings[-1]


def test_bad_strata_are_refused():
    lonely = DATA.assign(s=np.where(DATA["psu"] == "p01", "alone", DATA["stratum"]))
    with pytest.raises(DataError, match=r"1 of 7 strata of 's' hold a single cluster \('alone'\)"):
        fit(TWO, lonely, strata="s", cluster="psu")
    with pytest.raises(DataError, match="strata='region' is not a column"):
        fit(TWO, strata="region")
    with pytest.raises(SpecError, match="Clusters or strata would be ignored by the standard errors and test of GLS"):
        fit(TWO, options={"estimator": "GLS"}, strata="stratum")
    gone = DATA.assign(stratum=DATA["stratum"].where(DATA.index > 4))
    assert fit(TWO, gone, strata="stratum").excluded.to_dict("list") == {
        "reason": ["strata 'stratum' missing"], "rows": [5],
    }  # fmt: skip


def test_standard_errors_of_a_stratified_sample_are_what_repeated_samples_show():
    """Five strata of eight clusters: means of strata and clusters differ, so strata help and clusters hurt."""
    rng = np.random.default_rng(5)
    pattern = np.array([1, 0.8, 0.7, 1, 0.9, 0.6])

    def sample():
        stratum = np.repeat(np.arange(5), 8)
        rows = rng.integers(4, 9, 40)
        f = (0.8 * rng.normal(size=(40, 2)) + 0.8 * (stratum[:, None] - 2)).repeat(rows, axis=0)
        f = f + rng.normal(size=f.shape) @ np.array([[1, 0.4], [0, 0.9]])
        y = f.repeat(3, axis=1) * pattern + 0.7 * rng.normal(size=(len(f), 6))
        names = [f"y{k}" for k in range(1, 7)]
        return pd.DataFrame(y, columns=names).assign(s=stratum.repeat(rows), c=np.arange(40).repeat(rows))

    def mean(data, **how):
        found = fit(TWO, data, {"mean_structure": True}, **how).estimates
        return found[(found["op"] == "~1") & (found["lhs"] == "y1")].iloc[0][["est", "se"]].to_numpy(float)

    data = [sample() for _ in range(60)]
    found = np.array([mean(d, cluster="c", strata="s") for d in data])
    spread = found[:, 0].std(ddof=1)
    assert found[:, 1].mean() == pytest.approx(spread, rel=0.25)  # 60 samples: a standard error of 9 %
    rows, clusters = (np.mean([mean(d, **how)[1] for d in data[:5]]) for how in ({}, {"cluster": "c"}))
    assert rows < 0.85 * found[:, 1].mean() < 0.85**2 * clusters
