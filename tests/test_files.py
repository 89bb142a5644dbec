"""Files are written whole or not at all, and what cannot be written is said in one sentence."""

import pytest

import cxmodels as cx
from cxmodels.errors import DataError
from cxmodels.files import replacing


def test_a_draft_takes_the_place_of_the_file_only_when_all_went_well(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with replacing(path) as draft:
        draft.write_text("first")
        assert draft.suffix == ".txt"
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        draft.write_text(str(1 / 0))
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


WRITERS = {
    "file": lambda path: replacing(path).__enter__(),
    "picture": lambda path: (
        cx.SEM("y ~ x")
        .fit(cx.datasets.load("mobi")[["CUSA1", "CUSA2"]].set_axis(["x", "y"], axis=1))
        .diagram()
        .write(path.with_suffix(".svg"))
    ),
    "codebook": lambda path: cx.datasets.survey("mobi").codebook.to_toml(path),
}


@pytest.mark.parametrize("what", WRITERS)
def test_a_place_that_is_no_folder_is_named(what, tmp_path):
    (tmp_path / "plain").write_text("kept")
    with pytest.raises(DataError, match=rf"^The {what} could not be written to '.*plain.*': [A-Z][a-z ]+\.$"):
        WRITERS[what](tmp_path / "plain" / "b.txt")
    assert (tmp_path / "plain").read_text() == "kept"
