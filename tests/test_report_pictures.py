"""Pictures of the report: the layout as numbers, the drawing as XML, the text forms as text."""

import re
import subprocess
import sys
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from cxmodels.errors import DataError, SpecError
from cxmodels.report import charts
from cxmodels.report.diagram import layout_paths, path_diagram, to_dot, to_mermaid
from cxmodels.report.geometry import Rect
from cxmodels.report.layout import arrange
from cxmodels.report.lettering import clip, text_width, wrap
from cxmodels.report.svg import number, ticks

SVG = "{http://www.w3.org/2000/svg}"
NAN = float("nan")

# ECSI on the mobile-phone survey: seminr 2.3.1 (tests/reference/pls), rounded; intervals of its 1,000 bootstrap replicates.
ECSI = pd.DataFrame(
    [
        ("Expectation", "Image", 0.5049, 0.4062, 0.6224),
        ("Satisfaction", "Image", 0.1787, 0.0835, 0.2972),
        ("Loyalty", "Image", 0.1958, 0.0510, 0.3540),
        ("Quality", "Expectation", 0.5567, 0.4602, 0.6601),
        ("Value", "Expectation", 0.0500, -0.0922, 0.2196),
        ("Satisfaction", "Expectation", 0.0625, -0.0353, 0.1638),
        ("Value", "Quality", 0.5583, 0.3816, 0.7135),
        ("Satisfaction", "Quality", 0.5120, 0.3706, 0.6310),
        ("Satisfaction", "Value", 0.1948, 0.0821, 0.3140),
        ("Complaints", "Satisfaction", 0.5281, 0.4198, 0.6280),
        ("Loyalty", "Satisfaction", 0.4855, 0.3215, 0.6354),
        ("Loyalty", "Complaints", 0.0669, -0.0436, 0.1911),
    ],
    columns=["outcome", "predictor", "est", "ci_lower", "ci_upper"],
)
INDEX = {
    "Image": 73.53, "Expectation": 72.47, "Quality": 74.98, "Value": 62.35, "Satisfaction": 72.45,
    "Complaints": 67.42, "Loyalty": 70.91,
}  # fmt: skip
CONSTRUCTS = list(INDEX)
R2 = pd.DataFrame(
    {"r2": [0.255, 0.310, 0.345, 0.681, 0.279, 0.457]},
    index=["Expectation", "Quality", "Value", "Satisfaction", "Complaints", "Loyalty"],
)
LOADINGS = pd.DataFrame(
    {"construct": ["Value", "Value", "Complaints"], "item": ["PERV1", "PERV2", "CUSCO"], "est": [0.902, 0.94, 1.0]}
)
HOSTILE = '<script>alert("x")</script> & \x00\x1b]]>'


def model(text):
    """Paths from 'A->B,C; B->C', with coefficients of both signs."""
    pairs = [
        (end.strip(), part.split("->")[0].strip())
        for part in text.split(";")
        for end in part.split("->")[1].split(",")
    ]
    est = [0.5, -0.2, 0.05, 0.3][: len(pairs)] * len(pairs)
    return pd.DataFrame(pairs, columns=["outcome", "predictor"]).assign(est=est[: len(pairs)])


ACSI = model("EXP->QUAL,VAL,SAT; QUAL->VAL,SAT; VAL->SAT; SAT->COMP,LOY; COMP->LOY")
TWELVE = model(
    "C1->C5,C6;C2->C5,C6,C7;C3->C7,C8;C4->C8,C12;C5->C9;C6->C9,C10;C7->C9,C10;C8->C10;C9->C11,C12;C10->C11,C12;C11->C12"
)
CHAIN = model("C1->C2,C3;C2->C3,C5;C3->C4;C4->C5,C9;C5->C6;C6->C7;C7->C8,C12;C8->C9;C9->C10;C10->C11;C11->C12")
CYCLE = model("A->B;B->A,C;C->D;D->E,B;E->F")
STAR = model(";".join(f"D{i}->Y" for i in range(11)))
COMPLETE = model(";".join(f"C{i}->" + ",".join(f"C{j}" for j in range(i + 1, 8)) for i in range(1, 7)))


MODELS = {
    "ecsi": ECSI,
    "acsi": ACSI,
    "twelve": TWELVE,
    "chain": CHAIN,
    "cycle": CYCLE,
    "star": STAR,
    "complete": COMPLETE,
}


