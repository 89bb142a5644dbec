"""The model language: what it reads, what it refuses, and that it reads back what it writes."""

import copy
import itertools
import json
import math
import pickle
import string
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodels.errors import CxError, SpecError, SpecWarning
from cxmodels.model import Construct, Expression, Model, parse_model
from cxmodels.model.expression import parse_expression

ECSI = """
    # measurement
    Image        =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
    Expectation  =~ CUEX1 + CUEX2 + CUEX3
    Quality      =~ PERQ1 + PERQ2 + PERQ3 + PERQ4 + PERQ5 + PERQ6 + PERQ7
    Value        =~ PERV1 + PERV2
    Satisfaction =~ CUSA1 + CUSA2 + CUSA3
    Complaints   =~ CUSCO
    Loyalty      =~ CUSL1 + CUSL2 + CUSL3
    # structure
    Expectation  ~ Image
    Quality      ~ Expectation
    Value        ~ Expectation + Quality
    Satisfaction ~ Image + Expectation + Quality + Value
    Complaints   ~ Satisfaction
    Loyalty      ~ Image + Satisfaction + Complaints
"""

EVERYTHING = """
group: 1
f1 + f2 =~ c(1, NA)*x1 + c("a", b)*x2 + a1*start(1)*x3 + lower(0)*upper(Inf)*x4 + x5 + lab*x5
y1 + y2 ~ 0.5?x + f1:f2 + f2:f1 + 1
x ~~ 0*z ; y1 | t1 + a*t2
y1 ~*~ y1    ! scaling factor
f3 =~ 0
f4 <~ sqrt(4)*x1 + -1/2*x2 + 'my label'*`item 3`
tot := (a1 + b)**2 / sqrt(a); a1 == b; a1 > 0; b < 2*`my label`
group: "B c"
f1 =~ c(0, qq)*x8 + 4*lab2*x9 + c(1, 2)*c(u, v)*x10 + c(3, "")*c(w, ww)*x11
x1 ~ 1
x2 ~ equal("x1 ~ 1")*1
x3 ~ 0
x2 ~~ equal("x1~~x1")*x2
"""

LAVAAN = json.loads((Path(__file__).parent / "reference/model_language/lavaan.json").read_text())["fits"]


def rows(text, *columns):
    """The named fields of each row."""
    return [tuple(getattr(r, c) for c in columns) for r in parse_model(text).rows]


def triples(text):
    return rows(text, "lhs", "op", "rhs")


# -- against lavaan ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAVAAN)
def test_rows_are_those_of_lavaan(name):
    """Loadings and paths are exactly lavaan's; other written rows are among lavaan's, with its label."""
    fit, model = LAVAAN[name], parse_model(LAVAAN[name]["model"])
    theirs = {(lhs, op, rhs): (label, free, est) for lhs, op, rhs, label, free, est in fit["rows"]}
    ours = {(r.lhs, r.op, r.rhs): r for r in model.rows if r.op not in ("==", "<", ">")}
    assert {k for k in ours if k[1] in ("=~", "~")} == {k for k in theirs if k[1] in ("=~", "~")}
    for key, row in ours.items():
        reverse = key if key in theirs else key[::-1]
        label, free, est = theirs[reverse]
        assert label == (row.lhs if row.op == ":=" else "".join(row.labels))
        if row.fixes and row.fixes[0] is not None:
            assert not free
            assert est == pytest.approx(row.fixes[0], abs=1e-12)
        if row.frees == (True,):
            assert free


@pytest.mark.parametrize("name", [n for n in LAVAAN if LAVAAN[n]["defined"]])
def test_defined_parameters_evaluate_to_lavaans_estimates(name):
    fit = LAVAAN[name]
    values = {label: est for _, op, _, label, _, est in fit["rows"] if label and op != ":="}
    expected = [(lhs, rhs, est) for lhs, rhs, est in fit["defined"]]
    defined = parse_model(fit["model"]).defined
    assert [(n, e.text) for n, e in defined] == [(n, rhs) for n, rhs, _ in expected]
    for (_, expression), (_, _, est) in zip(defined, expected, strict=True):
        assert expression.evaluate(values) == pytest.approx(est, rel=1e-9)


def test_constraint_holds_at_lavaans_constrained_estimate():
    fit = LAVAAN["pd_nonlinear_constraint"]
    values = {label: est for *_, label, _, est in fit["rows"] if label}
    ((op, left, right),) = parse_model(fit["model"]).constraints
    assert op == "=="
    assert left.evaluate(values) == pytest.approx(right.evaluate(values), abs=1e-6)


def test_levels_of_lavaans_two_level_model():
    model = parse_model(LAVAAN["twolevel"]["model"])
    assert model.blocks == ((("level", "1"),), (("level", "2"),))
    table = model.table.set_index(["lhs", "op", "rhs"])
    assert table.loc[("fw", "~", "x3"), "level"] == "1"
    assert table.loc[("fb", "~", "w2"), ["block", "level"]].tolist() == [2, "2"]
    assert [c.name for c in model.constructs] == ["fw", "fb"]
    assert model.items == ("y1", "y2", "y3")


