"""Nearly collinear constructs and hopeless samples: where minima lie, and giving up where there is none.

The mobi model of the ECSI has constructs that correlate .99. What is tested: derivatives in the chart against numerical
ones, that minima found in it are minima by independent optimisation, that batches and single fits end in the same
places, and that what has no minimum is named.
"""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, DataWarning
from cxmodels.sem.batch import fit_many
from cxmodels.sem.bootstrap import RUNS_OFF
from cxmodels.sem.chart import Chart, core_of
from cxmodels.sem.estimate import Data, estimate
from cxmodels.sem.objective import Normal, expand
from cxmodels.sem.optimise import minimise
from cxmodels.sem.samples import Sample

ECSI = "\n".join(
    [f"{c} =~ {' + '.join(items)}" for c, items in cx.acsi.ECSI.measures.items()]
    + [f"{outcome} ~ {predictor}" for predictor, outcome in cx.acsi.ECSI.paths]
)
DEMOCRACY = """
ind60 =~ x1 + x2 + x3; dem60 =~ y1 + y2 + y3 + y4; dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60; dem65 ~ ind60 + dem60; y1 ~~ y5; y2 ~~ y4 + y6; y3 ~~ y7; y4 ~~ y8; y6 ~~ y8
"""


def quietly(action):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return action()


@pytest.fixture(scope="module")
def ecsi():
    return quietly(lambda: cx.SEM(ECSI).fit(cx.datasets.load("mobi")))


@pytest.fixture(scope="module")
def resamples(ecsi):
    """Moments of 24 resamples of the rows."""
    rng = np.random.default_rng(11)
    x = ecsi.estimate.raw.samples[0].x
    drawn = [x[rng.integers(0, len(x), len(x))] for _ in range(24)]
    return np.array([d.mean(axis=0) for d in drawn]), np.array([np.cov(d.T, bias=True) for d in drawn])


@pytest.mark.parametrize(("model", "data"), [(ECSI, "mobi"), (DEMOCRACY, "democracy")])
@pytest.mark.parametrize("means", [False, True])
def test_second_derivatives_in_the_chart(model, data, means):
    e = quietly(lambda: cx.SEM(model, mean_structure=means).fit(cx.datasets.load(data))).estimate
    x = e.x + np.random.default_rng(1).normal(size=len(e.x)) * 0.01
    chart = Chart(e.table, e.blocks, e.base)
    np.testing.assert_allclose(chart.after(x, np.zeros(len(x))), x, atol=1e-11)
    gradient = e.objective.derivatives(x).gradient
    exact = e.objective.hessian(x) - chart.bend(x, gradient)
    for seed in range(3):
        u = np.random.default_rng(seed).normal(size=len(x)) * 1e-3 * np.maximum(np.abs(x), 0.1)
        low, here, high = (e.objective.value(chart.after(x, t * u)) for t in (-1, 0, 1))
        np.testing.assert_allclose(low - 2 * here + high, u @ exact @ u, rtol=3e-3)
        np.testing.assert_allclose((high - low) / 2, gradient @ u, rtol=2e-2, atol=1e-7)


def test_the_chart_moves_covariances_in_straight_lines(ecsi):
    e = ecsi.estimate
    core = core_of(e.table, 0, e.blocks[0])
    chart = Chart(e.table, e.blocks, e.base)
    names = [e.blocks[0].names[k] for k in core.members]
    assert set(names) == set(cx.acsi.ECSI.measures)
    step = np.random.default_rng(3).normal(size=len(e.x)) * 1e-3

    def inner(t):
        from cxmodels.sem.matrices import state

        s = state(e.blocks[0], expand(e.table, e.base, chart.after(e.x, t * step)))
        return s.cov[core.members[core.first], core.members[core.second]]

    np.testing.assert_allclose(inner(2.0) - inner(1.0), inner(1.0) - inner(0.0), atol=1e-10)


def test_minima_of_collinear_models_are_found_and_are_minima(ecsi, resamples):
    """Newton's decrement vanishes, second derivatives are positive definite, and another optimiser cannot improve."""
    e = ecsi.estimate
    n, minima = e.data.n, 0
    for mean, cov in zip(resamples[0][:6], resamples[1][:6], strict=True):
        found = estimate(e.table, Data((Sample(n, mean, cov),)), e.plan)
        if not found.minimum.converged:
            continue
        minima += 1
        scale = 1 / np.sqrt(np.diagonal(found.objective.derivatives(found.x).scoring))
        h = found.objective.hessian(found.x) * np.outer(scale, scale)
        assert np.linalg.eigvalsh(h)[0] > 0
        assert np.abs(found.minimum.gradient * scale).max() < 1e-6
        start = found.x + scale * 1e-3 * np.random.default_rng(0).normal(size=len(found.x))
        other = minimize(
            lambda z, f=found: f.objective.value(z), start, method="BFGS",
            jac=lambda z, f=found: f.objective.derivatives(z).gradient, options={"maxiter": 60},
        )  # fmt: skip
        assert other.fun > found.minimum.value - 1e-9
    assert minima >= 5


def test_batches_end_where_single_fits_end(ecsi, resamples):
    e = ecsi.estimate
    means, covs = resamples
    many = fit_many(e, [means], [covs], [e.data.n])
    assert many.converged.sum() >= 21
    for i in np.flatnonzero(many.converged):
        objective = Normal(e.table, e.blocks, [Sample(e.data.n, means[i], covs[i])], many.base[i])
        again = minimise(objective, many.x[i])
        assert again.converged
        assert again.iterations <= 2
        np.testing.assert_allclose(many.value[i], again.value, rtol=1e-9)
    assert (many.runaway[many.converged] == -1).all()


