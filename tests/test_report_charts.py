"""Charts of the report: bars, forests, maps and lettering, read back from the drawing."""

import numpy as np
import pandas as pd
import pytest

from cxmodels.errors import DataError, SpecError
from cxmodels.report import charts
from cxmodels.report.geometry import Rect
from cxmodels.report.lettering import clip, text_width, wrap
from cxmodels.report.svg import number, ticks
from tests.drawings import HOSTILE, INDEX, LABELS, NAN, SVG, parse, texts

SCORES = pd.DataFrame(
    {
        "construct": [*INDEX, HOSTILE],
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
