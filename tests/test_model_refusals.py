"""Slips of the pen in a model: each gets its line, its column and a caret below it."""

import pytest

import cxmodels as cx
from cxmodels.errors import SpecError

START = "f =~ x1 + x2; "
SLIPS = {
    # parentheses and operands of a formula
    START + "a := 2)": (21, "this ')' was never opened"),
    START + "a := (2": (20, "this '(' is never closed"),
    START + "a := (2 b)": (23, "expected ')' or + - * / ^, found 'b'"),
    START + "a := 2 + * 3": (24, "expected a number, a label or '(', found '*'"),
    START + "a := NA + 1": (20, "'NA' is not a label"),
    START + "a := 1 + ''": (24, "'' is not a label"),
    # modifiers
    "y ~ exp(2)*x + (1": (16, "this '(' is never closed"),
    "y ~ log(2*x": (8, "this '(' is never closed"),
    "y ~ label('a')*x + label('b'*z": (25, "this '(' is never closed"),
    "f =~ label(3)*x1 + x2": (6, "label() takes a name or quoted text, or several for several groups"),
    "f =~ label('')*x1 + x2": (6, "label() takes a name or quoted text, or several for several groups"),
    # interactions
    "y ~ a:": (6, "expected a name after ':'"),
    "y ~ a:b:": (8, "expected a name after ':'"),
    "y ~ a:b c": (9, "expected '+' after 'a:b', found 'c'"),
    "y ~ a:b ~ c": (9, "expected one operator in an equation, found '~' after '~'; write two lines"),
    "y ~ a:b:c:d": (10, "an interaction has two or three parts; for more, multiply columns in the data"),
}


@pytest.mark.parametrize("text", SLIPS)
def test_slip(text):
    column, sentence = SLIPS[text]
    with pytest.raises(SpecError) as caught:
        cx.parse_model(text)
    message, shown, caret = str(caught.value).split("\n")
    assert message == f"Line 1, column {column}: {sentence}."
    assert shown.strip() == text.strip()
    assert caret.index("^") - shown.index(text[0]) == column - 1
