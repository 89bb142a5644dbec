"""Pictures of path models: axes in, axes out, and every number drawn is one of a frame."""

import numpy as np
import pytest

import cxmodels as cx
from cxmodels.errors import CxError

MODEL = """
Image =~ IMAG1 + IMAG2 + IMAG3
Value =~ PERV1 + PERV2
Quality =~ PERQ1 + PERQ2
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image + Value + Quality
Loyalty ~ Satisfaction + Image
"""


@pytest.fixture(scope="module", autouse=True)
def _headless():
    import matplotlib as mpl

    mpl.use("Agg")


@pytest.fixture(scope="module")
def survey():
    return cx.datasets.survey("mobi")


@pytest.fixture(scope="module")
def fit(survey):
    return cx.PLS(MODEL).fit(survey)


@pytest.fixture(scope="module")
def boot(fit):
    return fit.bootstrap(60, seed=1)


@pytest.fixture(autouse=True)
def _closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def written(ax):
    """All texts of a picture, drawn first."""
    ax.figure.canvas.draw()
    own = [t.get_text() for t in ax.texts] + [t.get_text() for t in ax.get_yticklabels()]
    legend = ax.get_legend()
    return (
        own + [ax.get_title(loc="left"), ax.get_xlabel()] + ([t.get_text() for t in legend.texts] if legend else [])
    )


def test_axes_given_are_the_axes_returned(fit, boot):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(2, 2)
    assert fit.plot(ax=axes[0, 0]) is axes[0, 0]
    assert boot.plot_draws(ax=axes[0, 1]) is axes[0, 1]
    assert fit.plot_ipma("Loyalty", ax=axes[1, 0]) is axes[1, 0]
    assert fit.discriminant(40, seed=1).plot(ax=axes[1, 1]) is axes[1, 1]
    axes[0, 0].figure.canvas.draw()


def test_the_model_shows_every_path_and_dashes_what_may_be_zero(boot):
    ax = boot.plot()
    texts = written(ax)
    for est in boot.paths["est"]:
        assert f"{est:.2f}".replace("-", "−") in texts
    for name, r2 in boot.point.r_squared["r2"].items():
        assert name in texts
        assert f"R² = {r2:.2f}" in texts
    unsure = ((boot.paths["ci_lower"] <= 0) & (boot.paths["ci_upper"] >= 0)).sum()
    dashed = [p for p in ax.patches if type(p).__name__ == "PathPatch" and p.get_linestyle() in ("--", "dashed")]
    assert len(dashed) == unsure


def test_ratios_are_drawn_where_they_are(fit):
    test = fit.discriminant(60, seed=1, thresholds=(0.8, 1.0))
    ax = test.plot()
    dots = [c.get_offsets()[:, 0] for c in ax.collections if type(c).__name__ == "PathCollection"]
    dots = np.sort(np.concatenate(dots))
    np.testing.assert_allclose(dots, np.sort(test.ratios["est"]))
    assert {"0.8", "1"} <= set(written(ax))


def test_map_shows_importance_and_performance(fit):
    ax, frame = fit.plot_ipma("Loyalty"), fit.ipma("Loyalty")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), frame[["importance", "performance"]])
    assert set(frame.index) <= set(written(ax))
    assert "IMAG1" in written(fit.plot_ipma("Loyalty", items=True))


def test_slopes_are_those_of_the_lines(survey):
    fit = cx.PLS(MODEL + "Loyalty ~ Image:Satisfaction").fit(survey)
    ax = fit.plot_slopes("Satisfaction", levels=[-1, 2])
    frame = fit.simple_slopes([-1, 2]).query("predictor == 'Satisfaction'")
    drawn = [np.polyfit(*line.get_data(), 1)[0] for line in ax.lines]
    np.testing.assert_allclose(drawn, frame["est"])
    assert any("Image +2 sd" in t for t in written(ax))
    with_interval = fit.bootstrap(40, seed=1).plot_slopes("Image")
    assert all("[" in t.get_text() for t in with_interval.get_legend().texts)


def test_slopes_of_three_way_and_quadratic_terms(survey):
    three = "Satisfaction ~ Image:Value + Image:Quality + Value:Quality + Image:Value:Quality"
    fit = cx.PLS(MODEL + three).fit(survey)
    ax = fit.plot_slopes("Image")
    frame = fit.simple_slopes().query("predictor == 'Image' and second != '' and level != 0 and second_level != 0")
    np.testing.assert_allclose([np.polyfit(*line.get_data(), 1)[0] for line in ax.lines], frame["est"])
    curve = cx.PLS(MODEL + "Loyalty ~ Image:Image").fit(survey)
    line = curve.plot_slopes("Image").lines[0].get_data()
    b = curve.paths.set_index(["outcome", "predictor"])["est"]["Loyalty"]
    np.testing.assert_allclose(np.polyfit(*line, 2)[:2], [b["Image:Image"], b["Image"]], atol=1e-10)


def test_draws_have_their_estimate_and_interval(boot):
    ax = boot.plot_draws("effects", ("Loyalty", "Image", "total"))
    row = boot.effects.query("outcome == 'Loyalty' and predictor == 'Image' and effect == 'total'").iloc[0]
    at = {round(line.get_xdata()[0], 9) for line in ax.lines}
    assert {round(row[c], 9) for c in ("est", "ci_lower", "ci_upper")} <= at
    assert sum(p.get_height() for p in ax.patches) == 60


@pytest.mark.parametrize("k", [2, 3])
def test_groups_are_drawn_by_row(fit, k):
    groups = fit.groups(np.arange(250) % k, 30, seed=1)
    ax = groups.plot()
    assert "Loyalty ← Image" in written(ax)
    if k == 2:
        dots = ax.collections[-1].get_offsets()[:, 0]
        np.testing.assert_allclose(dots, groups.paths["difference"])
    assert "Image, IMAG1" in written(groups.plot("loadings"))


def test_necessity_shows_ceilings_and_effects(fit):
    nca = fit.nca("Loyalty", 30, seed=1)
    ax = nca.plot("Satisfaction")
    effect = nca.effects.set_index(["condition", "ceiling"]).loc[("Satisfaction", "ce_fdh"), "effect"]
    assert any(f"CE-FDH: d = {effect:.2f}" in t for t in written(ax))
    steps = ax.lines[0].get_data()
    np.testing.assert_allclose(np.column_stack(steps)[:-1], nca.ceilings["Satisfaction"].peers)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, b: f.plot_slopes("Image"), "no interaction"),
        (lambda f, b: f.plot_ipma("Image"), "Nothing leads to 'Image'"),
        (lambda f, b: b.plot_draws("path"), "Did you mean 'paths'"),
        (lambda f, b: b.plot_draws("paths", ("Loyalty", "Imag")), "Did you mean 'Loyalty ~ Image'"),
        (lambda f, b: f.nca("Loyalty", 20, seed=1).plot("Loyalty"), "'Loyalty' does not lead to 'Loyalty'"),
        (lambda f, b: f.groups(np.arange(250) % 2, 20, seed=1).plot("path"), "Did you mean 'paths'"),
    ],
)
def test_bad_requests_are_named(fit, boot, call, words):
    with pytest.raises(CxError, match=words):
        call(fit, boot)
