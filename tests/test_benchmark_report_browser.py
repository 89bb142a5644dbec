"""The reports of a benchmark study in a browser, in print, and in four languages."""

import html
import json
import re
import string
import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest

from cxmodels.errors import SpecError
from cxmodels.report import company_html, nation_html
from cxmodels.report.nation_deck import write_deck
from cxmodels.report.nation_sheets import sheets
from cxmodels.report.nation_view import NationView
from cxmodels.report.words import LANGUAGES, language
from tests.benchmark_study import Page, small_study
from tests.browser import browse, needs_browser


@pytest.fixture(scope="module")
def result():
    return small_study()


@pytest.fixture(scope="module")
def view(result):
    return NationView(result)


@pytest.fixture(scope="module")
def page(view):
    return nation_html(view, links={"Company 01": "companies/1.html"})


# --- languages ----------------------------------------------------------------------------------------------------


def places(text):
    forms = [text] if isinstance(text, str) else text.values()
    return [sorted(name for _, name, _, _ in string.Formatter().parse(t) if name) for t in forms][:1]


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_catalogues_say_the_same(code):
    english, other = language("en"), language(code)
    for one, two in ((english.texts, other.texts), (english.pictures, other.pictures)):
        assert list(one) == list(two)
        assert {k: places(t) for k, t in one.items()} == {k: places(t) for k, t in two.items()}
    same = {k for k, t in english.texts.items() if t == other.texts[k]}
    assert not same, "not translated"
    names = [t for k, t in other.texts.items() if k.startswith("sheet_")]
    assert len(names) == len(set(names))
    assert all(len(n) <= 31 for n in names)


def test_every_text_of_the_catalogue_is_used():
    code = "".join(
        p.read_text("utf-8") for p in files("cxmodels.report").iterdir() if p.name.endswith((".py", ".html"))
    )
    made = (
        r"level_|levels_|construct_|measure_|method_|rule_|source_|adjust_|changed_|part_|impacts_|sheet_|note_|fact_|"
        r"term_|about_|treated_|kind_|scheme_|sem_by_|test_|form_|churn_|stage_|point_|link_|sense_|uplift_|best_|by_|family_"
    )
    texts = tomllib.loads((files("cxmodels.report") / "languages" / "en.toml").read_text("utf-8"))["text"]
    assert [k for k in texts if not re.search(rf"[\"']{k}[\"']", code) and not re.match(made, k)] == []


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_the_reports_speak_the_language_of_the_study(result, code, tmp_path):
    view = NationView(result, language(code))
    page, own = nation_html(view), company_html(view, "Company 08")
    for text in (page, own):
        assert f'<html lang="{code}">' in text
        assert language(code)("drivers") in text
        words = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
        assert not re.search(
            r"\b(Change since|Interval|Interviews|Customer satisfaction|points|Improve first)\b", words
        )
        assert not re.search(r"[ >]\d+\.\d[ <]", words), "a decimal point"
        assert not re.search(r"fewer than|rows, |drawn to the mean", words), "details of rules"
    least = language(code)("told_small", n=30, least=result.plan.minimum_n)
    assert f"{view.note('Company 03')}: {least}" in html.unescape(company_html(view, "Company 03"))
    shown = [s.frame[[c.name for c in s.columns]] for s in sheets(view)]
    cells = {text for frame in shown for text in frame.astype(object).to_numpy().ravel() if isinstance(text, str)}
    assert {view.measure("Complaint rate"), view.note("Company 03")} <= cells
    assert not {text for text in cells if re.search(r"fewer than|Complaint rate|Retention|Price tolerance", text)}
    assert NationView(replace(result, language=f"{code}-XX")).words is language(f"{code}-XX")
    assert f"{view.overall[0]:.1f}".replace(".", ",") in page
    pptx = pytest.importorskip("pptx")
    deck = pptx.Presentation(write_deck(view, tmp_path / "deck.pptx"))
    assert language(code)("drivers") in [s.shapes.title.text for s in deck.slides]


def test_labels_of_the_study_come_before_those_of_the_catalogue(result):
    labels = {"Satisfaction": {"uk": "Задоволення"}, "Quality": "Якість послуг"}
    view = NationView(replace(result, language="uk", labels=labels))
    assert [view.label(c) for c in ("Satisfaction", "Quality", "Value", "Other")] == [
        "Задоволення", "Якість послуг", "Сприйнята цінність", "Other",
    ]  # fmt: skip


