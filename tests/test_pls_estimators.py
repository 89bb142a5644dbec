"""GSCA weights and ordinal PLS: by a general optimiser, by known populations, and through every other method."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import cxmodels as cx
from cxmodels.errors import CxError
from cxmodels.pls.gsca import criterion
from tests.path_models import SMALL

# --- GSCA -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", [{}, {"Image": "B"}])
def test_gsca_is_the_minimum_of_its_criterion(mobi, modes):
    """The residuals written out on the rows, minimised by BFGS over the weights, end at the same weights."""
    fit = cx.PLS(SMALL, scheme="gsca", modes=modes, tolerance=1e-12, max_iter=2000).fit(mobi)
    z = ((mobi - mobi.mean()) / mobi.std())[list(fit.item_names)].to_numpy()
    blocks = fit.layout.design.blocks
    homes = {1: [0], 2: [0, 1]}

    def scores(w):
        g = np.column_stack([z[:, b] @ w[b] for b in blocks])
        return g / g.std(axis=0, ddof=1)

    def residuals(w):
        g, total = scores(w), 0.0
        for j, b in enumerate(blocks):
            if j or not modes:
                load = z[:, b].T @ g[:, j] / (g[:, j] @ g[:, j])
                total += ((z[:, b] - np.outer(g[:, j], load)) ** 2).sum()
        for y, x in homes.items():
            beta, *_ = np.linalg.lstsq(g[:, x], g[:, y], rcond=None)
            total += ((g[:, y] - g[:, x] @ beta) ** 2).sum()
        return total / 249

    best = minimize(residuals, np.ones(8), method="BFGS", options={"gtol": 1e-9})
    ours = fit.weights["est"].to_numpy()
    assert residuals(ours) == pytest.approx(best.fun, abs=1e-8)
    np.testing.assert_allclose(np.abs(np.corrcoef(scores(best.x).T, scores(ours).T)[:3, 3:].diagonal()), 1, atol=1e-6)
    s, w = fit.estimate.cov, fit.estimate.weights
    assert criterion(s, w, fit.layout.design)[0] == pytest.approx(residuals(ours))


def test_gsca_goes_through_bootstrap_groups_and_prediction(mobi):
    spec = cx.PLS(SMALL, scheme="gsca")
    fit = spec.fit(mobi)
    rows = np.random.default_rng(1).integers(0, 250, (2, 250))
    boot = fit.bootstrap(indices=rows)
    for line, draw in zip(rows, boot.draws("paths").to_numpy(), strict=True):
        np.testing.assert_allclose(draw, spec.fit(mobi.iloc[line]).paths["est"], atol=1e-7)
    assert fit.groups(np.arange(250) % 2, 30, seed=1).paths["pvalue"].between(0, 1).all()
    assert (fit.predict_oos(5, 1, seed=1).metrics["q2_predict"] > 0).all()


def test_gsca_recovers_composites_and_converges(mobi):
    fit = cx.PLS(cx.acsi.ECSI.syntax, scheme="gsca").fit(mobi)
    assert fit.converged
    np.testing.assert_allclose(fit.scores.std(), 1)
    plain = cx.PLS(cx.acsi.ECSI.syntax).fit(mobi)
    assert np.diag(np.corrcoef(fit.scores.T, plain.scores.T)[:7, 7:]).min() > 0.98


def test_gsca_and_plsc_do_not_mix():
    with pytest.raises(CxError, match="corrects PLS weights"):
        cx.PLS(SMALL, scheme="gsca", consistent=True)


# --- ordinal PLS ------------------------------------------------------------------------------------------------


def population(n, seed, cuts=(-0.6, 0.7)):
    """X -> Y with path .6 between common factors, loadings .8, .7, .75; answers in three categories."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.6 * x + 0.8 * rng.normal(size=n)
    load = (0.8, 0.7, 0.75)
    cont = pd.DataFrame(
        {
            f"{k}{i}": a * v + np.sqrt(1 - a * a) * rng.normal(size=n)
            for k, v in (("x", x), ("y", y))
            for i, a in enumerate(load)
        }
    )
    return cont, cont.apply(lambda c: np.digitize(c, cuts)).astype(float)


TEXT = "X =~ x0 + x1 + x2\nY =~ y0 + y1 + y2\nY ~ X"


def test_ordinal_plsc_recovers_the_factor_population():
    _, cut = population(4000, 1)
    fit = cx.PLS(TEXT, consistent=True).fit(cut).ordinal()
    assert fit.paths["est"][0] == pytest.approx(0.6, abs=0.04)
    np.testing.assert_allclose(fit.loadings["est"], [0.8, 0.7, 0.75] * 2, atol=0.04)


def test_ordinal_pls_is_nearer_to_the_continuous_answers():
    cont, cut = population(1500, 2)
    spec = cx.PLS(TEXT)
    truth, plain = spec.fit(cont), spec.fit(cut)
    ordinal = plain.ordinal()
    for name in ("paths", "loadings"):
        far = np.abs(getattr(plain, name)["est"] - getattr(truth, name)["est"])
        near = np.abs(getattr(ordinal, name)["est"] - getattr(truth, name)["est"])
        assert near.mean() < far.mean() / 2
    np.testing.assert_allclose(ordinal.correlations, cont.corr(), atol=0.07)


def test_an_ordinal_replicate_is_the_fit_of_its_rows():
    _, cut = population(300, 3)
    fit = cx.PLS(TEXT).fit(cut).ordinal()
    boot = fit.bootstrap(6, seed=1)
    assert boot.failed == 0
    rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(0,)))
    rows = np.minimum(np.floor(rng.random(300) * 300), 299).astype(int)
    again = cx.PLS(TEXT).fit(cut.iloc[rows]).ordinal()
    np.testing.assert_allclose(boot.draws("paths").iloc[0], again.paths["est"], atol=1e-6)
    assert "Ordinal" in boot.summary()


def test_weights_are_rows_repeated_and_continuous_items_stay():
    cont, cut = population(300, 4)
    mixed = cut.assign(x0=cont["x0"])
    g = np.tile([1, 2, 1], 100)
    weighted = cx.PLS(TEXT).fit(mixed, weights=g).ordinal()
    repeated = cx.PLS(TEXT).fit(mixed.iloc[np.repeat(np.arange(300), g)]).ordinal()
    assert weighted.ordered == ("x1", "x2", "y0", "y1", "y2")
    np.testing.assert_allclose(weighted.paths["est"], repeated.paths["est"], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "options", "ordered", "words"),
    [
        (SMALL + "Loyalty ~ Image:Satisfaction", {}, None, "without interactions"),
        (SMALL, {"standardize": False}, None, "standardize=True"),
        (SMALL, {}, ["IMAG9"], "'IMAG9' is not an item"),
    ],
)
def test_bad_ordinal_requests_are_named(mobi, text, options, ordered, words):
    with pytest.raises(CxError, match=words):
        cx.PLS(text, **options).fit(mobi).ordinal(ordered)


def test_continuous_items_have_no_categories():
    cont, _ = population(100, 5)
    with pytest.raises(CxError, match="No item has 10 values or fewer"):
        cx.PLS(TEXT).fit(cont).ordinal()