# -- what a model says ------------------------------------------------------------------------------------------


def test_ecsi():
    m = parse_model(ECSI)
    assert [c.name for c in m.constructs] == [
        "Image", "Expectation", "Quality", "Value", "Satisfaction", "Complaints", "Loyalty",
    ]  # fmt: skip
    assert m.construct("Value") == Construct("Value", ("PERV1", "PERV2"), "factor")
    assert len(m.items) == 24
    assert m.items == m.observed
    assert m.paths[:3] == (("Expectation", "Image"), ("Quality", "Expectation"), ("Value", "Expectation"))
    assert len(m.paths) == 12
    assert m.interactions == m.defined == m.constraints == ()
    assert repr(m) == "Model(7 constructs, 24 items, 12 paths)"
    m.check_acyclic()


def test_a_model_is_returned_as_it_is():
    m = parse_model(ECSI)
    assert parse_model(m) is m


def test_models_are_values():
    a, b = parse_model(EVERYTHING), parse_model(EVERYTHING)
    assert a == b
    assert hash(a) == hash(b)
    assert a != parse_model(ECSI)
    assert pickle.loads(pickle.dumps(a)) == a == copy.deepcopy(a)
    with pytest.raises(AttributeError):
        a.rows = ()


def test_everything_reads_back():
    m = parse_model(EVERYTHING)
    assert parse_model(str(m)) == m
    assert str(parse_model(str(m))) == str(m)


def test_a_constraint_that_starts_with_plus_reads_back():
    m = parse_model("y ~ a*x + b*z; +b < 2*+a")
    assert str(m).split("\n")[1] == "b < 2*a"
    assert parse_model(str(m)) == m


def test_everything_as_rows():
    m = parse_model(EVERYTHING)
    row = {(r.lhs, r.op, r.rhs): r for r in m.rows}
    assert row["f2", "=~", "x1"].fixes == (1.0, None)
    assert row["f2", "=~", "x1"].frees == (False, True)
    assert row["f1", "=~", "x2"].labels == ("a", "b")
    assert (row["f1", "=~", "x3"].labels, row["f1", "=~", "x3"].starts) == (("a1",), (1.0,))
    assert (row["f1", "=~", "x4"].lowers, row["f1", "=~", "x4"].uppers) == ((0.0,), (math.inf,))
    assert row["f1", "=~", "x5"].labels == ("lab",)
    assert row["y2", "~", "x"].starts == (0.5,)
    assert row["y2", "~", "f1:f2"].block == 1
    assert ("y2", "~1", "") in row
    assert row["x", "~~", "z"].fixes == (0.0,)
    assert row["y1", "|", "t2"].labels == ("a",)
    assert row["f4", "<~", "x1"].fixes == (2.0,)
    assert row["f4", "<~", "x2"].fixes == (-0.5,)
    assert row["f4", "<~", "item 3"].labels == ("my label",)
    assert (row["f1", "=~", "x8"].fixes, row["f1", "=~", "x8"].labels) == ((0.0, None), ("", "qq"))
    assert (row["f1", "=~", "x9"].fixes, row["f1", "=~", "x9"].labels) == ((4.0,), ("lab2",))
    assert (row["f1", "=~", "x11"].fixes, row["f1", "=~", "x11"].labels) == ((3.0, None), ("w", "ww"))
    assert row["x1", "~1", ""].labels == row["x2", "~1", ""].labels == ("x1~1",)
    assert row["x3", "~1", ""].fixes == (0.0,)
    assert row["x2", "~~", "x2"].labels == ("x1~~x1",)
    assert m.construct("f3") == Construct("f3", (), "factor")
    assert m.construct("f4").kind == "composite"
    assert m.interactions == (("f1:f2", ("f1", "f2")),)
    assert [(n, e.text) for n, e in m.defined] == [("tot", "(a1+b)^2/sqrt(a)")]
    assert [(op, a.text, b.text) for op, a, b in m.constraints] == [
        ("==", "a1", "b"),
        (">", "a1", "0"),
        ("<", "b", '2*"my label"'),
    ]
    assert m.constraints[2][2].evaluate({"my label": 4.0}) == 8.0


def test_table():
    t = parse_model(EVERYTHING).table
    assert t.columns.tolist() == [
        "lhs", "op", "rhs", "block", "group", "label", "fixed", "free", "start", "lower", "upper",
        "labels", "fixes", "frees", "starts", "lowers", "uppers",
    ]  # fmt: skip
    assert {c: t[c].dtype.kind for c in ("block", "fixed", "free", "start", "lower", "upper")} == {
        "block": "i", "fixed": "f", "free": "b", "start": "f", "lower": "f", "upper": "f",
    }  # fmt: skip
    assert set(t.loc[t.op.isin([":=", "==", "<", ">"]), "block"]) == {0}
    assert t.loc[t.block == 2, "group"].unique().tolist() == ["B c"]
    first = t.iloc[0]
    assert math.isnan(first.fixed)
    assert first.fixes == (1.0, None)
    assert not first.free


