"""Populations written as text: what they refuse, what they hold, and what a study planned from them says."""

import numpy as np
import pytest
from scipy.stats import chi2, ncx2

import cxmodels as cx
from cxmodels.errors import DataError, EstimationError, SpecError

ONE = "f =~ 1*x1 + .5*x2 + .5*x3; f ~~ 1*f; x1 ~~ .5*x1; x2 ~~ .5*x2; x3 ~~ .5*x3"
TWO = "level: 1\nf =~ 1*x1 + .5*x2; f ~~ 1*f\nlevel: 2\ng =~ 1*x1 + .5*x2; g ~~ 1*g"
PARTS = "a =~ 1*x1 + .5*x2; b =~ 1*x3 + .5*x4; m =~ 1*x5 + .5*x6; a ~~ 1*a; b ~~ 1*b; m ~ .5*a"
NEGATIVE = "x1 ~~ -.45*x2 + -.45*x3; x2 ~~ -.45*x3; x1 ~~ 1*x1; x2 ~~ 1*x2; x3 ~~ 1*x3; y ~ 0*x1"
WEIGHT = "c <~ .5*x1 + .5*x2; y ~ .3*c"
RARE = ONE + "; x1 | 2.5*t1; x2 | 2.5*t1; x3 | 2.5*t1"

REFUSED = {
    "composite in blocks": (
        f"group: 1\n{WEIGHT}\ngroup: 2\n{WEIGHT}", {},
        "A population with composites (<~) cannot have group: or level: blocks; use c(...) for groups.",
    ),
    "composite of a construct": (
        "a =~ .5*x1 + .6*x2; c <~ .5*a + .5*x3; y ~ .3*c", {},
        "Composite 'c' is formed of the construct 'a'; form it of items.",
    ),
    "item of two composites": (
        "c <~ .5*x1 + .5*x2; d <~ .5*x2 + .5*x3; y ~ .3*c + .2*d", {},
        "Item 'x2' belongs to the composite 'c' and to 'd' too.",
    ),
    "no weight": (
        "c <~ .5*x1 + x2; y ~ .3*c", {},
        "The population gives no number for the weight 'c <~ x2'; write it before the variable, such as 'c <~ 0.5*x2'.",
    ),
    "broken equation": (
        "f =~ start(.5)*x1 + .5*x2 + a*.3*x3; f ~~ 1*f; a == .7", {},
        "The population breaks its constraint 'a == .7' by 0.4.",
    ),
    "broken equation of a defined value": (
        "f =~ .5*x1 + a*.5*x2; f ~~ 1*f; c := 2*a; c == 2", {},
        "The population breaks its constraint 'c == 2' by 1.",
    ),
    "moderated outcome": (
        PARTS + "; y =~ 1*x7 + .5*x8; y ~ .3*m + .2*b + .2*m:b", {"standardized": True},
        "The interaction 'm:b' has an outcome among its parts, or three parts, which leaves variances without a simple "
        "form; write the residual variances ('y ~~ 0.5*y') in place of standardized=True.",
    ),
    "skewness that no normal variables give": (
        NEGATIVE, {"skewness": 2, "kurtosis": 6},
        "With such skewness and kurtosis the correlations of 'x1', 'x2', 'x3' have no normal variables behind them; "
        "weaken the skewness or the correlations.",
    ),
    "half a row": (
        TWO, {"cluster_size": 2.5},
        "cluster_size is a whole number of 1 or more, or several, not 2.5.",
    ),
    "no cluster": (
        TWO, {"cluster_size": []},
        "cluster_size is a whole number of 1 or more, or several, not [].",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_population_refused(name):
    text, options, sentence = REFUSED[name]
    with pytest.raises(SpecError) as caught:
        cx.SEM(text).simulate(100, seed=1, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: cx.SEM("f =~ x1 + x2 + x3", ordered=True).power(ONE, 200, replicates=5),
            "Item 'x1', 'x2', 'x3' is ordered but has no thresholds in the population; write 'x1 | 0*t1'.",
        ),
        (
            lambda: cx.SEM("f =~ x1 + x2 + x3 + x4").power(ONE + "; f =~ .5*x4", 4, replicates=5),
            "4 rows for 4 items: the covariance matrix of every replicate would be singular; plan for more rows.",
        ),
        (
            lambda: cx.SEM("f =~ x1 + x2 + x3", ordered=True).power(RARE, 12, replicates=4, seed=1),
            "All 4 replicates with 12 rows failed; use more rows, a simpler model, or look at a single data set from "
            "simulate().",
        ),
    ],
)
def test_study_refused(call, sentence):
    with pytest.raises((SpecError, DataError, EstimationError)) as caught:
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "cov"),
    [
        # start() counts as a number: 1 * 0.5 * 1
        ("f =~ 1*x1 + start(.5)*x2 + .5*x3; f ~~ 1*f", {("x1", "x2"): 0.5, ("x2", "x3"): 0.25}),
        # a shared label takes over the number of its namesake
        ("f =~ 1*x1 + .4*x2 + label(a)*x2 + a*x3; f ~~ 1*f", {("x2", "x3"): 0.16, ("x1", "x3"): 0.4}),
        # items of a composite: cov(x1, y) = 0.4 (0.5 * 1 + 0.5 * 0.3), so that y hangs on the composite only
        ("c <~ .5*x1 + .5*x2; x1 ~~ .3*x2; y ~ .4*c", {("x1", "x2"): 0.3, ("x1", "y"): 0.26, ("x2", "y"): 0.26}),
    ],
)
def test_numbers_of_a_population(text, cov):
    found = cx.SEM(text).simulate(60, seed=1, empirical=True).cov(ddof=0)
    for (a, b), value in cov.items():
        assert found.loc[a, b] == pytest.approx(value, abs=1e-9)


