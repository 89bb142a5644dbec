"""The page on drivers: what it says, and its sliders in a browser."""

from __future__ import annotations

import json
import re

import pytest

import cxmodels as cx
from cxmodels.errors import (
    DataError,
)
from tests.browser import browse, needs_browser
from tests.driver_surveys import CX, RATINGS, drivers


@pytest.fixture(scope="module")
def report():
    return drivers(RATINGS).fit(CX, weights="weight").deliverable(n=100, seed=1, scale=(1, 5))


def test_deliverable_has_it_all(report):
    assert set(report.tables()) >= {"Importance", "Against an attribute of noise", "Differences of importance"}
    assert "a1 counts most, with 1" in report.paragraph
    assert "do not prove" in report.paragraph
    assert report.paragraph in report.summary()
    again = drivers(RATINGS).fit(CX, weights="weight").deliverable(n=100, seed=1, scale=(1, 5))
    assert again.summary() == report.summary()
    assert "<svg" in report._repr_html_()
    assert "<script" not in report._repr_html_()
    for shown in (report.point, report.bootstrap, report.what_if):
        assert shown._repr_html_().count("<svg") == 1


def test_page_is_self_contained_and_escaped(tmp_path, report):
    target = cx.report.write_drivers(report, tmp_path / "new" / "page.html")
    text = target.read_text(encoding="utf-8")
    assert text == cx.report.drivers_html(report)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert [p.name for p in target.parent.iterdir()] == ["page.html"]
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    hostile = "</script><script>alert(1)</script>"
    bad = cx.Drivers("nps", [hostile, "a2"]).fit(CX.rename(columns={"a1": hostile}))
    page = cx.report.drivers_html(bad.deliverable(n=20, seed=1, scale=(1, 5)))
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        cx.report.write_drivers(report, tmp_path / "file" / "page.html")


PROBE = """
<pre id="found"></pre>
<script>
window.addEventListener("load", function () {
  var found = {};
  var read = function () { return document.getElementById("predicted").textContent; };
  found.before = read();
  ["slider-0", "slider-2"].forEach(function (id) {
    var slider = document.getElementById(id);
    slider.value = "1.5";
    slider.dispatchEvent(new Event("input", {bubbles: true}));
  });
  found.after = read();
  found.effect = document.getElementById("effect-0").textContent;
  document.getElementById("reset").click();
  window.setTimeout(function () {
    found.reset = read();
    document.getElementById("found").textContent = JSON.stringify(found);
  }, 50);
});
</script></body>"""


@needs_browser
def test_sliders_compute_what_the_package_computes(tmp_path, report):
    page = cx.report.drivers_html(report).replace("</body>", PROBE)
    shown = browse(tmp_path, page, "--dump-dom", "--virtual-time-budget=3000")
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)[1])
    what = report.point.simulate({"a1": 1.5, "a3": 1.5}, scale=(1, 5))

    def number(text):
        return [float(v.replace("−", "-")) for v in re.findall(r"[−-]?\d+\.\d+", text)]

    assert number(found["after"]) == pytest.approx(
        [what.predicted, what.change, what.ci_lower, what.ci_upper], abs=0.0006
    )
    assert number(found["effect"]) == pytest.approx([what.effects.loc["a1", "effect"]], abs=0.0006)
    assert found["reset"] == found["before"]
    assert number(found["before"])[0] == pytest.approx(what.baseline, abs=0.0006)