def test_table_of_one_group():
    t = parse_model("f =~ NA*x1 + a*x2 + 0.5*x3 + start(2)*x4\nf ~~ 1*f").table
    assert "group" not in t
    assert t.free.tolist() == [True, False, False, False, False]
    assert t.label.tolist() == ["", "a", "", "", ""]
    assert t.fixed.tolist()[2:] == pytest.approx([0.5, np.nan, 1.0], nan_ok=True)
    assert t.start.tolist()[3] == 2.0


def test_higher_order():
    m = parse_model("A =~ a1 + a2\nB <~ b1 + b2\nG =~ A + B\nH =~ G + h1")
    assert m.construct("G").items == ("A", "B")
    assert m.items == ("a1", "a2", "b1", "b2", "h1")
    assert parse_model("G =~ A + B; A =~ a1; B =~ b1").items == ("a1", "b1")


def test_a_construct_named_twice_gets_the_items_of_both_lines():
    assert parse_model("f =~ x1 + x2\ng =~ y1\nf =~ x3 + x2").construct("f").items == ("x1", "x2", "x3")


def test_observed_names_include_those_outside_measurement():
    m = parse_model("f =~ x1\nf ~ age + f2:sex\nz ~~ w\nq ~ 1\no | t1\nf2 =~ x2")
    assert m.items == ("x1", "x2")
    assert m.observed == ("x1", "x2", "age", "sex", "z", "w", "q", "o")


def test_interactions_have_one_name_whatever_the_order():
    m = parse_model("y ~ A + B + A:B\nz ~ B:A\nA ~~ B:A\ny ~ A:A")
    assert m.interactions == (("A:B", ("A", "B")), ("A:A", ("A", "A")))
    assert ("z", "A:B") in m.paths


def test_covariance_written_both_ways_is_one_row():
    assert rows("x ~~ y\ny ~~ a*x", "lhs", "rhs", "labels") == [("x", "y", ("a",))]


def test_defined_comes_in_an_order_that_can_be_evaluated():
    m = parse_model("y ~ a*x\nthird := 2*second\nsecond := first + a\nfirst := a^2")
    values = {"a": 3.0}
    for name, expression in m.defined:
        values[name] = expression.evaluate(values)
    assert values == {"a": 3.0, "first": 9.0, "second": 12.0, "third": 24.0}
    assert [r.lhs for r in m.rows if r.op == ":="] == ["third", "second", "first"]


def test_group_of_a_nested_level_is_inherited():
    m = parse_model("group: A\nlevel: 1\nf =~ x\nlevel: 2\ng =~ x\ngroup: B\nlevel: 1\nf =~ x\nlevel: 2\ng =~ x")
    assert [dict(b) for b in m.blocks] == [{"group": g, "level": level} for g in ("A", "B") for level in ("1", "2")]
    assert [r.block for r in m.rows] == [1, 2, 3, 4]
    assert parse_model(str(m)) == m


def test_a_block_that_comes_again_goes_on():
    m = parse_model("group: A\nf =~ x\ngroup: B\nf =~ x\ngroup: A\nf =~ y")
    assert [r.block for r in m.rows] == [1, 2, 1]
    assert parse_model(str(m)) == m


def test_html_is_escaped():
    html = parse_model("`<script>` ~ a*x\na < 2")._repr_html_()
    assert html == "<pre>`&lt;script&gt;` ~ a*x\na &lt; 2</pre>"


# -- the grammar ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "f =~ x1 + x2",
        "f=~x1+x2",
        "\n\n  f =~ x1 +\n\n   x2  # comment\n",
        "f =~ x1\n + x2",
        "f =~ x1 # first\n\n ! second\n  + x2",
        "f\n=~ x1 + x2",
        "f =~\nx1 +\nx2",
        "f =~ x1; f =~ x2",
        "f =~ x1\r\nf =~ x2\r",
        "\ufefff\t=~\xa0x1 + x2",
        "f =~ x1 + x2 + x1",
        "`f` =~ 'x1' + \"x2\";;",
        "f =\u02dc x1 + x2",
    ],
)
def test_layout_does_not_matter(text):
    assert triples(text) == [("f", "=~", "x1"), ("f", "=~", "x2")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y1 + y2 ~ a + b", [("y1", "~", "a"), ("y1", "~", "b"), ("y2", "~", "a"), ("y2", "~", "b")]),
        ("y ~ 1 + x", [("y", "~1", ""), ("y", "~", "x")]),
        ("y~1", [("y", "~1", "")]),
        ("f ~~ f + g", [("f", "~~", "f"), ("f", "~~", "g")]),
        ("u | t1 + t12", [("u", "|", "t1"), ("u", "|", "t12")]),
        ("u ~*~ u", [("u", "~*~", "u")]),
        ("c =~ start + NA.x + ._1", [("c", "=~", "start"), ("c", "=~", "NA.x"), ("c", "=~", "._1")]),
        ("level ~ group", [("level", "~", "group")]),
        (
            "Удовлетворённость =~ вопрос_1 + q.2",
            [("Удовлетворённость", "=~", "вопрос_1"), ("Удовлетворённость", "=~", "q.2")],
        ),
        ("满意 ~ 质量", [("满意", "~", "质量")]),
        ("संतुष्टि ~ गुणवत्ता", [("संतुष्टि", "~", "गुणवत्ता")]),
        ("e\u0301te\u0301 ~ x", [("e\u0301te\u0301", "~", "x")]),
        ("`1st item` ~ `how #satisfied!?`", [("1st item", "~", "how #satisfied!?")]),
    ],
)
def test_equations(text, expected):
    assert triples(text) == expected
    m = parse_model(text)
    assert parse_model(str(m)) == m


