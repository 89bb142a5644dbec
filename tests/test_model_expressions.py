"""Expressions of the model language against Python's own, their derivatives, and how deep and long they may be."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodels.errors import SpecError
from cxmodels.model import Expression, parse_model
from cxmodels.model.expression import parse_expression

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
