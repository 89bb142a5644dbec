"""Two-level models: robust, several groups, weights and strata; against lavaan 0.6-14 and what theory promises."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cxmodels as cx
from cxmodels.errors import CxWarning, DataError, SpecError
from tests.test_sem_designs import HERE, reference

DATA = pd.read_csv(HERE.parent / "data" / "Demo_twolevel.csv")
DATA["g"] = np.where(DATA["cluster"] % 2 == 0, "a", "b")
CASES = [k for k in reference() if k.startswith("tl_")]
PLAIN = "level: 1\nfw =~ y1 + y2 + y3 + y4\nlevel: 2\nfb =~ y1 + y2 + y3 + y4"
BOTH = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1 + x2 + x3\nlevel: 2\nfb =~ y1 + y2 + y3\nfb ~ w1 + w2"


def fit(model=PLAIN, data=DATA, estimator="ML", **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return cx.SEM(model, estimator=estimator).fit(data, cluster="cluster", **how)


@pytest.mark.parametrize("name", CASES)
def test_lavaan(name):
    case = reference()[name]
    found = fit(case["model"], estimator=case["call"].get("estimator", "ML"), group=case["call"].get("group"))
    theirs = pd.DataFrame(case["estimates"]).astype({"level": str})
    keys = ["lhs", "op", "rhs", "level", *(["group"] if "group" in theirs else [])]
    m = found.estimates.astype({"level": str}).merge(theirs, on=keys, suffixes=("", "_ref"))
    assert len(m) == len(theirs)
    # lavaan's optimiser leaves intercepts and flat directions open by a hundredth of a standard error
    assert ((m["est"] - m["est_ref"]).abs() <= 0.01 * m["se_ref"] + 2e-5).all()
    assert_allclose(m["se"], m["se_ref"], rtol=2e-3, atol=1e-5)
    ours = found.fit_measures
    for key, value in case["fit"].items():
        if value is not None:
            # the unrestricted likelihood is found there by an EM that stops early
            assert ours[key] == pytest.approx(value, rel=1e-3, abs=1e-3), key


def test_groups_without_common_parameters_are_fits_of_their_own():
    both = fit(BOTH, estimator="MLR", group="g")
    apart = {g: fit(BOTH, DATA[DATA["g"] == g], "MLR") for g in "ab"}
    for g, one in apart.items():
        mine = both.estimates[both.estimates["group"] == g].reset_index(drop=True)
        assert_allclose(mine["est"], one.estimates["est"], atol=1e-10)
        assert_allclose(mine["se"], one.estimates["se"], atol=1e-10)
    assert both.estimate.chisq == pytest.approx(sum(r.estimate.chisq for r in apart.values()))
    assert both.fit_measures["logl"] == pytest.approx(sum(r.fit_measures["logl"] for r in apart.values()))


def test_equal_loadings_and_intercepts_are_labels_of_their_own():
    tied = PLAIN.replace("y2 + y3 + y4", "c(p,p)*y2 + c(q,q)*y3 + c(r,r)*y4", 1)
    head, tail = tied.split("level: 2")
    tied = head + "level: 2" + tail.replace("y2 + y3 + y4", "c(s,s)*y2 + c(t,t)*y3 + c(u,u)*y4")
    a, b = fit(group="g", equal="loadings"), fit(tied, group="g")
    assert a.fit_measures["df"] == b.fit_measures["df"] == 14
    assert a.estimate.chisq == pytest.approx(b.estimate.chisq, abs=1e-6)
    scalar = fit(group="g", equal=["loadings", "intercepts"])
    assert scalar.fit_measures["df"] == 14 + 4 - 1  # four intercepts for one latent mean, of the second level
    means = scalar.estimates.query("op == '~1' and lhs in ['fw', 'fb'] and group == 'a'")
    assert means.set_index("lhs")["se"].gt(0).to_dict() == {"fw": False, "fb": True}
    assert cx.compare(fit(group="g"), a, scalar)["df_diff"].tolist()[1:] == [6, 3]
    robust = [fit(group="g", estimator="MLR", equal=e) for e in ((), "loadings")]
    methods = ("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
    early, late, delta = (cx.compare(*robust, method=m)["chisq_diff"][1] for m in methods)
    assert early == pytest.approx(late, rel=0.1)
    assert early == pytest.approx(delta, rel=0.1)


def test_scores_of_clusters_add_up_to_the_gradient_and_its_slope_to_the_hessian():
    found = fit(BOTH, estimator="MLR", group="g").estimate
    x = found.x + 0.01 * np.random.default_rng(1).normal(size=len(found.x))
    objective = found.objective
    total = np.sum([s.sum(axis=0) for s in objective.scores(x)], axis=0)
    assert_allclose(-2 * total / objective.rows, objective.derivatives(x).gradient, atol=1e-12)
    some = np.arange(0, len(x), 5)
    step = 1e-5 * np.eye(len(x))[some]
    value = [(objective.value(x + h) - objective.value(x - h)) / 2e-5 for h in step]
    assert_allclose(objective.derivatives(x).gradient[some], value, atol=1e-7)
    slope = [(objective.derivatives(x + h).gradient - objective.derivatives(x - h).gradient) / 2e-5 for h in step]
    assert_allclose(objective.hessian(x)[some], slope, atol=1e-7)


def copies(data: pd.DataFrame, times: pd.Series) -> pd.DataFrame:
    """Every cluster as often as said, under names of their own."""
    parts = [data[data["cluster"] == c].assign(cluster=f"{c}.{k}") for c, n in times.items() for k in range(n)]
    return pd.concat(parts, ignore_index=True)


def test_weights_of_clusters_stand_for_copies_of_them():
    small = DATA[DATA["cluster"] % 4 == 1]
    times = pd.Series({c: 1 + c % 3 for c in small["cluster"].unique()})
    weighted = fit(data=small.assign(k=small["cluster"].map(times)), weights="k")
    assert weighted.estimate.plan.name == "MLR"
    copied = fit(data=copies(small, times))
    assert_allclose(weighted.estimates["est"], copied.estimates["est"], atol=1e-6)
    as_columns = fit(data=small.assign(k=small["cluster"].map(times), one=1.0), weights="one", cluster_weights="k")
    assert_allclose(as_columns.estimates["se"], weighted.estimates["se"], atol=1e-9)
    assert "weighted" in weighted.summary()


def test_weights_of_rows_weigh_their_terms_of_the_likelihood():
    """One item: the integral over each cluster's mean of the weighted densities, by quadrature."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(60), 5)
    y = rng.normal(size=60)[code] + rng.normal(size=300)
    w = rng.uniform(0.3, 2.0, 300)
    data = pd.DataFrame({"y": y, "x": rng.normal(size=300), "cluster": code, "w": w, "b": 1 + (code % 2)})
    found = fit("level: 1\ny ~ 0*x\nlevel: 2\ny ~~ y", data, weights="w", cluster_weights="b")
    own = w / (np.bincount(code, w) / 5)[code]
    nodes, quad = np.polynomial.hermite_e.hermegauss(41)

    def loss(t):
        mean, within, between = t[0], np.exp(t[1]), np.exp(t[2])
        d = y[:, None] - mean - np.sqrt(between) * nodes
        each = -0.5 * own[:, None] * (np.log(2 * np.pi * within) + d**2 / within)
        total = np.add.reduceat(each, np.arange(0, 300, 5), axis=0)
        top = total.max(axis=1)
        return -((1 + np.arange(60) % 2) * (top + np.log(np.exp(total - top[:, None]) @ quad))).sum()

    best = minimize(loss, [0.0, 0.0, 0.0], method="BFGS", options={"gtol": 1e-7}).x
    e = found.estimates.set_index(["lhs", "op", "level"])["est"]
    assert_allclose(
        [e["y", "~1", "2"], e.xs(("y", "~~", "1")), e["y", "~~", "2"]], [best[0], *np.exp(best[1:])], atol=2e-4
    )


