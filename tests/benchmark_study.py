"""A small benchmark study and what reads its pages, for the tests of its reports."""

import warnings
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np

import cxmodels as cx
from cxmodels.acsi import Benchmark
from cxmodels.errors import CxWarning

WEIGHTS = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}


def data(respondents=60, seed=4):
    """Sixteen companies in four industries and two sectors; one is small, one new, one fell."""
    frame, _ = cx.datasets.simulate_study(companies=16, respondents=respondents, years=2, seed=seed)
    number = frame["company"].str[-2:].astype(int)
    frame["industry"] = np.select([number < 6, number < 10, number < 14], ["Shops", "Markets", "Banks"], "Insurers")
    frame["sector"] = np.where(number < 10, "Retail", "Finance")
    frame["gdp_share"] = np.where(number < 10, 0.6, 0.4)
    fell = (number == 14) & (frame["year"] == 2025)
    ratings = ["quality_custom", "overall_quality", "satisfaction", "confirm", "ideal"]
    frame.loc[fell, ratings] = (frame.loc[fell, ratings] - 3).clip(lower=1)
    few = (number == 3) & (frame.index % 2 > 0)  # 30 interviews a year
    late = (number == 2) & (frame["year"] == 2024)  # new in the second
    return frame[~few & ~late].reset_index(drop=True)


def fit(frame, bootstrap=30, **plan):
    plan = {"levels": ["industry", "sector", "nation"], "weights": WEIGHTS, "wave": "year"} | plan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        result = Benchmark(**plan).fit(cx.Survey(frame, weights="weight"), bootstrap=bootstrap, seed=1)
    return replace(result, title="Nation <2025>", name="nation", subtitle="Simulated & small")


@cache
def small_study():
    """The study that most tests look at, fitted once."""
    return fit(data(), minimum_n=40, small="shrink", adjust="none")


class Page(HTMLParser):
    """Tables of a page: caption, heads, and rows of (text, data-v); texts of all else; ids; links."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.ids, self.hrefs, self.tags, self.words = [], [], [], [], []
        self._cell = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.hrefs += [attrs["href"]] if tag == "a" else []
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        elif tag == "tr":
            self.tables[-1]["rows"].append([])
        elif tag in ("td", "th", "caption"):
            self._cell = ["", attrs.get("data-v")]

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append(tuple(self._cell))
            self._cell = None
        elif tag == "caption":
            self.tables[-1]["caption"], self._cell = self._cell[0], None

    def handle_data(self, text):
        self.words.append(text)
        if self._cell is not None:
            self._cell[0] += text

    def table(self, first, size=None):
        """Rows of the tables whose first head is so, keyed by the first cell; numbers where there are any."""
        found = [t["rows"] for t in self.tables if t["rows"][0][0][0] == first and size in (None, len(t["rows"]) - 1)]
        heads = [[h for h, _ in rows[0]] for rows in found]
        return [
            {row[0][0].rstrip(" †"): dict(zip(head, row, strict=True)) for row in rows[1:]}
            for head, rows in zip(heads, found, strict=True)
        ]
