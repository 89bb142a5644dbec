"""Reading drawings back: the SVG as sound XML with a title and a description, its texts, and labels that try to break it."""

import re
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
NAN = float("nan")
HOSTILE = '<script>alert("x")</script> & \x00\x1b]]>'
LABELS = {
    "a": "Customer expectations about the overall quality of the service",
    "b": "Воспринимаемое качество обслуживания клиентов",
    "c": "رضا العملاء عن الخدمة",
    "d": "👨‍👩‍👧 Family plan 😀 satisfaction",
    "e": HOSTILE + "\ud800",
    "f": "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik",
    "g": "顧客満足度指数の全体的な評価について",
}
INDEX = {
    "Image": 73.53, "Expectation": 72.47, "Quality": 74.98, "Value": 62.35, "Satisfaction": 72.45,
    "Complaints": 67.42, "Loyalty": 70.91,
}  # fmt: skip


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
