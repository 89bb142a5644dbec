"""The codebook: its forms, its round trip through TOML, what it refuses."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodels.errors import CxError, SpecError
from cxmodels.survey import Codebook, Item

TOML = """
weights = "w"
wave = "year"
hierarchy = ["company", "industry"]
missing = [98, 99]

[items.IMAG1]
label = {en = "It can be trusted", de = "Man kann ihm vertrauen"}
scale = [1, 10]
values = {1 = "Poor", 10 = {en = "Excellent", de = "Hervorragend"}}

[items."Q 2.a"]
label = "Plain"
missing = [[-9, -1], "refused"]
scale = [1, 5]
reversed = true

[items.age]
missing = []
"""


def write(folder, text, name="book.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_toml_file_says_all_there_is(tmp_path):
    book = Codebook.from_toml(write(tmp_path, TOML))
    assert (book.weights, book.wave, book.hierarchy) == ("w", "year", ("company", "industry"))
    assert list(book) == ["IMAG1", "Q 2.a", "age"]
    assert book["IMAG1"] == Item(
        "IMAG1",
        label={"en": "It can be trusted", "de": "Man kann ihm vertrauen"},
        scale=(1, 10),
        missing=(98, 99),
        values={1: {"en": "Poor"}, 10: {"en": "Excellent", "de": "Hervorragend"}},
    )
    assert book["Q 2.a"].missing == ((-9, -1), "refused")
    assert book["Q 2.a"].reversed
    assert book["Q 2.a"].label == {"en": "Plain"}
    assert book["age"].missing == ()


def test_toml_round_trip_and_whole_files(tmp_path):
    book = Codebook.from_toml(write(tmp_path, TOML))
    text = book.to_toml(tmp_path / "again.toml")
    assert Codebook.from_toml(tmp_path / "again.toml") == book
    assert (tmp_path / "again.toml").read_text(encoding="utf-8") == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.toml", "book.toml"]


numbers = st.integers(-999, 999) | st.floats(-999, 999).filter(lambda x: x != int(x))
texts = st.text(max_size=20)
labels = st.dictionaries(st.text(min_size=1, max_size=3), texts, max_size=2)
names = st.text(min_size=1, max_size=12)
ends = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted).map(tuple)
codes = st.integers(1001, 2000) | st.text(max_size=5) | st.tuples(st.just(-math.inf), st.just(-1001))


@st.composite
def items(draw):
    scale = draw(st.none() | ends)
    return Item(
        draw(names),
        label=draw(labels),
        scale=scale,
        reversed=scale is not None and draw(st.booleans()),
        missing=tuple(draw(st.lists(codes, max_size=3))),
        values=draw(st.dictionaries(numbers | st.text("abc", min_size=1), labels, max_size=3)),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(items(), max_size=4, unique_by=lambda item: item.name), st.none() | names, st.lists(names, unique=True)
)
def test_any_codebook_survives_the_round_trip(tmp_path_factory, found, wave, hierarchy):
    book = Codebook(found, wave=wave, hierarchy=hierarchy)
    path = tmp_path_factory.getbasetemp() / "round.toml"
    book.to_toml(path)
    assert Codebook.from_toml(path) == book


@settings(max_examples=60, deadline=None)
@given(st.text('abmissingelv=[]{}".\n 19', max_size=60))
def test_broken_toml_gives_one_kind_of_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "broken.toml"
    path.write_text(text, encoding="utf-8")
    message = "broken.toml"
    try:
        Codebook.from_toml(path)
    except CxError as error:
        message = str(error)
    assert "broken.toml" in message


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["weights", "wave", "hierarchy", "missing", "items", "item"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.sampled_from(["q1", [1, 10]]),
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["q1", "scale", "label", "en"]), x),
        ),
    )
)
def test_broken_dictionaries_give_one_kind_of_error(data):
    try:
        book = Codebook.from_dict(data)
    except CxError:
        return
    assert Codebook.from_dict(book.to_dict()) == book


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wieghts = 'w'", r"^Codebook 'book.toml': unknown key 'wieghts'. Did you mean 'weights'\?$"),
        (
            "[items.q1]\nscael = [1, 10]",
            r"^Codebook 'book.toml': Item 'q1': unknown key 'scael'. Did you mean 'scale'\?",
        ),
        ("[items.q1]\nxyz = 1", "unknown key 'xyz'. Known are 'label', 'scale', 'reversed', 'missing', 'values'"),
        ("[items.q1]\nscale = [10, 1]", "Item 'q1': scale must rise from its low to its high end, not 10 to 1"),
        ("[items.q1]\nscale = 10", "scale must be the two ends of the answer scale, such as"),
        ("[items.q1]\nscale = [1, inf]", "scale must be the two ends"),
        ("[items.q1]\nreversed = true", "Item 'q1' is reversed but has no scale"),
        ("[items.q1]\nreversed = 1", "reversed must be true or false, not 1"),
        ("[items.q1]\nmissing = [[99, 97]]", "a missing code is a number, a text or a rising pair"),
        ("[items.q1]\nmissing = [true]", "a missing code is a number, a text or a rising pair, not True"),
        ("missing = [99]\n[items.q1]\nscale = [0, 100]", "missing code 99 inside its scale 0 to 100"),
        ("[items.q1]\nlabel = 3", "label must be a text, or texts by language"),
        ("[items.q1]\nvalues = [1]", "values must be a table of code = text"),
        ("[items]\nq1 = 3", "Item 'q1' must be a table of 'label', 'scale'"),
        ("items = 3", "items must be a table for each column"),
        ("missing = [99]", "missing applies to the columns under items, and none is listed"),
        ("weights = 3", "weights must be the name of a column, not 3"),
        ("hierarchy = ['a', 'a']", "hierarchy names a column twice"),
        ("[items.q1]\nscale = [1, 10\nlabel = 'x'", r"is not valid TOML: .*line 3"),
        (f"[items.q1]\nscale = [1, {'9' * 5000}]", "is not valid TOML: Exceeds the limit"),
        (
            f"[items.q1]\nscale = [1, 0x{'F' * 5000}]",
            "must be the two ends of the answer scale, .*not a number of too many",
        ),
        (f"weights = {'[' * 2000}", r"is not valid TOML: "),
        (f"weights = [{', '.join('123' * 900)}]", r"the name of a column, not \[1, 2, 3.{,70}$"),
    ],
)
def test_bad_codebooks_name_file_item_and_remedy(tmp_path, text, message):
    with pytest.raises(SpecError, match=message) as error:
        Codebook.from_toml(write(tmp_path, text))
    assert "book.toml" in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match=r"nowhere.toml' does not exist"):
        Codebook.from_toml(tmp_path / "nowhere.toml")
    with pytest.raises(SpecError, match="cannot be opened: Is a directory"):
        Codebook.from_toml(tmp_path)
    (tmp_path / "latin.toml").write_bytes('wave = "Jährlich"'.encode("latin-1"))
    with pytest.raises(SpecError, match=r"is not UTF-8 \(byte 10\)"):
        Codebook.from_toml(tmp_path / "latin.toml")


def test_codebook_of_anything(tmp_path):
    book = Codebook([Item("q", label="Q")])
    assert Codebook.of(book) is book
    assert Codebook.of(None) == Codebook()
    assert Codebook.of({"q": Item("q", label="Q")}) == book
    assert Codebook.of(write(tmp_path, "[items.q]\nlabel = 'Q'")) == book
    assert Codebook.of(str(tmp_path / "book.toml")) == book
    with pytest.raises(SpecError, match="A codebook is a Codebook, a dict or the path"):
        Codebook.of(3)


def test_what_is_said_wins_over_the_file_and_the_rest_of_the_file_stays():
    base = Codebook(
        [
            Item("q", label={"en": "Q"}, missing=(0,), values={1: "bad", 99: "dk"}),
            Item("r", label="R", missing=(9,)),
        ]
    )
    book = Codebook.of(
        {"items": {"q": {"label": {"de": "F"}, "scale": [0, 10], "missing": [], "values": {1: "poor"}}, "new": {}}},
        base=base,
    )
    assert list(book) == ["q", "r", "new"]
    assert book["q"].label == {"en": "Q", "de": "F"}
    assert book["q"].values == {1: {"en": "poor"}, 99: {"en": "dk"}}
    assert book["q"].missing == ()
    assert book["r"] == base["r"]
    kept = Codebook.of({"items": {"r": {"scale": [1, 5]}}}, base=base)
    assert kept["r"].missing == (9,)
    default = Codebook.of({"missing": [8], "items": {"r": {}}}, base=base)
    assert default["r"].missing == (8,)
    assert default["q"].missing == (0,)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Codebook([Item("q"), Item("q")]), "describes 'q' more than once"),
        (lambda: Codebook({"r": Item("q")}), "has item 'q' under the name 'r'"),
        (lambda: Codebook(["q"]), "holds cxmodels.survey.Item objects, not 'q'"),
        (lambda: Item(""), "An item needs the name of its column"),
        (lambda: Item("q", scale=(1, 1)), "scale must rise"),
        (lambda: Item("q", scale=(1, 10), missing=((9, 20),)), "missing code 9 to 20 inside its scale 1 to 10"),
    ],
)
def test_objects_check_themselves(build, message):
    with pytest.raises(SpecError, match=message):
        build()


def test_repr_and_mapping():
    book = Codebook([Item("q")], weights="w", hierarchy=["c"])
    assert repr(book) == "Codebook(1 items, weights='w', hierarchy=('c',))"
    assert "q" in book
    assert book.get("x") is None
    assert Item("q", label={"de": "F"}).text("en") == "F"
