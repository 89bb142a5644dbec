"""What theory promises of metrics: invariances, peers of one number, and closed forms of small cases."""

import numpy as np
import pandas as pd
import pytest

from cxmodels import metrics as m
from cxmodels.errors import DataWarning
from cxmodels.metrics.times import positions
from tests.metric_answers import HOTEL, IMPORTANCE, QUALITY, SIM, near, yes

METRICS = {
    "nps": lambda **k: m.nps("nps", data=SIM, **k),
    "csat": lambda **k: m.csat("csat", data=SIM, **k),
    "mean": lambda **k: m.csat("csat", data=SIM, measure="mean", **k),
    "median": lambda **k: m.duration("weight", data=SIM, measure="median", **k),
    "csi": lambda **k: m.csi(["a1", "a2"], ["a3", "a4"], data=SIM, **k),
}


@pytest.mark.parametrize("name", METRICS)
def test_weights_have_no_unit(name):
    a, b = (METRICS[name](weights=SIM["weight"] * s, strata="stratum", clusters="psu") for s in (1, 1000))
    assert [b.value, b.se, b.ci_lower, b.ci_upper] == pytest.approx([a.value, a.se, a.ci_lower, a.ci_upper], rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_order_of_rows_does_not_matter(name):
    shuffled = SIM.sample(frac=1, random_state=2)
    a = METRICS[name](weights="weight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "SIM", shuffled)
        b = METRICS[name](weights="weight")
    assert [b.value, b.se] == pytest.approx([a.value, a.se], rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_group_is_the_metric_of_its_rows(name):
    frame = METRICS[name](by="segment").set_index("segment")
    for segment, part in SIM.groupby("segment"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(globals(), "SIM", part)
            alone = METRICS[name]()
        got = frame.loc[segment, ["value", "se", "ci_lower", "ci_upper", "n"]].tolist()
        assert got == pytest.approx([alone.value, alone.se, alone.ci_lower, alone.ci_upper, alone.n], rel=1e-9)


def test_clusters_of_copies_are_one_answer():
    # Every answer four times, as clusters, says as much as once (with n - 1, as designs do).
    x = SIM["csat"].to_numpy()
    once = m.csat(x, weights=np.ones(600))
    copies = m.csat(np.repeat(x, 4), clusters=np.repeat(np.arange(600), 4))
    assert copies.se == near(once.se)
    # Korn and Graubard's effective number falls short of 600 by the n / (n - 1) of its two variances only.
    assert copies.n_eff == pytest.approx(600, rel=0.01)


def test_same_people_asked_twice_are_a_paired_test():
    rng = np.random.default_rng(1)
    before = rng.integers(1, 6, 80)
    after = np.clip(before + rng.integers(-1, 3, 80), 1, 5)
    row = m.differences(
        m.csat, np.r_[before, after], by=np.repeat([1, 2], 80), measure="mean", compare="previous",
        clusters=np.tile(np.arange(80), 2),
    ).iloc[0]  # fmt: skip
    d = after - before
    assert [row["difference"], row["se"], row["df"]] == near([d.mean(), d.std(ddof=1) / np.sqrt(80), 79])


def test_means_differ_by_welch():
    from scipy.stats import ttest_ind

    a, b = SIM.loc[SIM["segment"] == "A", "csat"], SIM.loc[SIM["segment"] == "C", "csat"]
    table = m.differences(m.csat, "csat", data=SIM, by="segment", measure="mean", adjust="none")
    row = table.set_index(["group", "reference"]).loc[("C", "A")]
    peer = ttest_ind(b, a, equal_var=False)
    assert [row["t"], row["pvalue"], row["df"]] == near([peer.statistic, peer.pvalue, peer.df])


def test_comparisons_choose_their_groups():
    pairs = {
        c: list(
            m.differences(m.nps, "nps", data=SIM, by="segment", compare=c)[["group", "reference"]].agg(
                "".join, axis=1
            )
        )
        for c in ("pairs", "previous", "reference", "rest")
    }
    assert pairs == {
        "pairs": ["BA", "CA", "CB"], "previous": ["BA", "CB"], "reference": ["BA", "CA"],
        "rest": ["Arest", "Brest", "Crest"],
    }  # fmt: skip
    other = m.differences(m.nps, "nps", data=SIM, by="segment", compare="reference", reference="B")
    assert list(other["group"]) == ["A", "C"]
    holm = m.differences(m.nps, "nps", data=SIM, by="segment")
    p = np.sort(holm["pvalue"])
    assert holm["pvalue_adjusted"].min() == near(min(3 * p[0], 1))


def test_mover_agrees_with_newcombe():
    # Newcombe (1998), Statistics in Medicine 17, table II, method 10: 56/70 less 48/80.
    x, g = yes(56, 70) + yes(48, 80), ["b"] * 70 + ["a"] * 80
    row = m.differences(m.rate, x, by=g, interval="mover").iloc[0]
    assert [round(row["ci_lower"], 4), round(row["ci_upper"], 4)] == [0.0524, 0.3339]
    assert (row["pvalue"] < 0.05) == (row["ci_lower"] > 0)


def test_a_group_all_alike_is_warned_about():
    with pytest.warns(DataWarning, match="All answers of 'a' are alike"):
        m.differences(m.rate, yes(9, 9) + yes(4, 9), by=["a"] * 9 + ["b"] * 9)


def test_percentiles_are_those_of_numpy():
    x = np.random.default_rng(3).lognormal(size=101)
    for p in (0.1, 0.5, 0.77, 0.9):
        assert m.duration(x, measure=p).value == near(np.quantile(x, p))
    at, _ = positions(np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 1.0]))
    assert at.tolist() == [0, 0.5, 1]


def test_csat_rules():
    answers = [5, 4, 4, 3, 3, 2, 1, 5]
    assert m.csat(answers).value == 0.5
    assert m.csat(answers, top=1).value == 0.25
    assert m.csat(answers, neutral="excluded").value == near(4 / 6)
    assert m.csat(answers, neutral="excluded").missing == 2
    assert m.csat(answers, measure="net").value == near(0)
    assert m.csat(answers, measure="net", neutral="excluded").value == near(100 * (4 - 2) / 6)
    assert m.csat(answers, measure="index").value == near(100 * (np.mean(answers) - 1) / 4)
    assert m.dissatisfaction(answers).value == near(1 - m.csat(answers).value)
    assert m.dissatisfaction(answers, neutral="neutral").value == 0.25
    assert m.csat([10, 6, 5], scale=(1, 10)).value == near(2 / 3)


def test_expectation_gap():
    x = [6, 7, 8, 2]
    assert m.expectation_gap(x).value == near(np.mean(x) - 5.5)
    assert m.expectation_gap(x, measure="net").value == near(50)
    paired = m.expectation_gap([8, 7, 5], expected=[9, 9, 5])
    assert [paired.value, paired.se] == near([-1, np.std([-1, -2, 0], ddof=1) / np.sqrt(3)])


def test_ratios():
    contacts, transactions = np.array([2.0, 0, 1, 3]), np.array([10.0, 5, 10, 5])
    e = m.contact_rate(contacts, transactions)
    u = (contacts - 0.2 * transactions) / transactions.sum()
    assert [e.value, e.se] == near([0.2, np.sqrt(4 / 3 * (u**2).sum())])
    exact = m.contact_rate(0, 50)  # Garwood: -ln(0.025) / 50
    assert [exact.value, exact.ci_lower, exact.ci_upper] == near([0, 0, -np.log(0.025) / 50])
    stock = m.service_level([30, 28, 12, 30], 30)
    assert stock.value == near(100 / 120)
    assert 0 < stock.ci_lower < stock.value < stock.ci_upper <= 1


def test_customers():
    assert m.repeat_purchase([1, 3, 2, 1, 0]).n == 4
    back = m.returning_customers([1, 1, 1, 0], [1, 0, 1, 1])
    assert (back.value, back.n, back.missing) == (near(2 / 3), 3, 1)
    assert m.fcr([1, 1, 0, 1], eligible=[True, True, False, True]).value == 1


def test_clv_carries_uncertainty():
    kept = m.retention_rate(start=1000, end=900, new=100)
    value = m.clv(100, kept, 0.1)
    bumped = (m.clv(100, kept.value + 1e-6, 0.1).value - m.clv(100, kept.value, 0.1).value) / 1e-6
    assert value.se == pytest.approx(bumped * kept.se, rel=1e-4)
    finite = m.clv(100, kept, 0.1, convention="finite", periods=7)
    bumped = (
        m.clv(100, kept.value + 1e-6, 0.1, convention="finite", periods=7).value - finite.value
    ) / 1e-6  # fmt: skip
    assert finite.se == pytest.approx(bumped * kept.se, rel=1e-4)


def test_a_flat_tree_is_the_index():
    flat = m.csi(IMPORTANCE, QUALITY, data=HOTEL)
    leaves = [m.Component(q, q, i) for i, q in zip(IMPORTANCE, QUALITY, strict=True)]
    tree = m.csi_tree(m.Branch("Hotel", [m.Branch("Room", leaves[:5]), m.Branch("Rest", leaves[5:])]), HOTEL)
    assert [tree.value, tree.se] == near([flat.value, flat.se])
    assert tree.leaves["weight_total"].tolist() == near(flat.leaves["weight"].tolist())
    assert tree.components["component"].tolist()[0] == "Room"


def test_a_tree_with_own_weights_has_the_jackknife_se():
    room = m.Branch("Room", [m.Component("Bed", "qual_4", "imp_4"), m.Component("Bath", "qual_5", "imp_5")], "imp_3")
    tree = m.Branch("Hotel", [room, m.Component("Staff", "qual_7", "imp_7"), m.Component("Price", "qual_10", 2.0)])
    linear, jack = (m.csi_tree(tree, HOTEL, se=how) for how in ("linearised", "jackknife"))
    assert jack.se == pytest.approx(linear.se, rel=0.01)
    top = linear.components[linear.components["depth"] == 1]
    assert top["weight_total"].sum() == near(1)
    assert (top["weight_total"] * top["value"]).sum() == near(linear.value)


def test_csi_with_gaps_uses_every_rating():
    gaps = HOTEL.astype(float).copy()
    gaps.iloc[0:20, 10] = np.nan
    available = m.csi(IMPORTANCE, QUALITY, data=gaps)
    listwise = m.csi(IMPORTANCE, QUALITY, data=gaps, missing="listwise")
    assert (available.n, listwise.n, listwise.missing) == (60, 40, 20)
    assert available.leaves["missing"].tolist() == [20, *[0] * 9]
    assert listwise.value == near(m.csi(IMPORTANCE, QUALITY, data=HOTEL.iloc[20:]).value)
    assert m.csi(IMPORTANCE, QUALITY, data=gaps, se="jackknife").se == pytest.approx(available.se, rel=0.01)


def test_profile_of_two_samples():
    ours, theirs = (m.csi(IMPORTANCE, QUALITY, data=part) for part in (HOTEL.iloc[:30], HOTEL.iloc[30:]))
    table = m.profile(ours, theirs)
    a, b = HOTEL["qual_1"].iloc[:30], HOTEL["qual_1"].iloc[30:]
    assert table.loc["qual_1", "se"] == near(np.sqrt(a.var() / 30 + b.var() / 30))
    assert (table["pvalue_adjusted"] >= table["pvalue"]).all()


def test_indicators_and_their_path():
    table = pd.DataFrame(
        {"indicator": ["Speed", "Staff", "Price"], "weight": [5, 3, 2], "actual": [70, 80, 50], "target": [80, 80, 60],
         "se": [1.0, 2.0, 3.0], "y2026": [72, 80, 58]}
    )  # fmt: skip
    e = m.csi_indicators(table, se="se", years=[2025, 2026, 2027, 2028])
    assert (e.value, e.target) == (near(69), near(76))
    assert e.se == near(np.sqrt(0.25 + 0.36 + 0.36))
    assert e.path["index"].tolist() == near([69, 69 + 7 / 3, 69 + 14 / 3, 76])
    assert e.indicators.index[0] == "Speed"
    early = m.csi_indicators(table, years=[0, 1, 2, 3], steps="halving").path["index"]
    assert early.tolist() == near([69, 72.5, 74.25, 76])
    own = m.csi_indicators(table, years=[2025, 2026], steps={2026: "y2026"})
    assert own.path.loc[2026, "index"] == near(36 + 24 + 11.6)
    behind = own.progress(2026, {"Speed": 75, "Staff": 79, "Price": 58})
    assert behind["reached"].to_dict() == {"Speed": True, "Staff": False, "Price": True, "index": True}


def test_quality_score_and_checklist():
    sheet = pd.DataFrame({"a": [1, 1, 0, None], "b": [1, 0, 1, None], "c": [1, None, 1, None]})
    e = m.quality_score(sheet)
    assert (e.value, e.n, e.missing) == (near(np.mean([1, 0.5, 2 / 3])), 3, 1)
    assert m.quality_score(sheet, average="pooled").value == near(6 / 8)
    assert m.quality_score(sheet, points={"a": 2}).value == near(np.mean([1, 2 / 3, 0.5]))
    assert m.quality_score(sheet, critical=["a"]).value == near(np.mean([1, 0.5, 0]))
    table = m.checklist({"X": ["a", "b"], "Y": ["c"]}, sheet).set_index("block")
    assert table["value"].tolist() == near([4 / 6, 1, 6 / 8])
    alike = m.checklist({"X": ["a", "b"], "Y": ["c"]}, sheet, total="blocks").set_index("block")
    assert alike.loc["Total", "value"] == near((4 / 6 + 1) / 2)
    alone = m.checklist({"X": ["a", "b"]}, sheet.iloc[[0]])
    assert alone[["se", "ci_lower"]].isna().all(axis=None)