@pytest.mark.parametrize(
    ("term", "field", "value"),
    [
        ("0.5*x", "fixes", (0.5,)),
        ("-.5*x", "fixes", (-0.5,)),
        ("1e-3*x", "fixes", (0.001,)),
        ("sqrt(10)*x", "fixes", (math.sqrt(10),)),
        ("(1/3)*x", "fixes", (1 / 3,)),
        ("2^3*x", "fixes", (8.0,)),
        ("fixed(2)*x", "fixes", (2.0,)),
        ("c(0.6, 0.8)*x", "fixes", (0.6, 0.8)),
        ("NA*x", "frees", (True,)),
        ("c(NA, 1)*x", "frees", (True, False)),
        ("a*x", "labels", ("a",)),
        ("x9.group1*x", "labels", ("x9.group1",)),
        ('"a b"*x', "labels", ("a b",)),
        ("label('a')*x", "labels", ("a",)),
        ('label(c("a", "b"))*x', "labels", ("a", "b")),
        ("c(a, b)*x", "labels", ("a", "b")),
        ("c(a, NA)*x", "labels", ("a", "")),
        ("c(a,\n  b) *\n x", "labels", ("a", "b")),
        ("start(1.2)*x", "starts", (1.2,)),
        ("start(c(1.2, NA))*x", "starts", (1.2, None)),
        ("start(1, 2)*x", "starts", (1.0, 2.0)),
        ("0.5?x", "starts", (0.5,)),
        ("c(1, 2)?x", "starts", (1.0, 2.0)),
        ("a*0.5?x", "starts", (0.5,)),
        ("lower(0)*x", "lowers", (0.0,)),
        ("lower(-Inf)*x", "lowers", (-math.inf,)),
        ("upper(c(1, 2))*x", "uppers", (1.0, 2.0)),
        ("x + a*x", "labels", ("a",)),
        ("a*x + 2*x", "labels", ("a",)),
        ("a*x + a*x", "labels", ("a",)),
        ('c(a, "")*c("", b)*x', "labels", ("a", "b")),
    ],
)
def test_modifiers(term, field, value):
    m = parse_model(f"f =~ {term}")
    (row,) = m.rows
    assert getattr(row, field) == pytest.approx(value) if field == "fixes" else getattr(row, field) == value
    assert parse_model(str(m)) == m


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('f =~ x1 + equal("f=~x1")*x2', [("f=~x1",), ("f=~x1",)]),
        ('f =~ a*x1 + equal("f =~ x1")*x2', [("a",), ("a",)]),
        ('f =~ equal("f=~x2")*x1 + x2', [("f=~x2",), ("f=~x2",)]),
        ("f =~ a*x1 + equal(a)*x2", [("a",), ("a",)]),
        ('f =~ x1 + equal("f=~x1")*x2 + equal("f=~x2")*x3', [("f=~x1",)] * 3),
        ('y ~~ z\nu ~~ equal("z~~y")*v', [("y~~z",)] * 2),
        ('f =~ c(a, b)*x1 + equal("f=~x1")*x2', [("a", "b")] * 2),
    ],
)
def test_equal_labels_both_parameters(text, labels):
    assert [r.labels for r in parse_model(text).rows] == labels


def test_label_that_is_a_variable_warns_because_an_interaction_may_be_meant():
    with pytest.warns(SpecWarning, match=r"write Image:Quality"):
        m = parse_model("Loyalty ~ Image + Quality + Image*Quality")
    assert m.rows[1].labels == ("Image",)