def test_replicates_lost_to_a_path_are_counted_by_name(ecsi):
    boot = ecsi.bootstrap(120, seed=1)
    assert boot.failed <= 10
    lost = {k: v for k, v in boot.replicates.notes.items() if k.startswith(RUNS_OFF)}
    assert set(lost) == {f"{RUNS_OFF}'{y} ~ {x}'" for x, y in cx.acsi.ECSI.paths}
    assert 0 < sum(lost.values()) <= boot.failed
    worst = max(lost, key=lost.get).removeprefix(RUNS_OFF)
    assert any(f"the path {worst} grows" in w for w in boot.warnings)
    assert f"{boot.failed} of 120 replicates did not converge" in "\n".join(boot.warnings)


def test_replicates_of_a_model_in_groups_with_equal_loadings():
    data = cx.datasets.load("holzinger")
    model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; textual ~ visual"
    res = cx.SEM(model).fit(data, group="school", equal="loadings")
    means, covs = ([getattr(s, k)[None] for s in res.estimate.data.samples] for k in ("mean", "cov"))
    many = fit_many(res.estimate, means, covs, [s.n for s in res.estimate.data.samples])
    assert many.converged.all()
    np.testing.assert_allclose(many.x[0], res.estimate.x, atol=1e-8)
    assert res.bootstrap(30, seed=2).failed == 0


def test_samples_that_are_too_small_end_soon():
    """Few steps, and a minimum or a sentence."""
    data = cx.datasets.load("holzinger")
    model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
    fits, refusals = [], []
    for first, n in ((0, 12), (0, 20), (20, 15), (0, 25)):
        try:
            fits.append(quietly(lambda first=first, n=n: cx.SEM(model).fit(data.iloc[first : first + n])))
        except CxError as problem:
            refusals.append(str(problem))
    assert all("12 rows for 21 parameters are few" in r or "apart" in r for r in refusals)
    assert all(res.estimate.minimum.iterations <= 80 for res in fits)
    assert any(res.converged for res in fits)


# --- numbers that do not exist ----------------------------------------------------------------------------------


def test_uls_of_numerical_items_has_no_p():
    """Its statistic grows with the units of the items, so no distribution is known for it; lavaan 0.6-14 gives NA."""
    holzinger = cx.datasets.load("holzinger")
    items = [f"x{i}" for i in range(1, 7)]
    model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6"
    spec = cx.SEM(model, estimator="ULS")
    res, scaled = spec.fit(holzinger), spec.fit(holzinger.assign(**{i: 10 * holzinger[i] for i in items}))
    assert scaled.fit_measures["chisq"] == pytest.approx(1e4 * res.fit_measures["chisq"], rel=1e-3)
    assert res.fit_measures[["pvalue", "baseline_pvalue"]].isna().all()
    assert "no p: ULS has no chi-square test, use MLR" in res.summary()
    narrow = cx.SEM(model, estimator="ULS", orthogonal=True).fit(holzinger)
    table = cx.compare(res, narrow)
    assert table["chisq_diff"][1] > 0
    assert np.isnan(table["pvalue"][1])


def test_a_defined_parameter_without_a_value_has_no_standard_error():
    spec = cx.SEM("visual =~ x1 + a*x2 + b*x3; none := log(-a); both := a + b")
    row = quietly(lambda: spec.fit(cx.datasets.load("holzinger"))).estimates.set_index("lhs").loc[["none", "both"]]
    assert row.loc["none", ["est", "se", "z", "ci_lower"]].isna().all()
    assert row.loc["both", "se"] > 0


def test_rows_in_the_place_of_the_method_are_refused_in_a_sentence():
    data = cx.datasets.load("holzinger")
    res = cx.SEM("visual =~ x1 + x2 + x3").fit(data)
    for action in (res.scores, res.score_precision):
        with pytest.raises(CxError, match="not of type DataFrame; other rows go into data="):
            action(data.head())


def test_composites_of_few_incomplete_rows_have_their_minimum():
    """Damped steps stop at 1.89 in a long valley; the minimum is where all gradients vanish."""
    rng = np.random.default_rng(1)
    data = cx.datasets.load("mobi").sample(20, random_state=1).astype(float).reset_index(drop=True)
    data = data.mask(rng.random(data.shape) < 0.08)
    model = "Image <~ IMAG1 + IMAG2 + IMAG3; Val <~ PERV1 + PERV2; Sat =~ CUSA1 + CUSA2 + CUSA3; Val ~ Image; Sat ~ Image + Val"
    with pytest.warns(DataWarning, match="20 rows for 29 free parameters"):
        res = cx.SEM(model).fit(data, missing="fiml")
    assert res.converged
    assert res.estimate.minimum.value == pytest.approx(1.23544, abs=1e-5)
    assert np.abs(res.estimate.objective.derivatives(res.estimate.x).gradient).max() < 1e-6


def test_answers_without_unrestricted_moments_are_told():
    rng = np.random.default_rng(1)
    data = cx.datasets.load("mobi").sample(15, random_state=1).astype(float).reset_index(drop=True)
    data = data.mask(rng.random(data.shape) < 0.08)
    model = "Image <~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5; Sat <~ CUSA1 + CUSA2 + CUSA3; Sat ~ Image"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        res = cx.SEM(model).fit(data, missing="fiml")
    assert any("no maximum that could be found" in line for line in res.warnings)