def test_numbers_are_written_as_the_language_writes_them():
    uk, en = language("uk"), language("en")
    assert (uk.number(-1234.56, 1), en.number(-1234.56, 1)) == ("−1\u202f234,6", "−1,234.6")
    assert (uk.share(0.956), en.share(0.956, 1), uk.share(float("nan"))) == ("96\u00a0%", "95.6%", "–")
    assert (en.number(-0.04), en.number(0.05, 2, signed=True), en.number(float("inf"))) == ("0.0", "+0.05", "–")
    assert uk("interviews_used", n=12345) == "використано інтерв’ю: 12\u202f345"
    with pytest.raises(SpecError, match=r"no text 'drivrs'.*'drivers'"):
        en("drivrs")


# --- in a browser -------------------------------------------------------------------------------------------------

PROBE = """
<pre id="found"></pre>
<script>
window.addEventListener("load", function () {
  const table = document.querySelector("#league table"), heads = table.tHead.rows[0].cells;
  const names = () => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[0].textContent);
  const column = (word) => [...heads].findIndex((h) => h.textContent === word);
  const click = (word) => { heads[column(word)].querySelector(".sort").click(); return names(); };
  const found = {first: names(), sorts: document.querySelectorAll("th .sort").length};
  found.down = click("Index"); found.up = click("Index"); found.said = heads[column("Index")].getAttribute("aria-sort");
  found.text = click("Company"); found.change = click("Change since 2024"); found.change_up = click("Change since 2024");
  const seek = document.querySelector("#league .seek");
  seek.value = "company 1"; seek.dispatchEvent(new Event("input")); found.sought = names();
  seek.value = ""; seek.dispatchEvent(new Event("input")); found.all = names().length;
  const folded = () => [...document.querySelectorAll("#pages .folded")].filter((e) => e.offsetHeight > 0).length;
  found.before = folded(); location.hash = "#page-1-1";
  found.wide = document.documentElement.scrollWidth - window.innerWidth;
  window.setTimeout(function () {
    found.opened = folded();
    document.getElementById("found").textContent = JSON.stringify(found);
  }, 100);
});
</script></body>"""


@needs_browser
@pytest.mark.parametrize("width", [420, 1300])
def test_a_click_sorts_offline(page, result, tmp_path, width):
    dom = browse(tmp_path, page.replace("</body>", PROBE), "--dump-dom", "--virtual-time-budget=3000", f"--window-size={width},900")  # fmt: skip
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))
    now = result.scores.query("wave == 2025 and construct == 'Satisfaction'").set_index("company")["index"]
    down = list(now.sort_values(ascending=False).index)
    plain = {k: [n.rstrip(" †") for n in v] for k, v in found.items() if isinstance(v, list)}
    assert plain["first"] == plain["down"] == down
    assert plain["up"] == down[::-1]
    assert found["said"] == "ascending"
    assert plain["text"] == sorted(down)
    moved = result.changes.query("level == 'company' and construct == 'Satisfaction'").set_index("name")["change"]
    assert plain["change"] == [*moved.sort_values(ascending=False).index, "Company 02"]
    assert plain["change_up"] == [*moved.sort_values().index, "Company 02"], "what is missing stays last"
    assert sorted(plain["sought"]) == [f"Company 1{k}" for k in range(7)]
    assert found["all"] == 16
    assert (found["before"], found["opened"]) == (0, 1)
    assert found["sorts"] > 20
    assert found["wide"] <= 0, "the page scrolls sideways"


@needs_browser
def test_it_prints_to_pdf_with_all_that_is_folded(page, view, tmp_path):
    def pages(text):
        browse(tmp_path, text, f"--print-to-pdf={tmp_path / 'out.pdf'}", "--no-pdf-header-footer")
        return len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "out.pdf").read_bytes()))

    assert pages(page) == pages(page.replace("<details>", "<details open>")) >= 5
    assert pages(company_html(view, "Company 08")) in (3, 4, 5)


@needs_browser
def test_without_script_the_page_is_a_plain_one(page, tmp_path):
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    dom = browse(tmp_path, bare, "--dump-dom")
    assert 'role="button"' not in dom
    assert Page(dom).table("Company", 16)[0].keys() == Page(page).table("Company", 16)[0].keys()