# -- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("Loyalty = L1", 1, 9, "expected an operator (=~, <~, ~, ~~ ...) after 'Loyalty', found '='. Did you mean '=~'?"),
        ("f =~ x\n\ng -> x", 3, 3, "found '->'. Did you mean '~'?"),
        ("f =~", 1, 3, "expected a name after '=~'"),
        ("y ~ a*x\nb :=", 2, 3, "expected an expression after ':='"),
        ("=~ x1", 1, 1, "expected a name before '=~'"),
        ("f =~ x1 +", 1, 9, "expected a name after '+'"),
        ("f =~ x1 + ; g =~ y", 1, 9, "expected a name after '+'"),
        ("f =~ x1 +\ng =~ x2", 1, 9, "expected a name after '+', but the next line is a new equation"),
        ("f =~ x1 + x2 +* x3", 1, 15, "expected a modifier before '*'"),
        ("f =~ + x1", 1, 6, "expected a name before '+'"),
        ("f =~ x1 + + x2", 1, 11, "expected a name after '+', found '+'"),
        ("f =~ x1 x2", 1, 9, "expected '+' after 'x1', found 'x2'"),
        ("f =~ x1 - x2", 1, 9, "expected '+' after 'x1', found '-'"),
        ("f =~ x1\n  x2", 2, 4, "to go on with the line above, end that with '+'"),
        ("f x1 + x2", 1, 3, "after 'f', found 'x1'"),
        ("f =~ x1 =~ x2", 1, 9, "expected one operator in an equation"),
        ("f =~ stat(2)*x", 1, 6, "unknown modifier 'stat()'"),
        ("f =~ stat(2)*x", 1, 6, "Did you mean 'start'?"),
        ("f =~ c(a, b*x", 1, 7, "this '(' is never closed"),
        ("f =~ a)*x", 1, 7, "this ')' was never opened"),
        ("f =~ c(a, b*x\ng =~ y", 1, 7, "this '(' is never closed"),
        ('f =~ "a*x', 1, 6, 'the quote " is never closed'),
        ("f =~ c()*x", 1, 6, "c() is empty"),
        ("f =~ start()*x", 1, 6, "start() is empty"),
        ("f =~ c(a,)*x", 1, 9, "expected a value after ','"),
        ("f =~ c(c(a))*x", 1, 8, "c() cannot stand within c()"),
        ('f =~ c("", "")*x', 1, 6, "this modifier says nothing"),
        ("f =~ start(a)*x", 1, 12, "expected a number or NA, found 'a'"),
        ("f =~ (a + 1)*x", 1, 6, "expected a number, NA or a label before '*', found '(a+1)'"),
        ("f =~ 1/0*x", 1, 6, "'1/0' has no finite value"),
        ("f =~ 1e999*x", 1, 6, "the number 1e999 is too large"),
        ("f =~ a*b*x", 1, 8, "this term has a label twice"),
        ("f =~ a*x\nf =~ b*x", 2, 8, "this term has a label twice"),
        ("f =~ start(1)*start(2)*x", 1, 15, "this term has start() twice"),
        ("f =~ 1*NA*x", 1, 8, "both fixed at a number and freed by NA"),
        ("f =~ lower(2)*upper(1)*x", 1, 24, "the lower bound 2 of 'f =~ x' is above the upper, 1"),
        ("f =~ c(a,b)*x + c(1,2,3)*y", 1, 26, "has a modifier for 3 groups but 'f =~ x' one for 2"),
        ("f =~ f", 1, 6, "'f' cannot measure itself"),
        ("y ~ x + y", 1, 9, "'y' cannot predict itself"),
        ("y ~ x:y", 1, 5, "'y' cannot predict itself"),
        ("f =~ g\ng =~ h\nh =~ f", 1, 6, "constructs measure each other in a circle: f -> g -> h -> f"),
        ("f =~ x\nf <~ z", 2, 6, "'f' is defined both by =~ and by <~"),
        ("y ~ a*x\nb := sqr(a)", 2, 6, "unknown function 'sqr'. Did you mean 'sqrt'?"),
        ("y ~ a*x\nb := log(a, 2)", 2, 6, "log() takes 1 argument, found 2"),
        ("y ~ a*x\nb := a a", 2, 8, "expected + - * / or ^ before 'a'"),
        ("y ~ a*x\nb := a +", 2, 8, "expected a number, a label or '(' after '+'"),
        ("y ~ a*x\nb := a; b := 2*a", 2, 9, "'b' is defined twice by ':='"),
        ("y ~ a*x\nb := a; b := a", 2, 9, "'b' is defined twice by ':='"),
        ("y ~ a*x\na := 2", 2, 1, "'a' is already the label of a parameter"),
        ("y ~ a*x\nb := c\nc := b", 2, 1, "definitions refer to each other in a circle: b -> c -> b"),
        ("y ~ a*x\nb := b", 2, 1, "definitions refer to each other in a circle: b -> b"),
        ("y ~ alpha*x\nb := 2*alpa", 2, 1, "no parameter has the label 'alpa'"),
        ("y ~ alpha*x\nalpa == 1", 2, 1, "Did you mean 'alpha'?"),
        ("y ~ a*x\na + 1 := 2", 2, 1, "expected one name before ':='"),
        ("y ~ a*x\n0 < a < 1", 2, 7, "expected one operator in an equation, found '<' after '<'; write two lines"),
        ("y ~ a*x\na <= 1", 2, 3, "found '<='. Did you mean '<'?"),
        ("y ~ 3", 1, 5, "expected a name, found '3'"),
        ("f =~ 2*3", 1, 8, "expected a name, found '3'"),
        ("2x ~ y", 1, 1, "put a name that starts with a digit in backticks: `2x`"),
        ("y ~ NA", 1, 5, "expected a name, found 'NA'"),
        ("f =~ 0 + x", 1, 6, "'0' after '=~' means no items"),
        ("a:b ~ x", 1, 1, "an interaction cannot stand on the left"),
        ("f =~ a:b", 1, 7, "an interaction can stand only on the right of '~' or '~~'"),
        ("y ~ a:b:c:d", 1, 10, "an interaction has two or three parts"),
        ("y ~ a:", 1, 6, "expected a name after ':'"),
        ("a*y ~ x", 1, 1, "a modifier stands on the right of '~'"),
        ("y | x", 1, 5, "expected a threshold t1, t2 ... after '|', found 'x'"),
        ("y ~*~ x", 1, 7, "expected 'y' on both sides of '~*~'"),
        ("x + y ~*~ x", 1, 3, "expected one name before '~*~'"),
        ("`a:b` ~ x", 1, 1, "must not be empty or hold ':'"),
        ("`` ~ x", 1, 1, "must not be empty or hold ':'"),
        ("y ~ x$z", 1, 6, "unexpected character '$'"),
        ("y ~ “x”", 1, 5, "unexpected character '“'"),
        ("grop: 1\nf =~ x", 1, 1, "found 'grop:'. Did you mean 'group'?"),
        ("group:\nf =~ x", 1, 6, "expected one name or number after 'group:'"),
        ("group: a b\nf =~ x", 1, 10, "expected one name or number after 'group:'"),
        ("level: 1\nlevel: 2\nf =~ x", 1, 1, "this block header has no equations after it"),
        ("level: 1\ngroup: a\nf =~ x", 1, 1, "this block header has no equations after it"),
        ("level: 1\nf =~ x\nlevel: 2", 3, 1, "this block header has no equations after it"),
        ("f =~ x\nlevel: 1\nf =~ x", 2, 1, "equations stand before the first block header"),
        ("group: a\nf =~ x\nlevel: 1\nf =~ x", 3, 1, "give every block the same headers"),
        ('f =~ equal("f=~y")*x', 1, 20, "equal() names 'f=~y', which is neither a parameter of the model nor a label"),
        ('f =~ equal("f=~x")*x', 1, 20, "itself"),
        ('f =~ a*x + equal("f=~x")*b*y', 1, 28, "has the label 'b' and equal() gives it 'a'"),
        ("f =~ equal(a, b)*x", 1, 6, "equal() takes one parameter in quotes"),
        ("f =~ c(a, b)", 1, 6, "expected '*' and a name after 'c(...)'"),
        ("f =~ x*", 1, 7, "expected a name after '*'"),
    ],
)  # fmt: skip
def test_errors_point_at_line_and_column(text, line, column, message):
    with pytest.raises(SpecError) as caught:
        parse_model(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"Line {line}, column {column}: ")
    assert message in first
    assert shown.strip() == text.replace("\r", "").split("\n")[line - 1].strip()
    assert caret.index("^") == 4 + column - 1


