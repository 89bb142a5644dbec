"""Is the built documentation whole? ``python -m tests.site FOLDER``: every local link and anchor exists, nothing is loaded from elsewhere."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Links, anchors and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names or points to."""
        given = {k: v for k, v in attrs if v}
        self.anchors |= {given[k] for k in ("id", "name") if k in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if target := given.get(LOADED.get(tag, "")):
            self.loaded.append(target)


def faults(folder: Path) -> list[str]:
    """What is broken, one sentence each."""
    pages = {p.resolve(): Page(p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.html"))}
    if not pages:
        return [f"{folder} holds no page."]
    wrong = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        for target in (*page.links, *page.loaded):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loaded and parts.scheme != "data":
                    wrong.append(f"{name} loads {target} from elsewhere.")
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not place.exists():
                wrong.append(f"{name} links to {target}, which does not exist.")
            elif parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].anchors:
                wrong.append(f"{name} links to {target}, where there is no such place.")
    return wrong


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]))
    print(*found or [f"{len(list(Path(sys.argv[1]).rglob('*.html')))} pages, every link leads somewhere."], sep="\n")
    sys.exit(bool(found))