def test_power_of_a_defined_parameter_is_that_of_its_wald_test():
    spec = cx.SEM("f =~ 1*x1 + a*x2 + b*x3; c := a*b")
    n, cut = 200, chi2.ppf(0.95, 1)
    planned = spec.power(ONE, n, method="satorra_saris")
    row = planned.estimates.query("lhs == 'c'").iloc[0]
    # by hand: the delta method in moments that are those of the population
    drawn = cx.SEM(ONE).simulate(1000, seed=1, empirical=True)
    found = spec.fit(drawn).estimates.query("lhs == 'c'").iloc[0]
    ncp = found["z"] ** 2 * n / 1000
    assert row["true"] == pytest.approx(0.25)
    assert row["ncp"] == pytest.approx(ncp, rel=2e-3)
    assert row["power"] == pytest.approx(ncx2.sf(cut, 1, row["ncp"]), abs=1e-9)
    assert (planned.n_obs, len(planned.excluded), planned.failed, planned.warnings) == (n, 0, 0, ())
    assert dict(planned.headline())["Replicates"] == "by computation (Satorra-Saris)"
    wanted = spec.sample_size(ONE).query("lhs == 'c'").iloc[0]
    assert wanted["n"] == np.ceil(wanted["n"])
    assert ncx2.sf(cut, 1, wanted["n"] * row["ncp"] / n) >= 0.8 > ncx2.sf(cut, 1, (wanted["n"] - 1) * row["ncp"] / n)
    assert planned.n_needed(0.8).query("lhs == 'c'")["n"].iloc[0] == wanted["n"]


def test_replicates_without_a_solution_are_counted():
    spec = cx.SEM("f =~ x1 + x2 + x3 + x4")
    study = spec.power(ONE + "; f =~ .5*x4", 12, replicates=12, seed=1)
    lost = study.failed
    assert 0 < lost < 12
    assert study.warnings == (f"{lost} of 12 replicates have no solution and are left out.",)
    assert (study.estimates["failed"] == lost).all()
    assert f"12 replicates of each, {lost} failed, seed 1" in dict(study.headline())["Replicates"]


def test_weights_of_a_composite_can_be_planned_for():
    spec = cx.SEM("c <~ x1 + x2; y ~ c")
    study = spec.power(
        "c <~ .5*x1 + .5*x2; x1 ~~ .3*x2; y ~ .4*c", 150, parameters=["c<~x1", "y~c"], replicates=6, seed=1
    )
    frame = study.estimates
    assert [f"{r.lhs}{r.op}{r.rhs}" for r in frame.itertuples()] == ["c<~x1", "y~c"]
    assert frame["true"].tolist() == pytest.approx([0.5, 0.4])
    assert study.truth.rmsea == 0.0