def test_weights_undo_a_sample_that_prefers_clusters_with_high_means():
    rng = np.random.default_rng(7)
    count, size = 1500, 8
    b = rng.normal(size=count)
    chance = 1 / (1 + np.exp(-b))
    taken = np.flatnonzero(rng.random(count) < chance)
    code = np.repeat(taken, size)
    f = rng.normal(size=len(code))
    x = np.array([1.0, 0.8, 0.9]) * (b[code] + f)[:, None] + rng.normal(size=(len(code), 3)) * 0.6
    data = pd.DataFrame(x, columns=["y1", "y2", "y3"]).assign(cluster=code, w=1 / chance[code])
    text = "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3\ny1 ~~ 0*y1\ny2 ~~ 0*y2\ny3 ~~ 0*y3"
    mean = {
        k: fit(text, data, weights=k).estimates.query("lhs == 'y1' and op == '~1' and level == '2'").iloc[0]
        for k in (None, "w")
    }
    assert mean[None]["est"] > 0.25
    assert abs(mean["w"]["est"]) < 3 * mean["w"]["se"]
    assert mean["w"]["se"] > mean[None]["se"]


def test_strata_of_clusters_take_their_means_off():
    data = DATA.assign(s=DATA["cluster"] % 5)
    plain, layered = fit(estimator="MLR"), fit(data=data, strata="s")
    assert layered.estimate.plan.name == "MLR"
    assert_allclose(layered.estimates["est"], plain.estimates["est"])
    ratio = (layered.estimates["se"] / plain.estimates["se"]).dropna()
    assert ratio.between(0.85, 1.15).all()
    assert (ratio - 1).abs().max() > 1e-3
    one = fit(data=data.assign(s=1), strata="s")
    g = data["cluster"].nunique()
    assert_allclose(one.estimates["se"], plain.estimates["se"] * np.sqrt(g / (g - 1)), atol=1e-8)
    across = fit(data=data, strata="s", group="g")  # strata that lie in both groups
    assert across.estimate.data.shared


