"""The reports of a benchmark study: the page of the nation, those of companies, workbook, slides, files."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning, DataError, SpecError
from cxmodels.report import company_html, nation_html, write_benchmark, writing
from cxmodels.report.company_report import first_words
from cxmodels.report.nation_deck import write_deck
from cxmodels.report.nation_sheets import sheets
from cxmodels.report.nation_view import NationView
from cxmodels.report.workbook import write_workbook
from tests.benchmark_study import Page, data, fit, small_study

HOSTILE = {
    "Company 01": "<script>alert(1)</script>",
    "Company 02": "=1+1",
    "Company 03": "رضا العملاء",
    "Company 04": "Фірма 👩‍👩‍👧 «Ωμέγα» & Co",
    "Company 05": "x" * 10_000,
    "Company 06": "\x00@SUM(A1)\x1b",
    "Company 07": "../../etc/passwd",
}


@pytest.fixture(scope="module")
def result():
    return small_study()


@pytest.fixture(scope="module")
def view(result):
    return NationView(result)


@pytest.fixture(scope="module")
def page(view):
    return nation_html(view, links={"Company 01": "companies/1.html"})


@pytest.fixture(scope="module")
def hostile():
    frame = data()
    frame["company"] = frame["company"].map(lambda c: HOSTILE.get(c, c))
    frame["industry"] = frame["industry"].map(lambda c: f"=<b>{c}</b>")
    return fit(frame, bootstrap=0)


# --- the page of the nation ---------------------------------------------------------------------------------


def test_the_headline_is_that_of_the_result(result, page):
    top = result.aggregates.query("wave == 2025 and level == 'nation' and construct == 'Satisfaction'").iloc[0]
    moved = result.changes.query("level == 'nation' and construct == 'Satisfaction'").iloc[0]
    said = " ".join(Page(page).words)
    assert f"{top['index']:.1f} on a scale from 0 to 100" in said
    assert f"95% interval {top['ci_lower']:.1f} to {top['ci_upper']:.1f}" in said
    assert f"{moved.change:+.1f} points".replace("-", "−") in said
    assert f"2024 {moved.previous:.1f}" in page  # marked on the ruler
    flags = result.changes.query("level == 'company' and construct == 'Satisfaction'")["flag"].value_counts()
    counted = f"clear rises {flags.get('up', 0)}, clear falls {flags.get('down', 0)}, no clear change {flags.get('same', 0)}, new 1"
    assert counted in said


def test_every_unit_stands_in_the_league_and_in_its_industry(result, page):
    now = result.scores.query("wave == 2025 and construct == 'Satisfaction'").set_index("company")
    league, *industries = Page(page).table("Company", len(now)) + Page(page).table("Company")
    ranks = result.ranks.query("wave == 2025 and level == 'company'")
    overall = ranks[ranks["within"] == "nation"].set_index("name")
    assert set(league) == set(now.index)
    for name, row in league.items():
        assert float(row["Index"][1]) == pytest.approx(now.loc[name, "index"], rel=1e-5)
        assert int(row["Rank (interval)"][1]) == overall.loc[name, "rank"]
        span = f"({overall.loc[name, 'rank_lower']}–{overall.loc[name, 'rank_upper']})"
        assert row["Rank (interval)"][0].endswith(span)
        assert int(row["Tie group"][1]) == overall.loc[name, "group"]
    within = ranks[ranks["within"] == "industry"].set_index("name")
    seen = {name: int(r["Rank (interval)"][1]) for t in industries if len(t) < len(now) for name, r in t.items() if "Rank (interval)" in r}  # fmt: skip
    assert seen == within["rank"].to_dict()


def test_changes_say_it_in_words_and_signs(result, page):
    league = Page(page).table("Company", 16)[0]
    moved = result.changes.query("level == 'company' and construct == 'Satisfaction'").set_index("name")
    signs = {"up": ("▲ +", " rose"), "down": ("▼ −", " fell"), "same": ("≈ ", " no clear change")}
    assert {"up", "down"} & set(moved["flag"])
    for name, row in league.items():
        text, value = row["Change since 2024"]
        if name == "Company 02":
            assert (text, value) == ("new", "")
            continue
        start, end = signs[moved.loc[name, "flag"]]
        assert text.startswith(start)
        assert text.endswith(end)
        assert float(value) == pytest.approx(moved.loc[name, "change"], rel=1e-5)


def test_small_units_are_marked_and_explained(page, result):
    assert result.rules["rule"].eq("shrink").all()
    assert "Company 03 †" in page
    assert "† drawn towards the mean of the group" in page
    direct = (
        result.waves[2025].scores.query("company == 'Company 03' and construct == 'Satisfaction'")["index"].item()
    )
    shown = float(Page(page).table("Company", 16)[0]["Company 03"]["Index"][1])
    assert abs(shown - direct) > 0.1


def test_impacts_above_are_weighted_means_of_those_below(result, view):
    i = result.impacts.query("wave == 2025 and target == 'Satisfaction' and driver == 'Quality'").set_index("company")
    facts = result.facts.query("wave == 2025").set_index("company")
    mean = {}
    for industry, part in facts.groupby("industry"):
        mean[industry] = np.average(i.loc[part.index, "impact"], weights=part["revenue"])
    for industry, value in mean.items():
        assert view.impacts_of("industry", industry).set_index("driver").loc["Quality", "impact"] == pytest.approx(value)  # fmt: skip
    sums = facts.groupby("industry")["revenue"].sum()
    sectors = facts.drop_duplicates("industry").set_index("industry")
    by_sector = pd.DataFrame({"v": mean, "w": sums, "sector": sectors["sector"], "gdp": sectors["gdp_share"]})
    above = [(np.average(p["v"], weights=p["w"]), p["gdp"].iloc[0]) for _, p in by_sector.groupby("sector")]
    nation = np.average([a for a, _ in above], weights=[g for _, g in above])
    row = view.impacts_of("nation", "nation").set_index("driver").loc["Quality"]
    assert row["impact"] == pytest.approx(nation, rel=1e-9)
    se = i["se"]
    share = {}  # of every company in the nation
    for _, p in by_sector.groupby("sector"):
        for industry in p.index:
            for c in facts.index[facts["industry"] == industry]:
                share[c] = p["gdp"].iloc[0] / sum(g for _, g in above) * facts.loc[c, "revenue"] / p["w"].sum()
    spread = np.sqrt(sum((share[c] * se[c]) ** 2 for c in share))
    assert (row["ci_upper"] - row["ci_lower"]) / 2 == pytest.approx(1.959964 * spread, rel=1e-6)


def test_outcomes_stand_as_percentages_with_intervals(result, view, page):
    o = result.outcomes.query("wave == 2025").set_index(["level", "name", "measure"])
    table = next(t for t in Page(page).table("Name") if "Customers who complained" in next(iter(t.values())))
    assert list(table) == ["Nation", *view.groups("sector")["name"], *view.groups("industry")["name"]]
    heads = {"Complaint rate": "Customers who complained", "Retention": "Expected to stay", "Price tolerance": "Price rise borne, % of the price"}  # fmt: skip
    for measure, head in heads.items():
        row = o.loc["industry", "Banks", measure]
        value, lower, upper = (
            row[k] * (1 if measure == "Price tolerance" else 100) for k in ("value", "ci_lower", "ci_upper")
        )
        assert table["Banks"][head][0] == f"{value:.1f}% ({lower:.1f}–{upper:.1f})".replace("-", "−")


def test_the_page_is_self_contained_and_the_same_twice(page, view):
    assert page == nation_html(view, links={"Company 01": "companies/1.html"})
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    seen = Page(page)
    assert len(seen.ids) == len(set(seen.ids))
    local = [h[1:] for h in seen.hrefs if h.startswith("#")]
    assert len(local) > 8
    assert set(local) <= set(seen.ids)
    assert "companies/1.html" in seen.hrefs
    assert "Nation &lt;2025&gt;" in page
    assert not re.search(r">\s*(nan|None|NaT)\s*<", page)


def test_four_hundred_companies_stay_small(page):
    fixed = sum(len((files("cxmodels.report") / f).read_text()) for f in ("style.css", "book.css", "book.js"))
    assert (len(page.encode()) - fixed) / 16 * 400 < 5_000_000


# --- the page of a company ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Company 01", "Company 03", "Company 16"])
def test_what_to_fix_first_is_the_largest_impact_times_gap(result, view, name):
    facts = result.facts.query("wave == 2025").set_index("company")
    peers = facts.index[facts["industry"] == facts.loc[name, "industry"]]
    now = result.scores[result.scores["wave"] == 2025].pivot(index="company", columns="construct", values="index")
    impacts = result.impacts.query("wave == 2025 and target == 'Satisfaction' and company == @name")
    gains = {d: x * (now.loc[peers, d].max() - now.loc[name, d]) for d, x in zip(impacts["driver"], impacts["impact"], strict=True)}  # fmt: skip
    said = first_words(view, name, view.against(name))[0]
    best = max(gains, key=gains.get)
    if gains[best] <= 0:
        assert said.startswith("No driver")
    else:
        assert said.startswith(f"Fix first: {view.label(best)}. It stands at {now.loc[name, best]:.1f}")
        assert f"({now.loc[peers, best].idxmax()}, {now.loc[peers, best].max():.1f})" in said
        assert f"about {gains[best]:.1f} points" in said


def test_of_complaints_less_is_better(view):
    against = view.against("Company 01").set_index("construct")
    peers = view.peers("Company 01")[2]["name"]
    s = view.standings
    complaints = s[(s["construct"] == "Complaints") & s["name"].isin(peers) & (s["level"] == "company")]
    assert against.loc["Complaints", "best"] == complaints["index_"].min()
    assert (against["gap"] >= 0).all()


def test_a_company_is_shown_with_its_peers_and_why_it_changed(result, view):
    page = company_html(view, "Company 08", up="../report.html")
    seen = Page(page)
    assert seen.hrefs[0] == "../report.html"
    peers = view.peers("Company 08")[2]
    table = next(t for t in seen.table("Company") if "Rank (interval)" in next(iter(t.values())))
    assert list(table) == list(peers["name"])
    parts = result.explained.query("company == 'Company 08'").set_index(["part", "driver"])["est"]
    assert f"{parts['driver', 'Quality']:+.1f}".replace("-", "−") in page
    assert parts.drop(("change", "")).sum() == pytest.approx(parts["change", ""])
    assert page.count("<svg") == 6
    assert 'lang="en"' in page


def test_an_unknown_company_is_named(view):
    with pytest.raises(SpecError, match=r"no company 'Company 1' with numbers in wave 2025.*Did you mean 'Company 1"):
        company_html(view, "Company 1")


def test_what_cannot_be_written_is_said(result, tmp_path):
    with pytest.raises(
        SpecError, match=r"benchmark study, made by cxmodels.acsi.Benchmark.fit, not of a IndexResult"
    ):
        nation_html(result.waves[2025])
    with pytest.raises(SpecError, match=r"no company 'Company 99' with numbers in wave 2025"):
        write_benchmark(result, tmp_path, pages=["Company 01", "Company 99"])
    with pytest.raises(SpecError, match=r"called '\.\./x', which cannot name a folder"):
        write_benchmark(replace(result, name="../x"), tmp_path)
    (tmp_path / "nation").write_text("a file")
    with pytest.raises(DataError, match="is a file or a link"):
        write_benchmark(result, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["nation"]


# --- other studies ----------------------------------------------------------------------------------------------


def test_one_wave_without_bootstrap_and_levels():
    frame = data()
    found = fit(frame[frame["year"] == 2025], bootstrap=0, levels=[], weights=None)
    page = nation_html(found)
    assert "This is the first wave" in page
    assert len(Page(page).table("Company")[0]) == 16
    own = company_html(found, "Company 01")
    assert "Change since" not in own
    assert "Fix first" in own or "No driver" in own


def test_levels_of_other_names_and_no_whole():
    frame = data().rename(columns={"company": "Bank name", "industry": "Kind of bank"})
    found = fit(frame, bootstrap=0, by="Bank name", levels=["Kind of bank"], weights="revenue")
    page = nation_html(found)
    assert "Bank name" in page
    groups = [t for t in Page(page).table("Kind of bank") if "Rank (interval)" in next(iter(t.values()))]
    assert set(groups[0]) == set(frame["Kind of bank"])
    assert "Rank in Banks" in company_html(found, "Company 12")


def test_a_model_of_ones_own_without_questions_on_what_follows():
    model = """
        Service =~ overall_quality + quality_custom + quality_reliab
        Satisfaction =~ satisfaction + confirm + ideal
        Satisfaction ~ Service
    """
    frame = data().drop(columns=["complaint", "repurchase", "tolerance_up", "tolerance_down"])
    found = fit(frame, bootstrap=0, index=cx.SatisfactionIndex(model, scale=(1, 10)), adjust="bh")
    page, own = nation_html(found), company_html(found, "Company 01")
    for text in (page, own):
        assert "Service" in text
        assert "What satisfaction leads to" not in text
    assert "Benjamini and Hochberg" in page
    assert {s.name for s in sheets(NationView(found))} >= {"Units", "Levels", "Changes", "Ranks", "Impacts"}


# --- hostile names ------------------------------------------------------------------------------------------------


def test_hostile_names_stay_text(hostile, tmp_path):
    folder = write_benchmark(hostile, tmp_path, pages=HOSTILE.values())
    texts = [
        (folder / "report.html").read_text("utf-8"),
        *(p.read_text("utf-8") for p in (folder / "companies").iterdir()),
    ]
    for text in texts:
        assert "<script>alert" not in text
        assert "<b>" not in text
        assert "\x00" not in text
        assert text.count("</script>") == 1
        assert "x" * 200 not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in texts[0]
    names = sorted(p.name for p in (folder / "companies").iterdir())
    assert len(names) == len(texts) - 1 == len(HOSTILE)
    assert all(re.fullmatch(r"\d+(-[\w-]+)?\.html", n) and len(n.encode()) < 100 for n in names)
    linked = {h for h in Page(texts[0]).hrefs if h.startswith("companies/")}
    assert len(linked) == len(HOSTILE)
    json.loads((folder / "result.json").read_text("utf-8"))
    check_no_formula(folder)


def check_no_formula(folder):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(folder / "report.xlsx")
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row]
    assert not [c for c in cells if c.data_type == "f"]
    texts = {c.value for c in cells if isinstance(c.value, str)}
    assert {"'=1+1", "'@SUM(A1)"} <= texts
    assert not [t for t in texts if t[0] in "=+-@"]
    lines = (folder / "tables" / "scores.csv").read_text("utf-8").splitlines()
    assert any("'=1+1" in line for line in lines)


# --- workbook and slides ------------------------------------------------------------------------------------------


def test_the_workbook_holds_every_table_with_formats(view, result, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    made = sheets(view)
    path = write_workbook(made, tmp_path / "book.xlsx", title=result.title, facts=view.method_facts, words=view.words)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Contents", *(s.name for s in made)]
    for sheet in made:
        page = book[sheet.name]
        assert page.freeze_panes in ("A2", "B2")
        assert page.auto_filter.ref
        assert page.max_row == len(sheet.frame) + 1
        assert [c.value for c in page[1]] == [c.head for c in sheet.columns]
    units = book["Units"]
    head = [c.value for c in units[1]]
    rows = {r[0].value: dict(zip(head, r, strict=True)) for r in units.iter_rows(min_row=2)}
    now = result.scores.query("wave == 2025 and construct == 'Satisfaction'").set_index("company")
    for name, row in rows.items():
        assert row["Index"].value == pytest.approx(now.loc[name, "index"])
        assert row["Index"].number_format == "0.0"
    assert rows["Company 02"]["Change"].value is None
    first = book["Contents"]
    assert first["A3"].hyperlink.location == "'Units'!A1"
    facts = {r[0].value: r[1].value for r in first.iter_rows(min_row=3)}
    assert facts["Data, SHA-256"] == result.provenance["data_sha256"]


def test_slides_have_native_charts_tables_and_notes(view, result, tmp_path):
    pptx = pytest.importorskip("pptx")
    deck = pptx.Presentation(write_deck(view, tmp_path / "deck.pptx"))
    slides = list(deck.slides)
    assert all(s.notes_slide.notes_text_frame.text for s in slides)
    charts = {s.shapes.title.text: sh.chart for s in slides for sh in s.shapes if sh.has_chart}
    assert {"Sectors: Customer satisfaction", "What drives satisfaction", "Changes: Nation, Sectors"} <= set(charts)
    drivers = charts["What drives satisfaction"]
    impacts = view.impacts_of("nation", "nation")
    assert list(drivers.plots[0].series[0].values) == pytest.approx(impacts["impact"].tolist()[::-1], abs=1e-5)
    bars = drivers._chartSpace.find(".//{*}errBars")
    lengths = [float(v.text) for v in bars.findall("{*}plus//{*}v")]
    assert lengths == pytest.approx((impacts["ci_upper"] - impacts["impact"]).tolist()[::-1], abs=1e-4)
    order = [e.tag.split("}")[1] for e in bars.getparent()]
    assert order.index("errBars") < order.index("cat") < order.index("val")
    top, _ = view.overall
    sectors = charts["Sectors: Customer satisfaction"].plots[0]
    assert list(sectors.series[0].values) == pytest.approx((view.groups("sector")["index_"] - top).tolist()[::-1], abs=1e-5)  # fmt: skip
    tables = [sh.table for s in slides for sh in s.shapes if sh.has_table]
    assert tables[0].cell(1, 0).text == view.groups("sector")["name"][0]
    assert "Company 03 †" in [row.cells[0].text for row in tables[-1].rows]
    assert any(
        f"† {view.note('Company 03')}." in sh.text_frame.text for s in slides for sh in s.shapes if sh.has_text_frame
    )
    for s in slides:
        for shape in s.shapes:
            assert shape.left >= 0
            assert shape.left + shape.width <= deck.slide_width
            assert shape.top + shape.height <= deck.slide_height


# --- files --------------------------------------------------------------------------------------------------------


def test_the_folder_is_whole_and_replaced_whole(result, tmp_path, monkeypatch):
    told = []
    folder = write_benchmark(result, tmp_path, progress=lambda *a: told.append(a))
    assert told[-1] == ("pages", 16, 16)
    assert {p.name for p in folder.iterdir()} == {"report.html", "report.xlsx", "report.pptx", "companies", "tables", "result.json"}  # fmt: skip
    assert len(list((folder / "companies").iterdir())) == 16
    content = json.loads((folder / "result.json").read_text("utf-8"))
    top = result.aggregates.query("wave == 2025 and level == 'nation' and construct == 'Satisfaction'").iloc[0]
    assert content["index"]["index"] == pytest.approx(top["index"])
    assert set(content["tables"]) == set(result.frames) == {p.stem for p in (folder / "tables").glob("*.csv")}
    before = (folder / "report.html").read_bytes()
    monkeypatch.setattr(writing, "company_html", lambda *args, **more: "another")

    def broken(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_tables", broken)
    with pytest.raises(DataError, match=r"could not be written.*No space left"):
        write_benchmark(result, tmp_path)
    assert (folder / "report.html").read_bytes() == before
    assert "another" not in {p.read_text("utf-8") for p in (folder / "companies").iterdir()}
    assert [p.name for p in tmp_path.iterdir()] == ["nation"]


def test_without_the_libraries_the_rest_is_written_and_said(result, tmp_path, monkeypatch):
    monkeypatch.setattr(writing.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(writing, "company_html", lambda *args, **more: "short")
    with pytest.warns(CxWarning, match=r"Without openpyxl and pptx.*cxmodels\[report\]"):
        folder = write_benchmark(result, tmp_path)
    assert not list(folder.glob("report.[px]*x"))
    assert (folder / "report.html").is_file()
