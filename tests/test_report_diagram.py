"""Path diagrams of the report: the layout as numbers, the drawing as XML, the text forms as text."""

import re
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest

from cxmodels.errors import DataError, SpecError
from cxmodels.report.diagram import layout_paths, path_diagram, to_dot, to_mermaid
from cxmodels.report.geometry import Rect
from cxmodels.report.layout import arrange
from cxmodels.report.lettering import text_width
from tests.drawings import HOSTILE, INDEX, LABELS, NAN, SVG, parse, texts

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
CONSTRUCTS = list(INDEX)
R2 = pd.DataFrame(
    {"r2": [0.255, 0.310, 0.345, 0.681, 0.279, 0.457]},
    index=["Expectation", "Quality", "Value", "Satisfaction", "Complaints", "Loyalty"],
)
LOADINGS = pd.DataFrame(
    {"construct": ["Value", "Value", "Complaints"], "item": ["PERV1", "PERV2", "CUSCO"], "est": [0.902, 0.94, 1.0]}
)


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