@pytest.mark.parametrize("text", ["", "  \n# nothing\n;", "! only a comment"])
def test_empty_model(text):
    with pytest.raises(SpecError, match="The model has no equations"):
        parse_model(text)


@pytest.mark.parametrize("value", [None, 3, ["f =~ x"], b"f =~ x", Path("model.txt")])
def test_only_text_is_a_model(value):
    with pytest.raises(SpecError, match=f"not {type(value).__name__}"):
        parse_model(value)


def test_caret_keeps_tabs_and_cuts_long_lines():
    with pytest.raises(SpecError) as caught:
        parse_model("\tf = x")
    assert str(caught.value).split("\n")[1:] == ["    \tf = x", "    \t  ^"]
    long = " + ".join(f"item{i}" for i in range(200))
    with pytest.raises(SpecError) as caught:
        parse_model(f"f =~ {long} $")
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) <= 104
    assert shown[caret.index("^")] == "$"


def test_construct_names_the_near_one():
    with pytest.raises(SpecError, match=r"no construct 'Loyality'; it has 'Image', .* Did you mean 'Loyalty'\?"):
        parse_model(ECSI).construct("Loyality")


# -- cycles, adding, dropping -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cycle"),
    [
        ("A ~ B\nB ~ A", "B -> A -> B"),
        ("Y ~ X\nA ~ C\nB ~ A\nC ~ B\nA ~ X", "A -> B -> C -> A"),
        ("A ~ B:C\nC ~ A", "A -> C -> A"),
    ],
)
def test_cycles_are_named(text, cycle):
    with pytest.raises(SpecError, match=f"The paths form a cycle: {cycle}"):
        parse_model(text).check_acyclic()


