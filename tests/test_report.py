"""The report: what it says, that nothing breaks it, and how a browser shows it."""

from __future__ import annotations

import html
import json
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning
from cxmodels.report import notebook_html, study_html, write_study
from cxmodels.report.onepage import FIRST_WARNINGS
from tests.browser import browse, needs_browser

VOID = {
    "meta",
    "br",
    "hr",
    "img",
    "link",
    "input",
    "path",
    "line",
    "rect",
    "circle",
    "polygon",
    "polyline",
    "ellipse",
}
HOSTILE = {
    "Quality": "جودة الخدمة المدركة",
    "Value": "<script>alert(1)</script> & \"quoted\" 'too'",
    "Satisfaction": "Zufriedenheit " * 9,
    "Complaints": "Рассмотрение жалоб " * 600,
    "Loyalty": "👩🏽‍💻 Loyalty",
    "Expectations": "--><!-- ]]> </style></svg>",
}
UNITS = ["<script>alert(2)</script>", "شركة الاتصالات", "📱🛰️ & Söhne", "x" * 10_000, "=cmd|' /C calc'!A0", "ok"]


class Page(HTMLParser):
    """What stands in a page: elements, ids, links, texts, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if "style" in self.open else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]


def quietly(content, folder="."):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return cx.Study.of(content, folder=folder).run()


@pytest.fixture(scope="module")
def mobi():
    content = {"title": "Phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"}}
    labels = {"Quality": "Perceived quality", "Complaints": "Complaint handling"}
    return quietly({**content, "bootstrap": {"replicates": 30}, "labels": labels})


def benchmark(folder: Path, names, labels, **more):
    frame, _ = cx.datasets.simulate_study(companies=6, respondents=80, years=1, seed=3)
    frame["company"] = frame["company"].map(dict(zip(sorted(frame["company"].unique()), names, strict=True)))
    frame.to_csv(folder / "wave.csv", index=False, encoding="utf-8")
    book = {
        "overall_expect": "<script>alert(3)</script>",
        "expect_custom": "y" * 10_000,
        "expect_reliab": "كيف تقيم الجودة؟",
    }
    lines = [f"[items.{k}]\nlabel = {{ en = {json.dumps(v, ensure_ascii=False)} }}" for k, v in book.items()]
    (folder / "book.toml").write_text("\n".join(['weights = "weight"', *lines]), encoding="utf-8")
    content = {
        "title": "Benchmark",
        "data": {"file": "wave.csv", "codebook": "book.toml"},
        "model": {"name": "ACSI", "by": ["company"]},
        "bootstrap": {"replicates": 20},
        "labels": labels,
    }
    return quietly({**content, **more}, folder)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    title = "<script>alert(0)</script> تقرير 📊 " + "T" * 10_000
    return benchmark(tmp_path_factory.mktemp("hostile"), UNITS, HOSTILE, title=title, subtitle="s" * 10_000)


@pytest.fixture(scope="module")
def texts(mobi, hostile):
    return {"mobi": study_html(mobi), "hostile": study_html(hostile)}


@pytest.fixture(scope="module", params=["mobi", "hostile"])
def text(request, texts):
    return texts[request.param]


# --- what any report must be --------------------------------------------------------------------------------


def test_a_report_is_one_sound_page_that_loads_nothing(text):
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert len(text.encode()) < 2_000_000
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    outside = [
        v
        for _, attrs in page.elements
        for k, v in attrs.items()
        if k in ("src", "href", "xlink:href", "data", "action")
    ]
    assert all(v.startswith("#") for v in outside)
    assert not re.search(r"@import|url\((?!#)", "".join(page.styles))
    assert "nan" not in re.findall(r"[a-z]+", page.text.lower())
    assert {v[1:] for v in outside} <= set(page.ids)


def test_ids_are_unique_and_every_picture_says_what_it_shows(text):
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == len(page.all("svg")) >= 6
    for picture in pictures:
        assert re.search(r"<title[^>]*>[^<]", picture)
        assert 'role="img"' in picture


def test_every_table_has_a_caption_and_scopes(text):
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) >= 10
    for table in tables:
        assert re.search(r"<caption>.+?</caption>", table, re.DOTALL)
        assert len(re.findall("<th ", table)) == len(re.findall('<th scope="(?:col|row)"', table))
        heads = len(re.findall('scope="col"', table))
        rows = re.findall(r"<tr>.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
        assert all(len(re.findall("<t[hd] ", row)) == heads for row in rows)


def test_two_reports_share_a_page_without_sharing_an_id(mobi, texts):
    ids = Page(texts["mobi"]).ids + Page(study_html(mobi, whole=False, prefix="b-")).ids
    assert len(ids) == len(set(ids)) > 10


def test_hostile_texts_are_text(texts):
    page = Page(texts["hostile"])
    assert "<script>alert(0)</script>" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert "<script>alert(2)</script>" in page.text
    assert "<script>alert(3)</script>" in page.text
    assert max(map(len, re.findall(r"[^\s]+", page.text))) <= 500  # nothing of 10,000 characters


# --- what this report must say ------------------------------------------------------------------------------


def test_the_numbers_shown_are_those_of_the_frames(mobi, texts):
    page = Page(texts["mobi"])
    row = mobi.index.scores.set_index("construct").loc["Satisfaction"]
    assert f"stands at {row['index']:.1f} on a scale from 0 to 100 (95% interval {row['ci_lower']:.1f}" in page.text
    for value in mobi.bootstrap.paths["est"]:
        assert f"{value:.3f}".replace("-", "−") in page.text
    assert "Perceived quality moves it most" in page.text
    assert "250 rows read, 250 used, excluded: none; no case weights; no missing answers" in page.text
    assert mobi.provenance["data_sha256"] in page.text
    assert f"cxmodels {cx.__version__}" in page.text
    assert "seed 1" in page.text


def test_thresholds_missed_have_a_sign_and_not_colour_alone(mobi, texts):
    text = texts["mobi"]
    weak = (mobi.fit.loadings["est"].abs() < 0.7).sum()
    several = mobi.fit.reliability.drop(index="Complaints")
    low = (several[["alpha", "rho_a", "rho_c"]] < 0.7).sum().sum() + (several["ave"] < 0.5).sum()
    assert weak + low > 5
    assert text.count(">▼</span>") == weak + low
    assert "▼ is below" in text
    assert re.search(r"Complaint handling</th>(<td class=\"n\">–</td>){4}", text)


def test_weights_units_and_blanks_are_told(hostile, texts):
    page = Page(texts["hostile"])
    blanks = int(np.isnan(hostile.fit.x).sum())
    assert blanks > 0
    assert f"weighted by the survey's 'weight'; {blanks} missing answers replaced by the item's mean" in page.text
    assert "6 units by company" in page.text
    assert "Every construct by unit" in page.text
    assert "complaint rate" in page.text


def test_excluded_rows_are_counted_by_reason(tmp_path):
    cards = cx.datasets.load("mobi").astype(float)
    cards.iloc[:7, 0] = np.nan
    cards.to_csv(tmp_path / "m.csv", index=False)
    content = {"title": "x", "data": {"file": "m.csv"}, "model": {"name": "ECSI"}, "bootstrap": {"replicates": 5}}
    found = quietly({**content, "options": {"missing": "listwise"}}, tmp_path)
    assert "250 rows read, 243 used, excluded: 7 for incomplete answers" in Page(study_html(found)).text


def test_a_run_that_did_not_settle_says_so_before_its_number(mobi):
    estimate = replace(mobi.fit.estimate, converged=np.array([False]))
    point = replace(mobi.fit, estimate=estimate, warnings=("The weights had not settled after 300 iterations.",))
    index = replace(mobi.index, fits={(): point})
    found = replace(mobi, index=index, bootstrap=replace(mobi.bootstrap, point=point))
    assert not found.converged
    text = study_html(found)
    alarm = "The estimation did not converge: do not publish these figures"
    assert text.index('class="warnings alarm"') < text.index("<svg")
    assert text.count(alarm) == 2
    assert "The weights had not settled after 300 iterations." in text
    assert "moves it most" not in text
    assert ">NO<" in text


def test_a_negative_weight_is_flagged_at_the_top_and_in_the_table(tmp_path):
    frame = cx.datasets.load("mobi")
    frame["CUSA2"] = 11 - frame["CUSA2"]
    frame.to_csv(tmp_path / "m.csv", index=False)
    content = {"title": "x", "data": {"file": "m.csv"}, "model": {"name": "ECSI"}, "bootstrap": {"replicates": 5}}
    found = quietly(content, tmp_path)
    text = study_html(found)
    assert text.count("Improper solution: some figures cannot be right as they are") == 2
    assert re.search(r"CUSA2</th>.*?<span title=\"below 0\">▼</span> −0\.\d+", text)


def test_many_warnings_are_folded(mobi):
    many = replace(mobi, index=replace(mobi.index, messages=tuple(f"Warning number {i}." for i in range(30))))
    text = study_html(many)
    assert f"{30 - FIRST_WARNINGS} more" in text
    assert "Warning number 29." in text


# --- notebooks ----------------------------------------------------------------------------------------------


def test_a_study_at_the_end_of_a_cell_is_its_report(mobi, texts):
    text = mobi._repr_html_()
    assert text == notebook_html(mobi)
    page = Page(text)
    assert (page.elements[0][0], page.elements[0][1]["class"]) == ("div", "cx")
    assert len(page.all("svg")) == len(Page(texts["mobi"]).all("svg"))
    plain = re.sub(r"@media[^{]*|/\*.*?\*/", "", "".join(page.styles))
    selectors = [s.strip() for block in re.findall(r"([^{}]+)\{", plain) for s in block.split(",")]
    assert selectors
    assert all(s.startswith(".cx") for s in selectors if s)  # nothing of the notebook is restyled
    assert all(re.match(r"cx[0-9a-f]{10}-", i) for i in page.ids)


def test_other_results_show_pictures_with_their_tables(mobi, hostile):
    prefixes = set()
    for shown, pictures in ((mobi.index, 2), (mobi.fit, 1), (mobi.bootstrap, 1), (hostile.units, 1)):
        page = Page(shown._repr_html_())
        assert len(page.all("svg")) == pictures
        assert page.all("table")
        assert len(page.ids) == len(set(page.ids))
        assert not page.all("script")
        prefixes |= {i.partition("-")[0] for i in page.ids}
    assert len(prefixes) == 4
    assert "Satisfaction" in repr(mobi.index)


# --- in a browser -------------------------------------------------------------------------------------------

PROBE = """
<pre id="found"></pre><script>
const found = {};
const look = (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const all = (s) => [...page.querySelectorAll(s)];
  const box = (e) => e.getBoundingClientRect();
  const beyond = (t, b) => { const a = box(t); return Math.max(b.left - a.left, a.right - b.right, b.top - a.top, a.bottom - b.bottom) };
  found[frame.width] = {
    overflow: page.documentElement.scrollWidth - view.innerWidth,
    pictures: all("svg").map((s) => [box(s).width, box(s).height]),
    beyond: Math.max(...all("svg").flatMap((s) => [...s.querySelectorAll("text")].map((t) => beyond(t, box(s))))),
    folded: all(".folded").filter((e) => box(e).height > 0).length,
    ink: view.getComputedStyle(page.querySelector(".cx")).color,
    paper: view.getComputedStyle(page.querySelector(".cx")).backgroundColor,
  };
  document.getElementById("found").textContent = JSON.stringify(found);
};
for (const frame of document.querySelectorAll("iframe")) {
  frame.onload = () => look(frame);
  frame.srcdoc = document.getElementById("page").value;
}
</script>"""


@needs_browser
def test_a_browser_shows_it_whole_on_narrow_and_wide_screens(text, tmp_path):
    frames = '<iframe width="400" height="900"></iframe><iframe width="1100" height="900"></iframe>'
    page = f'<textarea id="page">{html.escape(text)}</textarea>{frames}{PROBE}'
    dom = browse(tmp_path, page, "--dump-dom", "--virtual-time-budget=5000")
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))
    assert set(found) == {"400", "1100"}
    for seen in found.values():
        assert seen["overflow"] <= 0, "the page scrolls sideways"
        assert len(seen["pictures"]) >= 6
        assert all(w > 300 and h > 50 for w, h in seen["pictures"])
        assert seen["beyond"] < 8, "a text stands outside its picture"
        assert seen["folded"] == 0
        assert (seen["ink"], seen["paper"]) == ("rgb(27, 39, 51)", "rgb(255, 255, 255)")


def pages(tmp_path: Path, text: str) -> int:
    browse(tmp_path, text, f"--print-to-pdf={tmp_path / 'out.pdf'}", "--no-pdf-header-footer")
    return len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "out.pdf").read_bytes()))


@needs_browser
def test_folded_tables_are_printed(texts, tmp_path):
    folded = texts["mobi"].count('class="folded"')
    assert folded >= 8
    printed = pages(tmp_path, texts["mobi"])
    assert printed == pages(tmp_path, texts["mobi"].replace("<details>", "<details open>"))
    assert printed >= 8


def test_the_report_on_disk_is_the_one_rendered(mobi, texts, tmp_path):
    path = write_study(mobi, tmp_path) / "report.html"
    assert path.read_text(encoding="utf-8") == texts["mobi"]
