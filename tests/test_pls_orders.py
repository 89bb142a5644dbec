"""Higher-order constructs in three ways and three-way interactions: by hand, by known truth, and as refits of rows."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, SpecWarning

MEASURES = """
Image =~ IMAG1 + IMAG2 + IMAG3
Value =~ PERV1 + PERV2
Quality =~ PERQ1 + PERQ2 + PERQ3
Expectation =~ CUEX1 + CUEX2 + CUEX3
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
"""
HIGHER = MEASURES + """
Perception {} Value + Quality
Perception ~ Expectation + Image
Satisfaction ~ Perception + Image
Loyalty ~ Satisfaction + Perception
"""  # fmt: skip
THREE = """
Image =~ IMAG1 + IMAG2 + IMAG3
Value =~ PERV1 + PERV2
Quality =~ PERQ1 + PERQ2
Loyalty =~ CUSL1 + CUSL3
Loyalty ~ Image + Value + Quality + Image:Value + Image:Quality + Value:Quality + Image:Value:Quality
"""
WAYS = ("two_stage", "embedded_two_stage", "repeated_indicators")


@pytest.fixture(scope="module")
def mobi():
    return cx.datasets.load("mobi").astype(float)


def doubled(mobi):
    """The items of the dimensions once more, under other names."""
    items = ["PERV1", "PERV2", "PERQ1", "PERQ2", "PERQ3"]
    return mobi.assign(**{f"again_{i}": mobi[i] for i in items}), " + ".join(f"again_{i}" for i in items)


def by_hand(formed):
    """The model of repeated indicators without any higher-order construct."""
    echo = (
        "Perception ~ Value + Quality\nValue + Quality ~ Expectation + Image"
        if formed
        else "Value + Quality ~ Perception"
    )
    body = HIGHER.replace("Perception {} Value + Quality\n", "")
    return body + echo


# --- higher-order constructs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("formed", [False, True])
def test_repeated_indicators_are_the_model_with_items_written_twice(mobi, formed):
    data, again = doubled(mobi)
    modes = {"Perception": "B"} if formed else {}
    with pytest.warns(SpecWarning, match="read the total effects") if formed else _Nothing():
        spec = cx.PLS(HIGHER.format("=~"), higher_order="repeated_indicators", modes=modes)
    fit = spec.fit(mobi)
    plain = cx.PLS(by_hand(formed) + f"\nPerception =~ {again}", modes=modes).fit(data)
    paths = fit.paths.set_index(["outcome", "predictor"])["est"]
    np.testing.assert_allclose(paths, plain.paths.set_index(["outcome", "predictor"])["est"][paths.index], atol=1e-9)
    loads = plain.loadings.assign(item=plain.loadings["item"].str.replace("again_", ""))
    ours = fit.loadings.set_index(["construct", "item"])["est"]
    np.testing.assert_allclose(ours, loads.set_index(["construct", "item"])["est"][ours.index], atol=1e-9)
    np.testing.assert_allclose(fit.scores, plain.scores[fit.scores.columns], atol=1e-8)
    assert np.isnan(fit.htmt.loc["Perception", ["Value", "Quality"]]).all()


def test_total_effects_on_a_formed_construct_are_its_regression_on_the_predictors(mobi):
    """The remedy for a construct that its dimensions explain wholly (Becker et al. 2023)."""
    with pytest.warns(SpecWarning, match="'Perception' under repeated indicators.*'Image', 'Expectation'"):
        fit = cx.PLS(HIGHER.format("<~"), higher_order="repeated_indicators").fit(mobi)
    s = fit.scores
    expected = np.linalg.lstsq(s[["Expectation", "Image"]], s["Perception"], rcond=None)[0]
    total = fit.effects.set_index(["outcome", "predictor"])["total"]["Perception"]
    np.testing.assert_allclose(total[["Expectation", "Image"]], expected, atol=1e-8)
    assert fit.r_squared.loc["Perception", "r2"] > 0.98
    direct = fit.paths.set_index(["outcome", "predictor"])["est"]["Perception"]
    assert direct[["Expectation", "Image"]].abs().max() < 0.1
    disjoint = cx.PLS(HIGHER.format("<~")).fit(mobi).paths.set_index(["outcome", "predictor"])["est"]["Perception"]
    np.testing.assert_allclose(total[disjoint.index], disjoint, atol=0.03)


@pytest.mark.parametrize(("operator", "modes"), [("=~", {}), ("<~", {"Perception": "B"})])
def test_embedded_stages_by_hand(mobi, operator, modes):
    """Stage one: repeated indicators; stage two: its scores, one for each construct and those of the dimensions."""
    fit = cx.PLS(HIGHER.format(operator), higher_order="embedded_two_stage", modes=modes).fit(mobi)
    with pytest.warns(SpecWarning) if modes else _Nothing():
        first = cx.PLS(HIGHER.format(operator), higher_order="repeated_indicators", modes=modes).fit(mobi)
    kept = [c for c in first.scores if c != "Perception"]
    scores = first.scores[kept].rename(columns="{}_s".format)
    text = "\n".join(f"{c} =~ {c}_s" for c in kept if c not in ("Value", "Quality"))
    text += "\nPerception =~ Value_s + Quality_s\n" + HIGHER[HIGHER.index("Perception ~") :]
    second = cx.PLS(text, modes=modes).fit(scores)
    np.testing.assert_allclose(fit.paths["est"], second.paths["est"], atol=1e-9)
    np.testing.assert_allclose(fit.scores, second.scores[fit.scores.columns], atol=1e-8)
    ours, theirs = (f.weights.set_index(["construct", "item"])["est"] for f in (fit, second))
    np.testing.assert_allclose(ours["Perception"], theirs["Perception"], atol=1e-9)
    own = first.weights.set_index(["construct", "item"])["est"]
    np.testing.assert_allclose(ours["Satisfaction"], own["Satisfaction"], atol=1e-9)


@pytest.mark.parametrize("order", WAYS[1:])
@pytest.mark.parametrize("extra", ["", "Loyalty ~ Perception:Satisfaction"])
def test_a_replicate_is_the_model_refitted_to_its_rows(mobi, order, extra):
    rows = np.random.default_rng(5).integers(0, 250, size=(3, 250))
    spec = cx.PLS(HIGHER.format("=~") + extra, higher_order=order, tolerance=1e-12)
    boot = spec.fit(mobi).bootstrap(indices=rows)
    for name in ("paths", "weights", "loadings", "r_squared"):
        draws = boot.draws(name)
        for i, line in enumerate(rows):
            frame = getattr(spec.fit(mobi.iloc[line].reset_index(drop=True)), name)
            np.testing.assert_allclose(draws.iloc[i], frame.get("est", frame).to_numpy().ravel(), atol=2e-8)


def test_three_ways_agree_where_dimensions_reflect_their_construct():
    """A population of two orders with true paths .5 and .6: all three come near, as none corrects for attenuation."""
    rng = np.random.default_rng(3)
    n = 4000
    x = rng.normal(size=n)
    g = 0.5 * x + np.sqrt(0.75) * rng.normal(size=n)
    y = 0.6 * g + 0.8 * rng.normal(size=n)
    data = {f"x{i}": x + 0.2 * rng.normal(size=n) for i in range(2)} | {
        f"y{i}": y + 0.2 * rng.normal(size=n) for i in range(2)
    }
    for d in "abc":
        part = 0.97 * g + np.sqrt(1 - 0.97**2) * rng.normal(size=n)
        data |= {f"{d}{i}": part + 0.2 * rng.normal(size=n) for i in range(3)}
    text = "X =~ x0 + x1\nY =~ y0 + y1\n" + "\n".join(f"{d.upper()} =~ {d}0 + {d}1 + {d}2" for d in "abc")
    text += "\nG =~ A + B + C\nG ~ X\nY ~ G"
    for order in WAYS:
        paths = (
            cx.PLS(text, higher_order=order).fit(pd.DataFrame(data)).paths.set_index(["outcome", "predictor"])["est"]
        )
        assert paths["G", "X"] == pytest.approx(0.5, abs=0.04)
        assert paths["Y", "G"] == pytest.approx(0.6, abs=0.04)


def test_a_composite_of_factors_is_consistent():
    """Dimensions measured with error form a composite; only corrected correlations give its true paths."""
    rng = np.random.default_rng(8)
    n = 40_000
    a, b = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], n).T
    g = (0.7 * a + 0.5 * b) / np.sqrt(0.49 + 0.25 + 2 * 0.3 * 0.35)
    y = 0.6 * g + 0.8 * rng.normal(size=n)
    z = 0.5 * y + np.sqrt(0.75) * rng.normal(size=n)
    data = pd.DataFrame(
        {f"{k}{i}": 0.7 * v + np.sqrt(0.51) * rng.normal(size=n) for k, v in zip("abyz", (a, b, y, z), strict=True) for i in range(3)}
    )  # fmt: skip
    text = "\n".join(f"{k.upper()} =~ {k}0 + {k}1 + {k}2" for k in "abyz") + "\nG <~ A + B\nY ~ G\nZ ~ Y"
    for order in WAYS[:2]:
        spec = cx.PLS(text, modes={"G": "B"}, consistent=True, higher_order=order)
        paths = spec.fit(data).paths["est"]
        np.testing.assert_allclose(paths, [0.6, 0.5], atol=0.02)
        weights = spec.fit(data).weights.set_index(["construct", "item"])["est"]["G"]
        assert weights["A"] / weights["B"] == pytest.approx(7 / 5, rel=0.08)
        assert spec.fit(data).scores["G"].std() == pytest.approx(1)
    plain = cx.PLS(text, modes={"G": "B"}).fit(data).paths["est"]
    assert plain[0] < 0.5  # attenuated


# --- three-way interactions -------------------------------------------------------------------------------------


def test_three_way_terms_are_the_regression_on_products_of_scores(mobi):
    fit = cx.PLS(THREE, tolerance=1e-12).fit(mobi)
    linear = cx.PLS(THREE[: THREE.index(" + Image:Value")], tolerance=1e-12).fit(mobi).scores
    s = fit.scores
    columns = [
        linear[list(name.split(":"))].prod(axis=1) if ":" in name else s[name] for name in fit.paths["predictor"]
    ]
    x = np.column_stack([c - c.mean() for c in columns])
    expected = np.linalg.lstsq(x, s["Loyalty"], rcond=None)[0]
    np.testing.assert_allclose(fit.paths["est"], expected, atol=1e-8)
    np.testing.assert_allclose(s["Image:Value:Quality"], columns[-1] - columns[-1].mean(), atol=1e-8)


@pytest.mark.parametrize("interaction", ["product_indicator", "orthogonal"])
def test_three_way_product_indicators_by_hand(mobi, interaction):
    fit = cx.PLS(THREE, interaction=interaction, tolerance=1e-12).fit(mobi)
    blocks = {"Image": ["IMAG1", "IMAG2", "IMAG3"], "Value": ["PERV1", "PERV2"], "Quality": ["PERQ1", "PERQ2"]}
    data, lines = mobi.copy(), [line for line in THREE.splitlines() if "=~" in line]
    c = mobi - mobi.mean()
    for term in [p for p in fit.paths["predictor"] if ":" in p]:
        parts = term.split(":")
        names = []
        for cell in product(*(blocks[p] for p in parts)):
            column = c[list(cell)].prod(axis=1)
            if interaction == "orthogonal":
                items = [i for p in parts for i in blocks[p]]
                pairs = [
                    (i, k)
                    for p in range(3)
                    for q in range(p)
                    if len(parts) == 3
                    for i in blocks[parts[p]]
                    for k in blocks[parts[q]]
                ]
                x = np.column_stack([np.ones(250), c[items], *(c[i] * c[k] for i, k in pairs)])
                column = column - x @ np.linalg.lstsq(x, column, rcond=None)[0]
            names.append("_".join(cell))
            data[names[-1]] = column
        lines.append(f"{'x'.join(parts)} =~ {' + '.join(names)}")
    lines.append("Loyalty ~ " + " + ".join(p.replace(":", "x") for p in fit.paths["predictor"]))
    with pytest.warns(cx.CxWarning):
        plain = cx.PLS("\n".join(lines), tolerance=1e-12).fit(data)
    np.testing.assert_allclose(fit.paths["est"].abs(), plain.paths["est"].abs(), atol=1e-8)
    assert fit.r_squared.iloc[0, 0] == pytest.approx(plain.r_squared.iloc[0, 0], abs=1e-9)


@pytest.mark.parametrize("interaction", ["two_stage", "product_indicator", "orthogonal"])
def test_three_way_replicates_are_refits(mobi, interaction):
    rows = np.random.default_rng(2).integers(0, 250, size=(2, 250))
    spec = cx.PLS(THREE, interaction=interaction, tolerance=1e-12)
    draws = spec.fit(mobi).bootstrap(indices=rows).draws("paths")
    for i, line in enumerate(rows):
        np.testing.assert_allclose(draws.iloc[i].abs(), spec.fit(mobi.iloc[line]).paths["est"].abs(), atol=2e-8)


def test_slopes_of_a_three_way_interaction(mobi):
    fit = cx.PLS(THREE).fit(mobi)
    b = fit.paths.set_index("predictor")["est"]
    slopes = fit.simple_slopes([-1.0, 2.0]).set_index(["predictor", "moderator", "level", "second", "second_level"])[
        "est"
    ]
    expected = b["Image"] + 2 * b["Image:Value"] - b["Image:Quality"] - 2 * b["Image:Value:Quality"]
    assert slopes["Image", "Value", 2.0, "Quality", -1.0] == pytest.approx(expected)
    pair = fit.simple_slopes([1.0]).query("predictor == 'Quality' and moderator == 'Value' and second == ''")
    assert pair["est"].item() == pytest.approx(b["Quality"] + b["Value:Quality"])
    boot = fit.bootstrap(50, seed=1)
    assert boot.simple_slopes([1.0])["ci_lower"].notna().all()


def test_a_known_three_way_interaction_is_recovered():
    rng = np.random.default_rng(4)
    n = 20_000
    x, m, w = rng.normal(size=(3, n))
    y = 0.4 * x + 0.3 * m + 0.2 * w + 0.2 * x * m + 0.15 * x * m * w + 0.6 * rng.normal(size=n)
    data = {
        f"{k}{i}": v + 0.1 * rng.normal(size=n) for k, v in (("x", x), ("m", m), ("w", w), ("y", y)) for i in range(3)
    }
    text = (
        "\n".join(f"{k.upper()} =~ {k}0 + {k}1 + {k}2" for k in "xmwy") + "\nY ~ X + M + W + X:M + X:W + M:W + X:M:W"
    )
    paths = cx.PLS(text).fit(pd.DataFrame(data)).paths["est"] * y.std()
    np.testing.assert_allclose(paths, [0.4, 0.3, 0.2, 0.2, 0, 0, 0.15], atol=0.02)


def test_consistent_models_say_that_products_are_not_corrected(mobi):
    with pytest.warns(SpecWarning, match="does not correct the products 'Image:Value'"):
        cx.PLS(
            "Image =~ IMAG1 + IMAG2\nValue =~ PERV1 + PERV2\nLoyalty =~ CUSL1 + CUSL3\nLoyalty ~ Image + Value + Image:Value",
            consistent=True,
        )


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (THREE.replace(" + Value:Quality +", " +"), {}, "needs the lower-order terms too; add 'Value:Quality' to the equation"),
        (HIGHER.format("=~"), {"higher_order": "repeated_indicators", "consistent": True}, "share items under repeated"),
        (HIGHER.format("=~"), {"higher_order": "embedded"}, "Did you mean 'embedded_two_stage'"),
        (HIGHER.format("=~") + "Loyalty ~ Value", {}, "'Value' is a dimension of 'Perception' and has paths of its own"),
        (HIGHER.format("=~") + "Loyalty ~ Image + Image:Value", {}, "'Value' is a dimension of 'Perception' and has paths"),
        (HIGHER.format("=~") + "Other =~ Quality + More\nMore =~ PERQ4\nLoyalty ~ Other", {}, "'Quality' is a dimension of both"),
    ],
)  # fmt: skip
def test_bad_orders_and_terms_are_named(text, options, words):
    with pytest.raises(CxError, match=words):
        cx.PLS(text, **options)


class _Nothing:
    """No warning is expected."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False