@cache
def plan_of(name):
    paths = MODELS[name]
    return layout_paths(list(dict.fromkeys([*paths["predictor"], *paths["outcome"]])), paths)


def parse(svg):
    assert not re.search(r"\b(?i:nan|inf|nat)\b|\bNone\b|<NA>", svg)
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("width") == "100%"
    assert [child.tag for child in root[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text
    assert root[1].text
    assert root.get("aria-labelledby").split() == [root[0].get("id"), root[1].get("id")]
    assert not list(root.iter(f"{SVG}script"))
    left, top, width, height = map(float, root.get("viewBox").split())
    for text in root.iter(f"{SVG}text"):
        assert left <= float(text.get("x")) <= width
        assert top <= float(text.get("y")) <= height
    return root


def texts(svg):
    return [t.text for t in parse(svg).iter(f"{SVG}text")]


# -- layout -------------------------------------------------------------------------------------------------------


def crosses(points, rect):
    inside = (
        (points[:, 0] > rect.x) & (points[:, 0] < rect.right) & (points[:, 1] > rect.y) & (points[:, 1] < rect.bottom)
    )
    return bool(inside.any())


def check_boxes_and_arrows(plan, below=None):
    full = {n: Rect(r.x, r.y, r.w, r.h + (below or {}).get(n, 0)) for n, r in plan.boxes.items()}
    names = list(full)
    for i, a in enumerate(names):
        assert full[a].x >= 0
        assert full[a].y >= 0
        assert full[a].right <= plan.width
        assert full[a].bottom <= plan.height
        for b in names[i + 1 :]:
            assert not full[a].overlaps(full[b], 10), (a, b)
    for edge in plan.edges:
        points = edge.points(60)
        for name, rect in full.items():
            if name not in (edge.start, edge.end):
                assert not crosses(points, rect), (edge.start, edge.end, name)
        start, end = plan.boxes[edge.start], plan.boxes[edge.end]
        assert start.overlaps(Rect(*points[0], 0, 0), 0.01)
        assert end.overlaps(Rect(*edge.tip(), 0, 0), 0.01)
        assert not crosses(points[:-1], end)


@pytest.mark.parametrize("name", MODELS)
def test_boxes_keep_apart_and_arrows_run_round_them(name):
    check_boxes_and_arrows(plan_of(name))


@pytest.mark.parametrize("name", ["ecsi", "acsi", "chain", "twelve"])
def test_labels_meet_neither_boxes_nor_labels_nor_other_arrows(name):
    plan = plan_of(name)
    spots = [e.label for e in plan.edges]
    for i, (edge, spot) in enumerate(zip(plan.edges, spots, strict=True)):
        assert not any(spot.overlaps(r) for r in plan.boxes.values())
        assert not any(spot.overlaps(s) for s in spots[i + 1 :])
        assert crosses(edge.points(60), spot), "a label lies on its own arrow"
        others = [e for e in plan.edges if e is not edge]
        assert not any(crosses(e.points(60), spot) for e in others), (edge.start, edge.end)


@pytest.mark.parametrize("name", ["ecsi", "acsi", "chain"])
def test_long_models_are_folded_to_the_page_without_crossings(name):
    plan = plan_of(name)
    assert plan.width == 900
    assert plan.crossings == 0
    assert len({r.x for r in plan.boxes.values()}) <= 4


def test_arrows_run_to_the_right_or_along_a_column():
    for name in ("ecsi", "acsi", "twelve", "chain", "complete"):
        plan = plan_of(name)
        for edge in plan.edges:
            assert plan.boxes[edge.start].x <= plan.boxes[edge.end].x


def test_random_models_are_laid_out_cleanly():
    rng = np.random.default_rng(5)
    for n in (3, 5, 8, 10):
        upper = [(f"C{i}", f"C{j}") for i in range(n) for j in range(i + 1, n) if rng.random() < 2.2 / n]
        below = {f"C{i}": float(rng.integers(0, 120)) for i in range(n)}
        check_boxes_and_arrows(arrange([f"C{i}" for i in range(n)], upper, below=below), below)


def test_constructs_without_paths_and_a_single_construct_are_placed():
    plan = layout_paths(["A", "B", "C"], model("A->B"))
    check_boxes_and_arrows(plan)
    assert len(plan.boxes) == 3
    assert len(layout_paths(["A"], model("A->B").iloc[:0]).boxes) == 1


def test_a_two_way_path_gets_two_arrows_that_keep_apart():
    plan = arrange(["A", "B"], [("A", "B"), ("B", "A")])
    there, back = plan.edges
    assert there.curve[0][0] < there.tip()[0]
    assert back.curve[0][0] > back.tip()[0]
    assert np.abs(there.points(20)[:, 1].mean() - back.points(20)[:, 1].mean()) > 10


# -- diagram ------------------------------------------------------------------------------------------------------


def test_diagram_shows_index_r_squared_coefficients_and_key():
    svg = path_diagram(CONSTRUCTS, ECSI, index=INDEX, r_squared=R2, highlight="Satisfaction")
    shown = texts(svg)
    for word in ("Satisfaction", "72.5", "R² 0.68", "0.51", "0.05", "0.56"):
        assert word in shown
    assert any("dashed: interval includes 0" in t for t in shown)
    assert "Expectation → Value: 0.05 (−0.09 to 0.22)" in svg


def curve_of(root, tip):
    group = next(g for g in root.iter(f"{SVG}g") if g[0].text.startswith(tip))
    return group.find(f"{SVG}path")


def test_width_dash_and_colour_of_an_arrow_tell_its_coefficient():
    paths = model("A->D;B->D;C->D").assign(
        est=[0.6, -0.3, 0.1], ci_lower=[0.5, -0.4, -0.1], ci_upper=[0.7, -0.2, 0.3]
    )
    root = parse(path_diagram(list("ABCD"), paths))
    strong, negative, weak = (curve_of(root, f"{n} → D") for n in "ABC")
    widths = [float(a.get("stroke-width")) for a in (strong, negative, weak)]
    assert widths == sorted(widths, reverse=True)
    assert [a.get("stroke-dasharray") is not None for a in (strong, negative, weak)] == [False, False, True]
    assert negative.get("stroke") != strong.get("stroke")
    assert "−0.30" in [t.text for t in root.iter(f"{SVG}text")]


def test_without_an_interval_the_p_value_decides_the_dash():
    paths = model("A->C;B->C").assign(est=[0.5, 0.4], pvalue=[0.03, 0.2])
    root = parse(path_diagram(list("ABC"), paths, significance=0.01))
    assert curve_of(root, "A → C").get("stroke-dasharray")
    root = parse(path_diagram(list("ABC"), paths))
    assert not curve_of(root, "A → C").get("stroke-dasharray")
    assert curve_of(root, "B → C").get("stroke-dasharray")
    assert "p-value not below 0.05" in "".join(t.text for t in root.iter(f"{SVG}text"))


def test_items_hang_below_their_construct_with_their_loadings():
    shown = texts(path_diagram(CONSTRUCTS, ECSI, loadings=LOADINGS, show_items=True))
    assert {"PERV1", "PERV2", "CUSCO", "0.90", "0.94", "1.00"} <= set(shown)
    assert "PERV1" not in texts(path_diagram(CONSTRUCTS, ECSI, loadings=LOADINGS))
    named = path_diagram(
        CONSTRUCTS, ECSI, items={"Value": {"PERV1": "Value given the price"}}, loadings=LOADINGS, show_items=True
    )
    assert "PERV1: Value given the price" in named


def test_missing_numbers_are_written_as_such():
    paths = ECSI.assign(est=[NAN, *ECSI["est"][1:]], ci_lower=NAN)
    shown = texts(path_diagram(CONSTRUCTS, paths, index={"Image": NAN}, r_squared={"Loyalty": None}))
    assert shown.count("n/a") == 2
    assert "R² n/a" in shown


LABELS = {
    "a": "Customer expectations about the overall quality of the service",
    "b": "Воспринимаемое качество обслуживания клиентов",
    "c": "رضا العملاء عن الخدمة",
    "d": "👨‍👩‍👧 Family plan 😀 satisfaction",
    "e": HOSTILE + "\ud800",
    "f": "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik",
    "g": "顧客満足度指数の全体的な評価について",
}


def test_labels_of_any_script_are_escaped_and_fit_their_box():
    paths = model("a->c,b;b->c;c->d,e;f->c;d->g;e->g")
    svg = path_diagram(LABELS, paths, title=HOSTILE, id='x"y')
    root = parse(svg)
    assert "<script" not in svg
    assert LABELS["b"] in {t.text for t in root.iter(f"{SVG}title")}
    assert any(t.get("direction") == "rtl" for t in root.iter(f"{SVG}text"))
    box = next(iter(layout_paths(LABELS, paths).boxes.values()))
    bold = [t.text for t in root.iter(f"{SVG}text") if t.get("font-weight")]
    assert max(text_width(t, 13, bold=True) for t in bold) <= box.w


def test_the_same_input_gives_the_same_bytes_in_another_process():
    code = (
        "import pandas as pd; from cxmodels.report.diagram import path_diagram\n"
        "p = pd.DataFrame({'outcome': list('BCDCDE'), 'predictor': list('AABBCD'), 'est': [.5, .4, .3, .2, -.1, .6]})\n"
        "print(path_diagram(list('ABCDE'), p), end='')"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.startswith(b"<svg")


def test_ids_carry_the_prefix():
    root = parse(path_diagram(["A", "B"], model("A->B"), id="left"))
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert ids
    assert all(i.startswith("left-") for i in ids)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.drop(columns="est"), "column 'est'"),
        (lambda p: p.drop(columns="predictor"), "column 'predictor'"),
        (lambda p: p.assign(predictor="Imag"), "Did you mean 'Image'"),
        (lambda p: p.assign(outcome="Image", predictor="Image"), "to itself"),
        (lambda p: pd.concat([p, p.head(1)]), "'Image → Expectation' more than once"),
    ],
)
def test_bad_paths_are_refused_in_one_sentence(change, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        path_diagram(CONSTRUCTS, change(ECSI))


def test_other_bad_input_is_refused_in_one_sentence():
    with pytest.raises(DataError, match="Column 'est' of the picture holds text in 12 of 12 rows"):
        path_diagram(CONSTRUCTS, ECSI.assign(est="strong"))
    with pytest.raises(SpecError, match="Did you mean 'Loyalty'"):
        path_diagram(CONSTRUCTS, ECSI, highlight="Loyalti")
    with pytest.raises(SpecError, match="index is given for 'Imge'"):
        path_diagram(CONSTRUCTS, ECSI, index={"Imge": 70})
    with pytest.raises(DataError, match="index of construct 'Image' is 'high'"):
        path_diagram(CONSTRUCTS, ECSI, index={"Image": "high"})
    with pytest.raises(SpecError, match="'Image' more than once"):
        path_diagram([*CONSTRUCTS, "Image"], ECSI)
    with pytest.raises(SpecError, match="no construct"):
        path_diagram([], ECSI)
    with pytest.raises(SpecError, match="Did you mean 'missing'"):
        path_diagram(CONSTRUCTS, ECSI, words={"mising": "k. A."})


def test_words_of_another_language():
    shown = texts(
        path_diagram(["A", "B"], model("A->B"), index={"A": NAN}, words={"missing": "k. A.", "decimal": ","})
    )
    assert "k. A." in shown
    assert "0,50" in shown


def test_text_forms_name_every_path_and_escape_labels():
    mermaid = to_mermaid(ECSI)
    assert mermaid.startswith("flowchart LR")
    assert len(re.findall(r"-->\|", mermaid)) == 9
    assert len(re.findall(r"-\.->\|", mermaid)) == 3
    dot = to_dot(ECSI)
    assert len(re.findall(r"->", dot)) == 12
    assert dot.count("style=dashed") == 3
    bad = {"A": 'a"]; click', "B": "b\\"}
    assert '["a#34;#93;; click"]' in to_mermaid(model("A->B"), bad)
    assert 'label="a\\"]; click"' in to_dot(model("A->B"), bad)
    assert 'label="b\\\\"' in to_dot(model("A->B"), bad)


# -- charts -------------------------------------------------------------------------------------------------------

SCORES = pd.DataFrame(
    {
        "construct": [*CONSTRUCTS, HOSTILE],
        "index": [*INDEX.values(), NAN],
        "ci_lower": [v - 1.8 for v in INDEX.values()] + [NAN],
        "ci_upper": [v + 1.8 for v in INDEX.values()] + [NAN],
    }
)
IMPACTS = pd.DataFrame(
    {
        "driver": ["Image", "Quality", "Value", "Price", "Other"],
        "impact": [0.4147, 0.6398, 0.1383, -0.12, NAN],
        "ci_lower": [0.30, 0.52, -0.02, -0.20, NAN],
        "ci_upper": [0.52, 0.75, 0.30, -0.03, NAN],
    }
)


def rects(svg):
    return [{k: r.get(k) for k in ("x", "y", "width", "height", "fill")} for r in parse(svg).iter(f"{SVG}rect")]


def units(n, seed=2):
    rng = np.random.default_rng(seed)
    index = 70 + rng.normal(0, 5, n)
    return pd.DataFrame(
        {"unit": [f"U{i:03d}" for i in range(n)], "index": index, "ci_lower": index - 2, "ci_upper": index + 2}
    )


def answers():
    return pd.DataFrame({str(k): [k, 11 - k, 0] for k in range(1, 11)}, index=["q1", HOSTILE, "q3"])


ALL = {
    "index_bars": lambda **k: charts.index_bars(SCORES, **k),
    "impact_bars": lambda **k: charts.impact_bars(IMPACTS, HOSTILE, **k),
    "interval_forest": lambda **k: charts.interval_forest(
        SCORES.rename(columns={"construct": "label", "index": "est"}), **k
    ),
    "unit_dots": lambda **k: charts.unit_dots(units(70), overall=70.1, overall_label=HOSTILE, **k),
    "importance_performance": lambda **k: charts.importance_performance(
        pd.DataFrame({"importance": [0.4, NAN], "performance": [70, 60]}, index=[HOSTILE, "b"]), target=HOSTILE, **k
    ),
    "headline": lambda **k: charts.headline(
        72.45, 70.7, NAN, label=HOSTILE, n=250, marks={HOSTILE: 71, "x": NAN}, **k
    ),
    "histogram": lambda **k: charts.histogram(
        [0.4, 0.5, NAN, 0.7], mark=0.5, lo=NAN, hi=0.6, axis_label=HOSTILE, **k
    ),
    "answer_distribution": lambda **k: charts.answer_distribution(answers(), **k),
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_chart_is_well_formed_escaped_deterministic_and_scalable(name):
    assert set(ALL) == set(charts.__all__)
    svg = ALL[name]()
    parse(svg)
    assert "<script" not in svg
    assert svg == ALL[name]()
    assert parse(ALL[name](id="other"))[0].get("id") == "other-title"
    assert parse(ALL[name](width=480)).get("viewBox").startswith("0 0 480 ")
    assert "k. A." not in svg


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.index_bars(SCORES.iloc[:0]),
        lambda: charts.impact_bars(IMPACTS.iloc[:0], "Satisfaction"),
        lambda: charts.unit_dots(units(1).iloc[:0], overall=NAN),
        lambda: charts.importance_performance(
            pd.DataFrame({"construct": ["a"], "importance": [NAN], "performance": [1.0]})
        ),
        lambda: charts.histogram([NAN, NAN]),
        lambda: charts.answer_distribution(answers().iloc[:0]),
    ],
)
def test_nothing_to_show_is_said(draw):
    assert "Nothing to show" in texts(draw())


