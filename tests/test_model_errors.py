"""What the model language refuses: every message with its line and column."""

from pathlib import Path

import pytest

from cxmodels.errors import SpecError
from cxmodels.model import parse_model
from tests.model_texts import ECSI

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


@pytest.mark.parametrize("code", ["model <- 'f =~ x1 + x2'", 'HS.model = "\nf =~ x1 + x2\n"'])
def test_equations_within_an_assignment(code):
    with pytest.raises(SpecError, match="pass the equations between its quotes"):
        parse_model(code)


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
