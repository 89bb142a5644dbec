"""A few hundred damaged inputs for every reader; ``python -m tests.fuzz`` tries a hundred thousand of each."""

import pytest

from tests import fuzz


@pytest.mark.parametrize("reader", ["model language", "study file", "codebook", "saved model"])
def test_damaged_input_is_taken_or_refused_in_words(reader):
    for name, counts in fuzz.run(300, seed=7, only=reader).items():
        assert counts.total() == (300 if name == reader else 60), name
        assert counts["refused"] > 40, name
        assert counts["taken"] > 3, name