def test_no_cycle_across_blocks_or_in_a_diamond():
    parse_model("group: 1\nA ~ B\ngroup: 2\nB ~ A").check_acyclic()
    parse_model("B ~ A\nC ~ A\nD ~ B + C + B:C").check_acyclic()


def test_add():
    m = parse_model("f =~ x1 + x2\nf ~ a*g:h")
    bigger = m.add("f =~ x3\nf ~ h:g + z\nb := 2*a\nf =~ lab*x1")
    assert bigger.construct("f").items == ("x1", "x2", "x3")
    assert bigger.paths == (("f", "g:h"), ("f", "z"))
    assert bigger.rows[0].labels == ("lab",)
    assert m == parse_model("f =~ x1 + x2\nf ~ a*g:h")
    assert parse_model(str(bigger)) == bigger


def test_add_says_where_in_the_added_text():
    with pytest.raises(SpecError, match="Line 2, column 3: "):
        parse_model(ECSI).add("x ~ y\nf = x")
    with pytest.raises(SpecError, match="'b' is already the label"):
        parse_model("y ~ b*x").add("b := 3")
    with pytest.raises(SpecError, match=r"In 'b := 2\*a': 'b' is already the label"):
        parse_model("y ~ a*x\nb := 2*a").add("y ~ b*z")
    with pytest.raises(SpecError, match="not int"):
        parse_model(ECSI).add(3)


def test_add_to_blocks():
    m = parse_model("group: A\nf =~ x\ngroup: B\nf =~ x")
    assert [r.block for r in m.add("group: A\nf ~ z").rows] == [1, 2, 1]
    with pytest.raises(SpecError, match="this model has blocks; write a header"):
        m.add("f ~ z")


def test_drop():
    m = parse_model("y ~ a*x + z + A:B\nb := 2*a")
    assert m.drop("y", "z").paths == (("y", "x"), ("y", "A:B"))
    assert m.drop("y", "B:A").interactions == ()
    with pytest.raises(SpecError, match="no parameter has the label 'a'"):
        m.drop("y", "x")
    with pytest.raises(SpecError, match=r"no path 'y ~ zz'; .*Did you mean 'y ~ z'\?"):
        m.drop("y", "zz")
    with pytest.raises(SpecError, match="no path 'f ~ x'; it has no paths"):
        parse_model("f =~ x").drop("f", "x")
    with pytest.raises(SpecError, match="the only equation of the model"):
        parse_model("y ~ x").drop("y", "x")
    with pytest.raises(SpecError, match="the only equation of the block 'group: B'"):
        parse_model("group: A\ny ~ x\nz ~ w\ngroup: B\nz ~ w").drop("z", "w")


# -- expressions ------------------------------------------------------------------------------------------------

LABELS = {"a": 1.25, "b": -0.5, "c.1": 3.0}
PYTHON = {"sqrt": math.sqrt, "exp": math.exp, "abs": abs, "sin": math.sin, "atan": math.atan, "min": min, "max": max}


def expressions():
    """Pairs of model text and Python text of the same expression."""
    leaf = st.one_of(
        st.sampled_from([("a", "a"), ("b", "b"), ("c.1", "c_1")]),
        st.sampled_from(["0.5", "2", "3.", ".25", "1e1"]).map(lambda n: (n, n)),
    )
    spaces = st.sampled_from(["", " "])

    def grow(inner):
        binary = st.builds(
            lambda p, op, q, s: (p[0] + s + op + s + q[0], p[1] + op + q[1]),
            inner, st.sampled_from(["+", "-", "*", "/"]), inner, spaces,
        )  # fmt: skip
        power = st.builds(lambda p, q: (f"({p[0]})^{q}", f"({p[1]})**{q}"), inner, st.sampled_from("0123"))
        unary = inner.map(lambda p: ("-" + p[0], "-" + p[1]))
        paren = inner.map(lambda p: (f"( {p[0]} )", f"({p[1]})"))
        call = st.builds(
            lambda f, p: (f"{f}({p[0]})", f"{f}({p[1]})"), st.sampled_from(["abs", "sin", "atan"]), inner
        )
        two = st.builds(
            lambda f, p, q: (f"{f}({p[0]}, {q[0]})", f"{f}({p[1]},{q[1]})"),
            st.sampled_from(["min", "max"]),
            inner,
            inner,
        )
        return st.one_of(binary, power, unary, paren, call, two)

    return st.recursive(leaf, grow, max_leaves=12)