def test_what_two_levels_are_not_offered_with_says_why():
    crossed = DATA.assign(g=np.where(DATA.index % 2 == 0, "a", "b"), w=1.0 + DATA.index % 3)
    cases = [
        ({"data": crossed, "group": "g"}, DataError, "200 clusters of 'cluster' have rows in several groups of 'g'"),
        ({"data": crossed.assign(s=DATA.index % 2), "strata": "s"}, DataError, "200 clusters .* in several strata"),
        ({"data": crossed, "weights": "w"}, SpecError, "weights differ within 200 of 200 clusters.*cluster_weights="),
        ({"data": crossed, "cluster_weights": "w"}, DataError, "cluster_weights differ within 200 of 200 clusters"),
        (
            {"data": DATA.assign(k=(DATA["cluster"] > 3) * 1.0), "cluster_weights": "k"},
            DataError,
            "zero for 3 of 200 clusters of 'cluster'",
        ),
        ({"estimator": "MLM"}, SpecError, "by ML or MLR, not MLM"),
        ({"missing": "fiml"}, SpecError, "complete rows, not with missing='fiml'"),
    ]
    for how, kind, words in cases:
        with pytest.raises(kind, match=words):
            fit(**how)
    with pytest.raises(SpecError, match="integral over the constructs of each cluster"):
        cx.SEM(PLAIN.replace("y", "o"), ordered=True).fit(
            DATA.rename(columns=lambda c: c.replace("y", "o")), cluster="cluster"
        )
    with pytest.raises(SpecError, match="cluster_weights= are for models with level: blocks"):
        cx.SEM("f =~ y1 + y2 + y3").fit(DATA, cluster_weights="x1")


def test_reference_of_lavaan_is_where_it_says():
    assert "lavaan 0.6.14" in json.loads((HERE / "designs.json").read_text())["software"]