def test_index_bars_are_as_long_as_the_index_on_0_to_100():
    svg = charts.index_bars(SCORES)
    bars = [float(r["width"]) for r in rects(svg)]
    assert len(bars) == 7
    assert np.allclose(np.array(bars) / bars[0], np.array(list(INDEX.values())) / 73.53, rtol=1e-3)
    shown = texts(svg)
    assert {"73.5", "n/a", "71.7 to 75.3", "0", "100", "Index, 0–100"} <= set(shown)
    assert charts.index_bars(SCORES.set_index("construct")) == svg


def test_impacts_are_ordered_and_those_not_told_from_zero_are_hollow():
    svg = charts.impact_bars(IMPACTS, "Satisfaction")
    shown = texts(svg)
    places = [shown.index(d) for d in ("Quality", "Image", "Value", "Price", "Other")]
    assert places == sorted(places)
    assert "Points gained by Satisfaction per point gained by the driver" in shown
    assert "Hollow: interval includes 0." in shown
    assert "−0.12" in shown
    fills = [r["fill"] for r in rects(svg)]
    assert fills[0] == fills[1] != fills[2] == "#ffffff"
    assert fills[3] not in fills[:3]


def test_forest_marks_what_is_beyond_a_threshold():
    frame = pd.DataFrame({"label": list("abcd"), "est": [0.84, 0.85, 0.95, NAN]})
    root = parse(charts.interval_forest(frame, thresholds=[0.9, 0.85]))
    fills = [c.get("fill") for c in root.iter(f"{SVG}circle")]
    assert len(fills) == 3
    assert fills[0] != fills[1] == fills[2]
    shown = [t.text for t in root.iter(f"{SVG}text")]
    assert {"0.85", "0.90", "Vermilion: 0.85 or more."} <= set(shown)
    sure = frame.assign(ci_lower=frame["est"] - 0.02, ci_upper=frame["est"] + 0.02)
    root = parse(charts.interval_forest(sure, thresholds=[0.9, 0.85]))
    assert "Vermilion: interval reaches 0.85." in {t.text for t in root.iter(f"{SVG}text")}