@settings(max_examples=200, deadline=None)
@given(expressions())
def test_expressions_agree_with_python(pair):
    text, python = pair
    expression = parse_expression(text)
    assert parse_expression(expression.text) == expression
    try:
        expected = eval(python, {}, {**PYTHON, "a": 1.25, "b": -0.5, "c_1": 3.0})
    except (ZeroDivisionError, OverflowError):
        return
    assert expression.evaluate(LABELS) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-a^2", -4.0),
        ("2^-1", 0.5),
        ("2^3^2", 512.0),
        ("a - 1 - 1", 0.0),
        ("8/a/2", 2.0),
        ("+a", 2.0),
        ("2*-a", -4.0),
        ("a**2 ** 1", 4.0),
        ("log(exp(a))", 2.0),
        ("log10(100) + log2(8) + log1p(0) + expm1(0)", 5.0),
        ("cos(0) + tan(0) + sinh(0) + cosh(0) + tanh(0)", 2.0),
        ("asin(1) - acos(0)", 0.0),
        ("min(a, 3, 1) + max(a, 3)", 4.0),
        ("abs(-a) + sign(-a)", 1.0),
    ],
)
def test_expression_values(text, value):
    result = parse_expression(text).evaluate({"a": 2})
    assert isinstance(result, np.floating)
    assert float(result) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "derivative"),
    [
        ("a^2", lambda a: 2 * a),
        ("a^0.5", lambda a: 0.5 / math.sqrt(a)),
        ("sqrt(a) * exp(-a)", lambda a: math.exp(-a) * (0.5 / math.sqrt(a) - math.sqrt(a))),
        ("abs(-a)", lambda a: 1.0),
        ("max(a, 0) + min(-a, 0)", lambda a: 0.0),
        ("1/(1 + a)", lambda a: -1 / (1 + a) ** 2),
        ("atan(a) + log(a)", lambda a: 1 / (1 + a * a) + 1 / a),
        ("tanh(a) - log1p(a) + expm1(a)", lambda a: 1 / math.cosh(a) ** 2 - 1 / (1 + a) + math.exp(a)),
        ("sign(a)", lambda a: 0.0),
    ],
)
def test_complex_step_derivatives(text, derivative):
    result = parse_expression(text).evaluate({"a": 0.7 + 1e-20j})
    assert float(np.imag(result)) / 1e-20 == pytest.approx(derivative(0.7), rel=1e-13, abs=1e-13)


def test_expressions_take_arrays_and_stay_quiet():
    e = parse_expression("sqrt(a)/b")
    with np.errstate(all="raise"):
        result = e.evaluate({"a": np.array([4, -1, 9]), "b": np.array([2.0, 1.0, 0.0])})
    np.testing.assert_array_equal(result, [1.0, np.nan, np.inf])
    assert e.evaluate({"a": np.ones((3, 1)), "b": np.full(2, 2.0)}).shape == (3, 2)
    assert parse_expression("2^a").evaluate({"a": np.array([-1])}) == [0.5]


def test_expression_values_must_be_there_and_be_numbers():
    e = parse_expression("alpha + 1")
    with pytest.raises(SpecError, match=r"'alpha\+1' uses 'alpha', which has no value. Did you mean 'alpa'\?"):
        e.evaluate({"alpa": 1.0})
    with pytest.raises(SpecError, match="whose value is not a number"):
        e.evaluate({"alpha": "1"})
    with pytest.raises(SpecError, match="at least one label"):
        parse_expression(" ")
    assert isinstance(e, Expression)
    assert str(e) == "alpha+1"
    assert e.names == ("alpha",)


# -- size -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deep",
    ["(" * 5000 + "a" + ")" * 5000, "-" * 5000 + "a", "^".join("a" * 5000), "abs(" * 5000 + "a" + ")" * 5000],
)
def test_deep_nesting_is_refused(deep):
    with pytest.raises(SpecError, match="nested more than 100 deep"):
        parse_model(f"y ~ a*x\nb := {deep}")


def test_long_sums_and_chains_need_no_recursion():
    n = 5000
    chain = "\n".join(f"v{i} ~ p{i}*v{i + 1}" for i in range(n))
    definitions = "\n".join(f"d{i} := d{i + 1} + 1" for i in range(500)) + "\nd500 := p0"
    m = parse_model(f"{chain}\ntotal := {'+'.join(f'p{i}' for i in range(n))}\n{definitions}")
    m.check_acyclic()
    assert m.defined[1][0] == "d500"
    assert m.defined[0][1].evaluate({f"p{i}": 1.0 for i in range(n)}) == n
    with pytest.raises(SpecError) as caught:
        m.add(f"v{n} ~ v0").check_acyclic()
    assert str(caught.value) == (
        "The paths form a cycle: v1 -> v0 -> v5000 -> v4999 -> ... -> v3 -> v2 -> v1 (5001 names). "
        "Drop one of these paths."
    )


def test_time_grows_with_length_only():
    number = itertools.count()

    def seconds(lines):
        w = f"w{next(number)}"  # a text that was read before is not read again
        text = "\n".join(
            f'f{i} =~ x{i} + a{i}*y{i} + c(b{i}, NA)*z{i}\nd{i} := a{i}*b{i}\nx{i} ~ equal("f{i}=~x{i}")*{w}'
            for i in range(lines // 3)
        )
        start = time.perf_counter()
        m = parse_model(text)
        assert parse_model(str(m)) == m
        return time.perf_counter() - start

    seconds(60)
    small, large = min(seconds(600) for _ in range(3)), seconds(6000)
    assert large < 40 * small


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
