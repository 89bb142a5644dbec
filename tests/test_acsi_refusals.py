"""What satisfaction indices, plain means, benchmarks and the history refuse, one sentence each, and rarer numbers by hand."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cxmodels as cx
from cxmodels import acsi
from cxmodels.acsi.hierarchy import last_values
from cxmodels.acsi.means import Means
from cxmodels.acsi.ranks import rank_table
from cxmodels.acsi.shrinkage import shrink
from cxmodels.acsi.small import check_rules
from cxmodels.errors import CxError
from cxmodels.history import History

INDEX = cx.SatisfactionIndex()
TABLE = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 5.0]}, index=[7, 8, 9])
SCORES = pd.DataFrame(
    {"q": [1, 2, 3], "i": ["a", "b", "a"], "construct": "S", "index": [70, 60, 72.0], "se": 1.0, "n": 250}
)


@pytest.fixture(scope="module")
def study():
    return cx.datasets.simulate_study(companies=4, respondents=40, years=2, seed=2)[0]


def means(frame=TABLE, **measures):
    return Means(measures or {"Q": ("a", "b")}).fit(cx.Survey(frame))


CASES = {
    "labels": (
        lambda d: shrink([1, 2, 3], [1, 1, 1], groups=["a", "b"]),
        "There are 2 group labels for 3 units; give one each.",
    ),
    "errors": (lambda d: rank_table([1, 2], [1]), "There are 2 estimates and 1 standard errors; give one each."),
    "dimensions": (
        lambda d: means(Q=("a", "V"), V=("b",)),
        "A plain mean has no dimensions: 'Q' is measured by other constructs; name items.",
    ),
    "one row": (
        lambda d: means(TABLE.head(1)),
        "A mean with a standard error needs 2 rows or more; 1 can be used.",
    ),
    "rule twice": (
        lambda d: check_rules(["pool", "pool"], 5),
        "small takes one rule or a list of different ones, from 'skip', 'pool', 'shrink'.",
    ),
    "no rule": (
        lambda d: check_rules([], 5),
        "small takes one rule or a list of different ones, from 'skip', 'pool', 'shrink'.",
    ),
    "rolling what": (
        lambda d: acsi.rolling_index("acsi", d, "company", period="year"),
        "rolling_index takes a SatisfactionIndex first, not str.",
    ),
    "period": (
        lambda d: acsi.rolling_index(INDEX, d, "company", period="year", periods=[2024]),
        "The data hold year '2025', which periods= does not name.",
    ),
    "construct": (
        lambda d: acsi.ACSI.without("Complaint"),
        "The ACSI-style model has no construct 'Complaint'. Did you mean 'Complaints'?",
    ),
    "column of scores": (
        lambda d: last_values(SCORES, "quarter", "i"),
        "There is no column 'quarter' in the scores.",
    ),
    "period of scores": (
        lambda d: last_values(SCORES, "q", "i", periods=[1, 2]),
        "The scores have the period '3', which is not among the periods given.",
    ),
    **{
        f"weights {weights}": (
            lambda d, weights=weights: acsi.Benchmark(weights=weights),
            f"weights is a column, or a table of level to column, by name; it is {weights!r}.",
        )
        for weights in (3, {"industry": 3})
    },
    "no unit": (
        lambda d: INDEX.fit(d.assign(company=None), by="company"),
        "No row names 'company', so there are no units.",
    ),
    "waves without a column": (
        lambda d: acsi.Benchmark(by="company", wave=None, waves=[2024]).prepare(d),
        "waves are listed, but no column says which wave a row is of; name it as wave.",
    ),
    "blank wave": (
        lambda d: acsi.Benchmark(by="company", wave="year").prepare(d.assign(year=np.nan)),
        "'year' is blank in all 320 rows.",
    ),
    "wave twice": (
        lambda d: acsi.Benchmark(by="company", wave="year", waves=[2024, 2024, 2025]).prepare(d),
        "waves lists '2024' more than once.",
    ),
    "blank respondent": (
        lambda d: acsi.Benchmark(by="company", wave="year", respondent="respondent").prepare(
            d.assign(respondent=d["respondent"].astype(object).where(d.index > 2))
        ),
        "The respondent 'respondent' is blank in 3 of 320 rows.",
    ),
    "all weights zero": (
        lambda d: acsi.Benchmark(
            by="company", wave="year", levels=["industry"], weights={"industry": "revenue"}
        ).prepare(d.assign(revenue=np.where(d["industry"] == d["industry"].iloc[0], 0.0, d["revenue"]))),
        "All weights 'revenue' are zero in 1 industry: ",
    ),
    "prices": (
        lambda d: acsi.reservation_price([10, 20, None], [None, None, 10], price=[5, 6]),
        "There are 2 prices for 3 rows: give one for each.",
    ),
    "role twice": (
        lambda d: cx.Survey(pd.DataFrame([[1, 2, 3]], columns=["a", "w", "w"]), weights="w"),
        "Column 'w' (weights) is in the data 2 times: keep one.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_index_refuses_in_one_sentence(case, study):
    call, said = CASES[case]
    with pytest.raises(CxError) as caught:
        call(study)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runs_the_history_does_not_have(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "h.duckdb")) as other:
        other.execute("create table orders (n integer)")
    history = History(tmp_path / "h.duckdb", "s")
    with pytest.raises(CxError, match=r"There is no history in .* yet"):
        history.read("scores")
    history.write(2025, {"scores": SCORES})
    with pytest.raises(CxError, match="The history has no run 99"):
        history.read("scores", run=99)
    with pytest.raises(CxError, match="The name 'runs' is the history's own; name the frame otherwise"):
        history.write(2026, {"runs": SCORES})


def test_two_units_are_shrunk_by_the_closed_form():
    """REML of two units with se 1: the variance of the estimates, (10²) / 2, less 1."""
    found = shrink([0, 10], [1, 1])
    assert found.tau2 == pytest.approx(49, abs=1e-6)
    assert found.est == pytest.approx([0.1, 9.9], abs=1e-6)


def test_plain_means_by_hand():
    found = means()
    assert found.row_index.tolist() == [7, 8, 9]
    assert dict(found.headline()) == {"Plain means": "1 constructs", "Rows": "3 used"}
    assert found.tables()["Items"].to_dict("list") == {"item": ["a", "b"], "mean": [2, pytest.approx(10 / 3)]}


def test_codebooks_and_tables_of_other_kinds():
    table = pl.DataFrame({"a": [decimal.Decimal("1.5"), None]})
    assert cx.Survey(table).numeric(["a"]).ravel().tolist() == [1.5, pytest.approx(np.nan, nan_ok=True)]
    one_code = cx.Survey(pd.DataFrame({"a": [1, 2, 99]}), {"items": {"a": {"missing": 99}}})
    assert np.isnan(one_code.numeric(["a"])).ravel().tolist() == [False, False, True]
    objects = pd.DataFrame({"a": pd.Series([1, 2.0, 5], dtype=object)})
    turned = cx.Survey(objects, {"items": {"a": {"scale": [1, 5], "reversed": True}}})
    assert turned.numeric(["a"]).ravel().tolist() == [5, 4, 1]