def test_forest_takes_intervals_below_zero_and_intervals_given_backwards():
    frame = pd.DataFrame({"label": ["a", "b"], "est": [-0.5, 0.2], "ci_lower": [-0.7, 0.3], "ci_upper": [-0.3, -0.1]})
    root = parse(charts.interval_forest(frame))
    fills = [c.get("fill") for c in root.iter(f"{SVG}circle")]
    assert fills[0] != "#ffffff"
    assert fills[1] == "#ffffff"


@pytest.mark.parametrize("n", [1, 60, 61, 200])
def test_units_are_sorted_and_what_is_left_out_is_counted(n):
    frame = units(n)
    shown = texts(charts.unit_dots(frame, overall=70.0))
    drawn = [t for t in shown if t in set(frame["unit"])]
    expected = frame.sort_values("index", ascending=False)["unit"].tolist()
    assert drawn == (expected if n <= 60 else expected[:30] + expected[-30:])
    assert (f"{n - 60} more in between, not shown" in shown) == (n > 60)
    assert "Overall 70.0" in shown


def test_units_are_filled_where_the_interval_excludes_the_overall_value():
    frame = pd.DataFrame(
        {"unit": list("abc"), "index": [80.0, 71, 60], "ci_lower": [78.0, 69, 58], "ci_upper": [82.0, 73, 62]}
    )
    fills = [c.get("fill") for c in parse(charts.unit_dots(frame, overall=70)).iter(f"{SVG}circle")]
    assert fills[1] == "#ffffff"
    assert len(set(fills)) == 3
    assert not any("Filled" in t for t in texts(charts.unit_dots(frame)))


