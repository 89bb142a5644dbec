"""Names from the data that would break a page: every writer of HTML, SVG, workbooks and text shows them as text, or cut with an ellipsis."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import warnings
from functools import cache
from xml.etree import ElementTree

import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning
from tests import hostile
from tests.browser import browse, needs_browser

PROBE = """
<pre id="found"></pre><script>
const found = {};
const look = (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow, all = (s) => [...page.querySelectorAll(s)];
  const box = (e) => e.getBoundingClientRect();
  const beyond = (t, b) => { const a = box(t); return Math.max(b.left - a.left, a.right - b.right, b.top - a.top, a.bottom - b.bottom) };
  (found[frame.name] ??= {})[frame.width] = {
    ran: view.ran, overflow: page.documentElement.scrollWidth - view.innerWidth,
    widest: all("body *").filter((e) => box(e).right > view.innerWidth + 1).map((e) => e.outerHTML.slice(0, 120)).slice(-2),
    beyond: all("svg").flatMap((s) => [...s.querySelectorAll("text")].map((t) => [Math.round(beyond(t, box(s)) / box(s).width * 900), t.textContent.slice(0, 60)])).filter((b) => b[0] > 12),
    images: all("img, iframe, object, embed, link, base, textarea").length,
    handlers: all("*").filter((e) => [...e.attributes].some((a) => a.name.startsWith("on") && a.value.includes("alert"))).length,
    loaded: view.performance.getEntriesByType("resource").map((e) => e.name),
    text: page.body.textContent + " " + all("[title]").map((e) => e.title).join(" "),
    longest: Math.max(...all("body, body *").filter((e) => !["title", "desc", "STYLE", "SCRIPT"].includes(e.tagName)).flatMap((e) => [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim().length))),
  };
  document.getElementById("found").textContent = JSON.stringify(found);
};
for (const frame of document.querySelectorAll("iframe")) {
  frame.onload = () => look(frame);
  frame.srcdoc = document.getElementById(frame.name).value;
}
</script>"""
WATCH = "<script>window.ran = []; window.alert = (x) => window.ran.push(x);</script>"


@cache
def page(name: str) -> str:
    """What a writer makes of hostile names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return hostile.PAGES[name]()


def whole(text: str) -> str:
    """A page of its own, with the watch before everything."""
    return f'<!doctype html><meta charset="utf-8">{WATCH}{text.replace("<!doctype html>", "")}'


def widths(name: str) -> tuple[int, ...]:
    """Whole pages are seen on a narrow and a wide screen, pieces of pages where room is narrow."""
    return (400, 1100) if "<html" in page(name)[:200] else (400,)


def plain(text: str) -> str:
    """A text as a page shows its beginning: on one line, without control characters."""
    return " ".join(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", "", text).split())[:20]


# --- as text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", hostile.PAGES)
def test_no_name_becomes_markup(name):
    text = page(name)
    low = text.lower()
    assert not [
        hole
        for hole in ("<script>alert", "<img", "<svg onload", "<b>", "\x00", "\x1b", "' onmouseover")
        if hole in low
    ]
    assert low.count("</textarea>") == 0
    assert not re.search("[\u202a-\u202e]", text), "a name may not turn the numbers behind it"
    for picture in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(picture)  # sound XML
    for title in re.findall(r"<title>(.*?)</title>", text):
        assert "<" not in title


@pytest.mark.parametrize("name", hostile.FILES)
def test_files_hold_text_and_no_formula(name, tmp_path):
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        hostile.FILES[name](path)
    if path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        cells = [c for sheet in openpyxl.load_workbook(path) for row in sheet.iter_rows() for c in row]
        texts = [c.value for c in cells if isinstance(c.value, str)]
        assert not [c for c in cells if c.data_type == "f"]
        assert not [t for t in texts if t[0] in "=+-@\t\r\n"]
        assert any(t.startswith("'=1+cmd") for t in texts)
        return
    if path.suffix == ".csv":  # names stand there as they are, for they are keys
        with path.open(encoding="utf-8", newline="") as file:
            cells = [c for row in csv.reader(file) for c in row]
        assert not [c for c in cells if c[:1] in {"=", "@", "+"} or (c[:1] == "-" and not number(c))]
        assert any(re.match("'[=+@-]", c) for c in cells)
        return
    text = path.read_text(encoding="utf-8")
    assert not set(text) & {"\x00", "\x1b"}
    if path.suffix == ".tex":
        assert r"\end{table}" not in text.replace(r"\end{table}" + "\n", "", text.count(r"\begin{table}"))
        assert "<script>" not in text
    elif path.suffix == ".md":
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, "a row of another length"
        assert not re.search(r"(?<!\\)<(script|img|svg)", text)
    elif path.suffix == ".svg":
        ElementTree.fromstring(text)
    elif path.suffix == ".mmd":
        assert "<script>" not in text
        assert len(text.splitlines()) < 40
    else:
        assert path.suffix == ".html"
        assert "<script>alert" not in text


def number(text: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


AXES = {
    "path model": lambda r: r.plot(),
    "importance map": lambda r: r.plot_ipma(r.reliability.index[1], (1, 10)),
    "draws": lambda r: r.bootstrap(20, seed=1).plot_draws(),
    "validity": lambda r: r.discriminant(20, seed=1).plot(),
    "necessity": lambda r: r.nca(r.reliability.index[1], n=20, seed=1).plot(),
    "residuals": lambda r: r.plot_residuals(),
    "modification": lambda r: r.plot_modification(),
    "estimates": lambda r: r.plot("~"),
}


@pytest.mark.parametrize("name", AXES)
def test_matplotlib_reads_no_formula_in_a_name(name):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks
        ax = AXES[name](hostile.named(cx.SEM if name in ("residuals", "modification", "estimates") else cx.PLS, "$"))
        ax.figure.savefig(io.BytesIO(), dpi=40)
    texts = [t.get_text() for t in ax.figure.findobj(plt.Text)]
    plt.close("all")
    assert not [t for t in texts if t.replace(r"\$", "").count("$") > 1]


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Every page as a browser shows it, on a narrow and a wide screen."""
    parts = []
    for name in hostile.PAGES:
        parts.append(f'<textarea id="{name}" hidden>{html.escape(whole(page(name)))}</textarea>')
        parts += [f'<iframe name="{name}" width="{w}" height="900"></iframe>' for w in widths(name)]
    dom = browse(
        tmp_path_factory.mktemp("seen"), "".join([*parts, PROBE]), "--dump-dom", "--virtual-time-budget=20000"
    )
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))


@needs_browser
@pytest.mark.parametrize("name", hostile.PAGES)
def test_a_browser_runs_nothing_loads_nothing_and_shows_names_within_the_page(name, seen):
    assert set(seen[name]) == set(map(str, widths(name)))
    for width, found in seen[name].items():
        assert found["ran"] == [], width
        assert (found["images"], found["handlers"], found["loaded"]) == (0, 0, []), width
        assert found["overflow"] <= 0, (width, found["widest"])
        assert found["beyond"] == [], width
        assert found["longest"] <= 4200, width
        shown = " ".join(found["text"].split())
        assert any(plain(n) in shown for n in hostile.NAMES), width
        assert "undefined" not in shown
