"""The model language: what it reads, what it refuses, and that it reads back what it writes."""

import copy
import math
import pickle

import numpy as np
import pytest

from cxmodels.errors import SpecError, SpecWarning
from cxmodels.model import Construct, parse_model
from tests.fuzz import timely
from tests.model_texts import ECSI, EVERYTHING, LAVAAN


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
    blocks = parse_model("group: 1\nA ~ B\ngroup: 2\nB ~ A")
    diamond = parse_model("B ~ A\nC ~ A\nD ~ B + C + B:C")
    for model, closing in ((blocks, "group: 2\nA ~ B"), (diamond, "A ~ D")):
        model.check_acyclic()
        with pytest.raises(SpecError, match="The paths form a cycle"):
            model.add(closing).check_acyclic()


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


@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000 + "a",
        "a =~ " + "9" * 100_000 + "b",
        "f =~ x" + " " * 100_000 + "é?",
        "f =~ " + "1." * 50_000 + "e",
    ],
)
def test_long_pieces_take_no_longer_than_they_are_long(text):
    with timely(5), pytest.raises(SpecError) as error:
        parse_model(text)
    assert len(str(error.value)) < 1000