def test_names_in_the_importance_map_do_not_meet():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"importance": rng.normal(0.3, 0.05, 14), "performance": rng.normal(70, 3, 14)},
        index=[f"Driver {i}" for i in range(14)],
    )
    root = parse(charts.importance_performance(frame))
    named = [t for t in root.iter(f"{SVG}text") if t.get("font-weight")]
    boxes = []
    for t in named:
        w = text_width(t.text, 13, bold=True)
        boxes.append(Rect(float(t.get("x")) - w / 2, float(t.get("y")) - 12, w, 14))
    assert len(boxes) == 14
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_importance_map_places_dots_by_value_and_names_what_is_missing():
    frame = pd.DataFrame(
        {"importance": [0.4147, 0.4323, 0.6398, 0.1383, NAN], "performance": [73.53, 72.47, 74.98, 62.35, 50]},
        index=["Image", "Expectation", "Quality", "Value", "Lost"],
    )
    root = parse(charts.importance_performance(frame, target="Satisfaction"))
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    assert np.corrcoef([d[0] for d in dots], frame["importance"][:4])[0, 1] > 0.99999
    assert np.corrcoef([d[1] for d in dots], frame["performance"][:4])[0, 1] < -0.99999
    shown = [t.text for t in root.iter(f"{SVG}text")]
    assert {"Improve first", "Importance: total effect on Satisfaction", "Dashed lines: means; Lost n/a."} <= set(
        shown
    )


