"""The model language on generated texts: it reads back what it writes, and anything else is an error of this package."""

import pickle
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodels.errors import CxError, SpecError
from cxmodels.model import Model, parse_model
from tests.model_texts import ECSI, EVERYTHING, LAVAAN

# -- properties -------------------------------------------------------------------------------------------------

PLAIN = st.text(string.ascii_letters + "_.éЖ満", min_size=1, max_size=6).filter(lambda s: s != "NA")
NAMES = st.one_of(PLAIN, st.text(string.ascii_letters + " -+*~=#!;|'\"(1é", min_size=1, max_size=6).filter(str.strip))
NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 4)) | st.floats(allow_nan=False, allow_infinity=False)


def quoted(name):
    """A name in the first kind of quotes that can hold it, or nothing."""
    return next(f"{q}{name}{q}" for q in "`\"'" if q not in name)


@st.composite
def models(draw):
    """Model text with constructs, paths, interactions, modifiers and definitions, and its expected triples."""
    pool = draw(st.lists(NAMES, min_size=4, max_size=10, unique=True).map(sorted))
    latent, others = pool[: len(pool) // 2], pool[len(pool) // 2 :]
    labels = draw(st.lists(st.text("abcdefgh", min_size=2, max_size=3), max_size=4, unique=True))
    labels = [f"L{x}" for x in labels]
    groups = draw(st.integers(1, 3))
    fresh, expected, lines = iter(labels), [], []

    def vector(strategy):
        n = draw(st.sampled_from([1, groups]))
        entries = [draw(strategy) for _ in range(n)]
        return entries[0] if n == 1 else f"c({', '.join(entries)})"

    def term(lhs, op, rhs, text):
        expected.append((lhs, op, rhs))
        parts = []
        number = NUMBERS.map(repr)
        if draw(st.booleans()):
            parts.append(vector(number | st.just("NA")))
        if draw(st.booleans()) and (label := next(fresh, None)):
            parts.append(label)
        if draw(st.booleans()):
            parts.append(f"start({vector(number)})")
        if draw(st.booleans()):
            parts.append(f"lower({vector(number)})")
        return " * ".join([*parts, text])

    for f in latent:
        op = draw(st.sampled_from(["=~", "<~"]))
        items = draw(st.lists(st.sampled_from(others), min_size=1, max_size=3, unique=True))
        lines.append(f"{quoted(f)} {op} " + " + ".join(term(f, op, i, quoted(i)) for i in items))
    for y, x in draw(st.lists(st.tuples(st.sampled_from(pool), st.sampled_from(pool)), max_size=5, unique=True)):
        if y != x:
            lines.append(f"{quoted(y)} ~ {term(y, '~', x, quoted(x))}")
    if draw(st.booleans()):
        a, b, y = pool[0], pool[1], pool[-1]
        lines.append(f"{quoted(y)} ~ {term(y, '~', f'{a}:{b}', f'{quoted(a)}:{quoted(b)}')}")
    if draw(st.booleans()):
        lines.append(f"{quoted(pool[-1])} ~ {term(pool[-1], '~1', '', '1')}")
    used = [x for x in labels if any(f"{x} *" in line for line in lines)]
    if used:
        lines.append(f"Defined := {' + '.join(used)} ^ 2")
        lines.append(f"{used[0]} > -1")
    joint = draw(st.sampled_from(["\n", ";", "  # x\n\n", "\r\n"]))
    return joint.join(lines), expected


@pytest.mark.filterwarnings("ignore::cxmodels.errors.SpecWarning")
@settings(max_examples=150, deadline=None)
@given(models())
def test_generated_models_read_back(generated):
    text, expected = generated
    m = parse_model(text)
    assert [(r.lhs, r.op, r.rhs) for r in m.rows if r.block] == expected
    assert parse_model(str(m)) == m
    assert len(m.table) == len(m.rows)
    assert pickle.loads(pickle.dumps(m)) == m


PIECES = [
    "=~", "~", "~~", "~1", "<~", ":=", "==", "<", ">", "|", "~*~", "+", "*", "?", ",", "(", ")", "c(", "start(", "equal(",
    "NA", "1", "0", "0.5", "f", "x", "y", "a", ":", ";", "\n", "#", "!", '"', "'", "`", "-", "/", "^", "t1", "group:", "level:",
    " ", "\t", "\r", "sqrt(", "label(", "lower(", "Inf", "\u02dc", "é", "\u0301", "\x00", "\u2028", "\ud800", "1e5", ".",
]  # fmt: skip


@st.composite
def mutated(draw):
    """A valid model with a few pieces put in, taken out or moved."""
    text = draw(st.sampled_from([ECSI, EVERYTHING, LAVAAN["pd_indirect"]["model"]]))
    for _ in range(draw(st.integers(1, 4))):
        i = draw(st.integers(0, len(text)))
        j = draw(st.integers(i, min(len(text), i + 6)))
        text = text[:i] + draw(st.sampled_from(["", *PIECES])) + text[j:]
    return text


def outcome(text):
    """The model, or the error of this package; any other exception passes through."""
    try:
        return parse_model(text)
    except CxError as error:
        return error


@pytest.mark.filterwarnings("ignore::cxmodels.errors.SpecWarning")
@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join), mutated()))
def test_any_text_gives_a_model_or_an_error_of_this_package(text):
    m = outcome(text)
    if isinstance(m, CxError):
        assert isinstance(m, SpecError)
        assert len(str(m).split("\n")) in (1, 3)
        return
    assert isinstance(m, Model)
    assert parse_model(str(m)) == m
    assert len(m.table) == len(m.rows)
    assert all(len(path) == 2 for path in m.paths)
    assert set(m.items) <= set(m.observed)
