"""Pictures of covariance-based models: everything estimated is there, nothing overlaps, the numbers are the frames'."""

import re
import warnings
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning, SpecError
from cxmodels.report.sem_diagram import _plan
from cxmodels.report.sem_graph import graph_of, panels
from cxmodels.report.sem_plots import residual_map

CFA = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
DEMOCRACY = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60
dem65 ~ ind60 + dem60
y1 ~~ y5; y2 ~~ y4 + y6; y3 ~~ y7; y4 ~~ y8; y6 ~~ y8
"""
MODELS = {
    "cfa": (CFA, {}),
    "cross": (CFA + "; visual =~ x9; x7 ~~ x8", {}),
    "second order": (CFA + "; g =~ visual + textual + speed", {}),
    "bifactor": ("g =~ x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9; " + CFA, {"orthogonal": True, "std_lv": True}),
    "mimic": (CFA + "; visual + speed ~ ageyr + sex; x4 ~ sex", {}),
    "observed": ("x4 ~ x1 + x2; x7 ~ x4 + x1", {}),
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def agg():
    mpl.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def fitted(model, data="holzinger", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return cx.SEM(model, **options).fit(cx.datasets.load(data))


@pytest.fixture(scope="module")
def results():
    out = {name: fitted(model, **options) for name, (model, options) in MODELS.items()}
    out["democracy"] = fitted(DEMOCRACY, "democracy")
    out["ecsi"] = fitted(cx.acsi.ECSI.syntax, "mobi")
    out["composite"] = fitted(
        "Image <~ IMAG1 + IMAG4 + IMAG5\nSatisfaction =~ CUSA1 + CUSA2 + CUSA3\nSatisfaction ~ Image", "mobi"
    )
    return out


NAMES = [*MODELS, "democracy", "ecsi", "composite"]


def tips(svg):
    return [e.text for e in ET.fromstring(svg).iter(f"{SVG}title")]


@pytest.mark.parametrize("name", NAMES)
def test_every_arrow_and_covariance_is_drawn_once_with_its_number(results, name):
    res = results[name]
    f = res.estimates
    formed = set(f.loc[f["op"] == "<~", "lhs"])
    wanted = []
    for r in f.itertuples():
        number = f"{r.std_all:.2f}".replace("-", "−").replace("−0.00", "0.00")
        if (r.op == "=~" and r.lhs not in formed) or r.op == "<~":
            wanted.append(f"{r.lhs} → {r.rhs}: {number}")
        elif r.op == "~":
            wanted.append(f"{r.rhs} → {r.lhs}: {number}")
        elif r.op == "~~" and r.lhs != r.rhs and r.se > 0:
            wanted.append(f"{r.lhs} ↔ {r.rhs}: {number}")
    shown = [t for t in tips(res.diagram()) if "→" in t or "↔" in t]
    if name == "composite":  # what is left of its items covaries in ways that only serve the computation
        wanted = [w for w in wanted if "↔" not in w]
        shown = [s for s in shown if "↔" not in s]
    assert sorted(shown) == sorted(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_and_all_lies_inside(results, name):
    res = results[name]
    (title, frame) = panels(res)[0]
    graph = graph_of(frame, title, {}, "std_all", 0.05, {})
    plan = _plan(graph)
    rects = [*plan.boxes.values(), *plan.items.values()]
    assert not [(a, b) for a, b in combinations(rects, 2) if a.overlaps(b)]
    root = ET.fromstring(res.diagram())
    width, height = map(float, root.get("viewBox").split()[2:])
    for path in root.iter(f"{SVG}path"):
        numbers = np.array(re.findall(r"-?\d+\.\d", path.get("d")), dtype=float).reshape(-1, 2)
        assert (numbers >= -0.5).all()
        assert (numbers <= (width + 0.5, height + 0.5)).all()


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_dashed_where_the_pvalue_is_not_small(results, name):
    res = results[name]
    (title, frame) = panels(res)[0]
    graph = graph_of(frame, title, {}, "std_all", 0.05, {})
    links = [*graph.paths, *graph.across, *graph.covariances, *(i for n in graph.nodes.values() for i in n.items)]
    lookup = {}
    for r in frame.itertuples():
        ends = (r.rhs, r.lhs) if r.op == "~" else (r.lhs, r.rhs)
        lookup[ends, r.op == "~~"] = bool(r.se > 0 and r.pvalue >= 0.05)
    for link in links:
        both = link in graph.covariances
        if name != "composite":
            assert link.dashed == lookup[(link.start, link.end), both]
    drawn = len(re.findall("stroke-dasharray", res.diagram()))
    assert drawn == sum(link.dashed for link in links)


def test_shapes_say_what_a_variable_is(results):
    shapes = {
        name: [e.tag.removeprefix(SVG) for e in ET.fromstring(results[name].diagram()).iter()] for name in NAMES
    }
    assert shapes["cfa"].count("ellipse") == 3
    assert shapes["bifactor"].count("ellipse") == 4
    assert shapes["observed"].count("ellipse") == 0
    assert shapes["composite"].count("polygon") == 1
    assert shapes["composite"].count("ellipse") == 1
    assert "hexagon: composite" in results["composite"].diagram()


def test_a_product_of_constructs_without_items_is_a_construct():
    model = "v =~ x1 + x2 + x3; t =~ x4 + x5 + x6; s =~ x7 + x8 + x9; s ~ v + t + v:t + ageyr"
    data = cx.datasets.load("holzinger")
    latent = cx.SEM("v =~ x1 + x2 + x3; t =~ x4 + x5 + x6; t ~ v + v:v", interaction="lms").fit(data)
    assert latent.diagram().count("<ellipse") == 3
    products = cx.SEM(model).fit(data)
    assert products.diagram().count("<ellipse") == 4


def test_general_factor_reaches_the_items_of_the_others(results):
    (title, frame) = panels(results["bifactor"])[0]
    graph = graph_of(frame, title, {}, "std_all", 0.05, {})
    assert len(graph.across) == 9
    assert {x.start for x in graph.across} == {"g"}
    assert graph.nodes["g"].items == ()


def test_which_numbers_are_shown(results):
    res = results["democracy"]
    row = res.estimates.query("lhs == 'dem60' and op == '~'").iloc[0]
    for which in ("est", "std_lv", "std_all"):
        assert f"ind60 → dem60: {row[which]:.2f}" in tips(res.diagram(which=which))
    assert "Unstandardised estimates" in res.diagram(which="est")


def test_groups_stand_below_one_another_or_alone():
    res = cx.SEM(CFA).fit(cx.datasets.load("holzinger"), group="school")
    both = res.diagram()
    one = res.diagram(group="Grant-White")
    assert "Pasteur" in both
    assert "Grant-White" in both
    assert "Pasteur" not in one
    own = res.estimates.query("lhs == 'speed' and rhs == 'x8' and group == 'Grant-White'")["std_all"].iloc[0]
    assert f"speed → x8: {own:.2f}" in tips(one)
    assert len(tips(both)) > len(tips(one))
    with pytest.raises(SpecError, match="no group 'Pasteurr'; groups are 'Pasteur', 'Grant-White'"):
        res.diagram(group="Pasteurr")


def test_r_squared_is_that_of_the_result(results):
    texts = [e.text for e in ET.fromstring(results["democracy"].diagram()).iter(f"{SVG}text")]
    r2 = results["democracy"].r_squared.set_index("name")["r2"]
    assert f"R² {r2['dem60']:.2f}" in texts
    assert f"R² {r2['dem65']:.2f}" in texts


def test_picture_is_the_same_text_each_time_and_shows_in_a_notebook(results, tmp_path):
    res = results["democracy"]
    assert res.diagram() == res.diagram()
    assert res.diagram()._repr_svg_() == str(res.diagram())
    assert "<svg" in res._repr_html_()
    path = res.diagram().write(tmp_path / "d.svg")
    assert path.read_text(encoding="utf-8") == res.diagram()
    with pytest.raises(SpecError, match=r"written as .svg, not '.png'"):
        res.diagram().write(tmp_path / "d.png")


def test_labels_are_escaped_and_items_can_be_left_out(results):
    svg = results["cfa"].diagram(labels={"x1": "<script>", "visual": "Größe & Form"})
    ET.fromstring(svg)
    assert "<script" not in svg
    assert "Größe &amp; Form" in svg
    bare = results["democracy"].diagram(items=False)
    assert not [t for t in tips(bare) if "y1" in t]
    assert "ind60 → dem60: 0.45" in tips(bare)


def test_a_bootstrap_is_drawn_with_its_own_pvalues(results):
    boot = results["democracy"].bootstrap(40, seed=1)
    svg = boot.diagram()
    unsure = boot.estimates.query("op in ('=~', '~', '~~') and se > 0 and lhs != rhs and not pvalue < 0.05")
    assert len(re.findall("stroke-dasharray", svg)) == len(unsure)


def test_text_forms_have_every_arrow(results):
    mermaid, dot = results["democracy"].to_mermaid(), results["democracy"].to_dot()
    assert mermaid.startswith("flowchart LR")
    assert len(re.findall(r"-->|-\.->", mermaid)) == 11 + 3
    assert dot.count("->") == 11 + 3
    pls = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.load("mobi"))
    assert pls.to_mermaid().count("-->") == 12
    assert pls.diagram().startswith("<svg")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: r.diagram(which="std"), "Did you mean 'std_lv'|which is 'std_all'"),
        (lambda r: r.diagram(colour="red"), "The picture has no option 'colour'"),
        (lambda r: r.plot("~"), "no paths to draw"),
        (lambda r: r.plot("~1"), "op is '=~', '~', '~~', '<~', not '~1'"),
        (lambda r: r.plot(level=95), "confidence level"),
        (lambda r: r.plot_modification(0), "top is a whole number"),
        (lambda r: r.plot_residuals("x"), "There is no group 'x'"),
    ],
)
def test_a_wrong_call_is_one_sentence(results, call, said):
    with pytest.raises(SpecError, match=said) as caught:
        call(results["cfa"])
    assert "\n" not in str(caught.value)


def test_only_models_with_paths_have_a_diagram():
    drivers = cx.Drivers("CUSA1", ["IMAG1", "IMAG4"]).fit(cx.datasets.load("mobi"))
    with pytest.raises(SpecError, match="A DriverResult has no path diagram"):
        drivers.diagram()


# --- matplotlib ---------------------------------------------------------------------------------------------------


def test_residual_plot_holds_the_residual_correlations(results):
    import matplotlib.pyplot as plt

    res = results["cfa"]
    _, ax = plt.subplots()
    assert res.plot_residuals(ax=ax) is ax
    residuals = res.residuals("cor")
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in ax.texts}
    assert len(texts) == 36
    for (i, j), text in texts.items():
        value = float(text.get_text().replace("−", "-"))
        assert value == pytest.approx(residuals.iloc[i, j], abs=0.0051)
        assert (text.get_fontweight() == "bold") == (abs(residuals.iloc[i, j]) >= 0.1)
    assert [t.get_text() for t in ax.get_xticklabels()] == list(residuals.columns)
    svg = residual_map(res)
    cells = [t for t in tips(svg) if re.fullmatch(r"x\d, x\d: .*", t)]
    assert len(cells) == 36
    assert f"x9, x1: {residuals.loc['x9', 'x1']:.3f}" in cells


def test_modification_plot_holds_the_largest_indices(results):
    ax = results["cfa"].plot_modification(5)
    wanted = results["cfa"].modification_indices().head(5)
    np.testing.assert_allclose([p.get_width() for p in ax.patches][::-1], wanted["mi"])
    assert [t.get_text() for t in ax.get_yticklabels()][::-1][0] == "visual =~ x9"


@pytest.mark.parametrize(
    ("name", "op", "count"), [("cfa", "=~", 9), ("cfa", "~~", 3), ("democracy", "~", 3), ("democracy", "~~", 6)]
)
def test_estimate_plot_holds_estimates_and_intervals(results, name, op, count):
    res = results[name]
    ax = res.plot(op)
    points = np.asarray(ax.collections[1].get_offsets())
    frame = res.standardized.query("op == @op and lhs != rhs and (std_all_se > 0 or op != '~~')")
    assert len(points) == len(frame) == count
    np.testing.assert_allclose(points[:, 0], frame["std_all"])
    ends = np.array([s[:, 0] for s in ax.collections[0].get_segments()])
    np.testing.assert_allclose(np.ptp(ends, axis=1) / 2, 1.959964 * frame["std_all_se"], rtol=1e-5)