def test_headline_shows_index_interval_rows_and_marks():
    shown = texts(
        charts.headline(72.45, 70.7, 74.2, label="Satisfaction", n=250, marks={"Last year": 71.2, "Sector": 69.8})
    )
    assert {
        "Satisfaction",
        "72.5",
        "Interval 70.7 to 74.2 · n = 250",
        "Last year 71.2",
        "Sector 69.8",
        "0",
        "100",
    } <= set(shown)
    assert "n/a" in texts(charts.headline(NAN, label="Satisfaction"))


def test_histogram_counts_every_replicate_and_those_without_a_value():
    values = [*np.linspace(0, 1, 101), NAN, np.inf]
    svg = charts.histogram(values, mark=0.5, lo=0.1, hi=0.9, bins=10)
    bars = rects(svg)
    heights = np.array([float(b["height"]) for b in bars])
    assert np.allclose(heights / heights.max(), np.histogram(np.linspace(0, 1, 101), 10)[0] / 11, atol=0.01)
    assert len({b["fill"] for b in bars}) == 2
    assert "101 replicates; without a value: 2." in texts(svg)
    assert len(rects(charts.histogram([0.5] * 9, mark=0.5))) == 1


def test_answers_add_up_to_the_whole_bar():
    svg = charts.answer_distribution(answers())
    bars = [r for r in rects(svg) if r["height"] == "20"]
    rows = pd.DataFrame(bars).astype({"width": float}).groupby("y")["width"].sum()
    assert len(rows) == 2
    assert np.ptp(rows) < 0.2
    assert {"55", "18", "n/a"} <= set(texts(svg))
    assert charts.answer_distribution(answers(), diverging=True) != svg
    with pytest.raises(DataError, match="'q1'"):
        charts.answer_distribution(answers().assign(**{"1": -1}).iloc[:1])


def test_charts_name_the_column_at_fault():
    with pytest.raises(SpecError, match="needs a column 'construct'"):
        charts.index_bars(SCORES.rename(columns={"construct": "name"}))
    with pytest.raises(SpecError, match="Did you mean 'impct'"):
        charts.impact_bars(IMPACTS.rename(columns={"impact": "impct"}), "Satisfaction")
    with pytest.raises(DataError, match=r"Column 'index' of the picture holds text in 1 of 8 rows \('high'\)"):
        charts.index_bars(SCORES.astype(object).assign(index=["high", *SCORES["index"][1:]]))
    with pytest.raises(SpecError, match="no fewer than 2"):
        charts.unit_dots(units(3), most=1)


def test_nullable_columns_are_taken():
    frame = SCORES.convert_dtypes().assign(construct=SCORES["construct"])
    assert charts.index_bars(frame) == charts.index_bars(SCORES)


# -- lettering and numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*LABELS.values(), "", "a b", "x" * 400])
def test_clipped_and_wrapped_text_fits(text):
    assert text_width(clip(text, 13, 60), 13) <= 60
    lines = wrap(text, 13, 90, lines=3)
    assert 1 <= len(lines) <= 3
    assert all(text_width(line, 13) <= 90 for line in lines)
    whole = "".join(wrap(text, 13, 90, lines=99))
    assert whole.replace(" ", "") == "".join(text.split())


def test_a_cut_never_halves_an_emoji_or_an_accent():
    family, accent = "👨‍👩‍👧", "e\u0301"
    assert clip(family * 5, 13, 45).rstrip("…") in {family * k for k in range(6)}
    assert clip(accent * 20, 13, 60).rstrip("…") in {accent * k for k in range(21)}


@pytest.mark.parametrize(
    ("lo", "hi"), [(0, 100), (-0.12, 0.71), (62.3, 62.3), (0, 0), (1e-7, 3e-7), (-5e6, 2e6), (0.84, 0.93)]
)
def test_ticks_cover_the_data_in_even_round_steps(lo, hi):
    at = ticks(lo, hi)
    assert at[0] <= lo + 1e-12
    assert at[-1] >= hi - 1e-12
    assert 3 <= len(at) <= 9
    steps = np.diff(at)
    assert np.allclose(steps, steps[0])
    assert round(steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9), 6) in (1, 2, 5)


def test_numbers_are_written_for_readers():
    assert number(-0.004, 2) == "0.00"
    assert number(-12.345, 1) == "−12.3"
    assert number(0.5, 1, signed=True) == "+0.5"
    assert number(None, 1) == number(NAN, 1) == number(np.inf, 1) == "n/a"
