"""Metrics against the closed forms and R's survey 4.1 in tests/reference/drivers, against theory, and against bad input."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import DataWarning
from cxmodels.metrics.times import positions

FOLDER = Path(__file__).parent / "reference" / "drivers"
GOLD = json.loads((FOLDER / "cx_metrics.json").read_text())
SIM = pd.read_csv(FOLDER / "data" / "cx_sim.csv")
HOTEL = pd.read_csv(FOLDER / "data" / "csi_hotel.csv")
IMPORTANCE, QUALITY = [f"imp_{j}" for j in range(1, 11)], [f"qual_{j}" for j in range(1, 11)]
CLOSE = {"abs": 1e-9, "rel": 1e-10}
SURVEY = {"rel": 0, "abs": 1e-6}  # R's survey, printed with fewer digits


def near(expected, **how):
    return pytest.approx(expected, **(how or CLOSE))


def nps_answers(case):
    return [10] * case["promoters"] + [8] * case["passives"] + [4] * case["detractors"]


def yes(x, n):
    return [1] * x + [0] * (n - x)


# -- the reference numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOLD["nps_counts"], ids=lambda c: f"n={c['n']}")
def test_nps_of_counts(case):
    answers = nps_answers(case)
    clip = lambda ends: [max(ends[0], -100), min(ends[1], 100)]  # noqa: E731
    raw = m.nps(answers)
    assert (raw.value, raw.se, raw.n) == (near(case["nps"]), near(case["se"]), case["n"])
    assert [raw.ci_lower, raw.ci_upper] == near(clip(case["adjusted_wald"]["ci95"]))
    wald, t = m.nps(answers, interval="wald"), m.nps(answers, interval="t")
    assert [wald.ci_lower, wald.ci_upper] == near(clip(case["ci95_wald"]))
    assert t.se == near(case["se_n_minus_1"])
    assert [t.ci_lower, t.ci_upper] == near(clip(case["ci95_t"]))
    assert sum(raw.parts.values()) == near(1)


def test_nps_difference():
    first, second, *_ = GOLD["nps_counts"]
    gold = GOLD["nps_difference_case2_minus_case1"]
    d = m.difference(m.nps(nps_answers(second)), m.nps(nps_answers(first)))
    assert (d.value, d.se) == (near(gold["diff"]), near(gold["se"]))
    assert (d.parts["t"], d.parts["pvalue"]) == (near(gold["z"]), near(gold["p_two_sided"]))
    assert [d.ci_lower, d.ci_upper] == near(gold["ci95"])
    both = nps_answers(second) + nps_answers(first)
    wave = ["b"] * second["n"] + ["a"] * first["n"]
    row = m.differences(m.nps, both, by=wave).iloc[0]
    assert [row["difference"], row["se"], row["t"], row["pvalue"]] == near([d.value, d.se, *d.parts.values()])


@pytest.mark.parametrize("case", GOLD["proportions"]["cases"], ids=lambda c: f"{c['x']}-{c['n']}")
@pytest.mark.parametrize("interval", ["wilson", "wald", "agresti_coull", "clopper_pearson"])
def test_share(case, interval):
    for e in (
        m.rate(yes(case["x"], case["n"]), interval=interval),
        m.proportion(case["x"], case["n"], interval=interval),
    ):
        assert (e.value, e.se) == (near(case["share"]), near(case["se"]))
        lower, upper = case[f"ci95_{interval}"]
        assert [e.ci_lower, e.ci_upper] == near([max(lower, 0), min(upper, 1)])


def test_share_has_many_names():
    answers = yes(37, 50)
    for metric in (m.fcr, m.response_rate, m.conversion, m.churn_rate, m.retention_rate):
        assert metric(answers).frame["ci_lower"][0] == near(0.6044684273515)
    assert m.csat([5] * 37 + [3] * 13).ci_upper == near(0.8412847250645)


def test_ces():
    gold = GOLD["ces_1_to_7"]
    mean = m.ces(gold["ratings"])
    assert [mean.value, mean.se, mean.ci_lower, mean.ci_upper] == near([gold["mean"], gold["se"], *gold["ci95_t"]])
    assert mean.parts["sd"] == near(gold["sd"])
    for interval in ("wilson", "wald", "agresti_coull", "clopper_pearson"):
        top = m.ces(gold["ratings"], measure="top_box", interval=interval)
        assert top.value == near(0.75)
        assert [top.ci_lower, top.ci_upper] == near(np.clip(gold["top_box_5_7"][f"ci95_{interval}"], 0, 1).tolist())
    assert m.ces(gold["ratings"], measure="net").value == near(gold["net_ces"])
    turned = [8 - x for x in gold["ratings"]]
    assert m.ces(turned, measure="net", reverse=True).value == near(gold["net_ces"])


def test_times():
    gold = GOLD["response_time_minutes"]
    mean = m.first_response_time(gold["values"])
    assert [mean.value, mean.se] == near([gold["mean"], gold["se"]])
    assert [mean.ci_lower, mean.ci_upper] == near(gold["ci95_t"], rel=1e-9)  # old quantiles of t have 10 digits
    assert m.duration(gold["values"], measure="median").value == near(gold["median"])
    assert m.duration(gold["values"], measure="p90").value == near(gold["p90_linear_interpolation"])
    geometric = m.duration(gold["values"], measure="geometric_mean")
    assert geometric.value == near(gold["geometric_mean"])
    assert [geometric.ci_lower, geometric.ci_upper] == near(gold["geometric_mean_ci95"])
    within = m.resolution_time(gold["values"], measure="within", target=60)
    assert [within.value, within.se] == near([0.8, gold["share_within_60"]["se"]])
    assert [within.ci_lower, within.ci_upper] == near(gold["share_within_60"]["ci95_wilson"])


def test_churn_and_retention():
    gold = GOLD["churn_retention"]
    counts = {"start": gold["customers_start"], "end": gold["customers_end"], "new": gold["new_customers"]}
    churn, kept = m.churn_rate(**counts), m.retention_rate(**counts)
    assert (churn.value, kept.value) == (near(gold["churn"]), near(gold["retention"]))
    assert [churn.ci_lower, churn.ci_upper] == near(gold["churn_ci"]["ci95_wilson"])
    assert m.annual(0.02).value == near(gold["annual_from_monthly_churn_2pct"])
    assert m.lifetime(churn).value == near(gold["expected_lifetime_periods"])
    year = m.annual(churn)
    assert [year.ci_lower, year.ci_upper] == near([1 - (1 - e) ** 12 for e in gold["churn_ci"]["ci95_wilson"]])


def test_clv():
    gold = GOLD["clv"]
    given = (gold["margin"], gold["retention"], gold["discount"])
    assert m.clv(*given).value == near(gold["infinite_first_margin_now"])
    later = m.clv(*given, convention="first_margin_later")
    assert later.value == near(gold["infinite_first_margin_after_one_period"])
    finite = m.clv(*given, convention="finite", periods=5)
    assert finite.value == near(gold["finite_5_periods_t0_to_4"])
    assert len({m.clv(*given).method, later.method, finite.method}) == 3


def test_csi_of_respondents():
    gold = GOLD["csi_respondent_data"]
    e = m.csi(IMPORTANCE, QUALITY, data=HOTEL, names=gold["components"])
    assert (e.value, e.se) == (near(gold["csi_pct"]), near(gold["se_pct_linearised"]))
    assert [e.ci_lower, e.ci_upper] == near(gold["ci95_normal_pct"])
    table = e.leaves
    assert list(table.index) == gold["components"]
    assert table["importance"].tolist() == near(gold["mean_importance"])
    assert table["quality"].tolist() == near(gold["mean_quality"])
    assert table["weight"].tolist() == near(gold["weights"])
    assert (table["weight"] * table["quality"]).tolist() == near(gold["weighted_quality"])
    assert table["dissatisfied"].tolist() == near(gold["share_dissatisfied_1_2_3"])
    assert (1 - table["dissatisfied"]).tolist() == near(gold["share_satisfied_4_5"])
    assert table["contribution"].sum() == near(e.value)
    assert m.csi(IMPORTANCE, QUALITY, data=HOTEL, form="index").value == near(gold["csi_pct_rescaled_0_100"])
    assert m.csi(IMPORTANCE, QUALITY, data=HOTEL, se="jackknife").se == near(gold["se_pct_jackknife"])
    own = m.csi(IMPORTANCE, QUALITY, data=HOTEL, average="respondents")
    assert [own.value, own.se] == near([gold["respondent_level"]["csi_pct"], gold["respondent_level"]["se_pct"]])
    assert m.csi_scores(IMPORTANCE, QUALITY, data=HOTEL).mean() == near(own.value)


def test_csi_of_the_hotel_by_hand():
    gold = GOLD["csi_hotel_hand"]
    names = gold["components"]
    ours = m.csi(gold["importance"], gold["quality"], names=names)
    theirs = m.csi(gold["importance"], gold["competitor_quality"], names=names)
    assert round(ours.value, 4) == 78.0558
    assert ours.value == near(gold["csi_pct"])
    assert ours.value / 100 * 5 == near(gold["csi_points"])
    assert np.isnan(ours.se)
    assert m.csi(gold["importance"], gold["quality"], form="index").value == near(gold["csi_pct_rescaled_0_100"])
    assert theirs.value == near(gold["competitor_csi_pct"])
    assert ours.value - theirs.value == near(gold["csi_gap_pct"])
    assert ours.leaves["weight"].to_dict() == near(gold["weights"])
    for competitor in (dict(zip(names, gold["competitor_quality"], strict=True)), theirs):
        profile = m.profile(ours, competitor)
        assert profile["gap"].to_dict() == near(gold["profile_gap_vs_competitor"])
        assert profile["contribution"].to_dict() == near(gold["gap_contribution_pct"])
    gap = ours.leaves["importance"] - ours.leaves["quality"]
    assert gap.to_dict() == near(gold["importance_minus_quality"])


@pytest.mark.parametrize(
    ("cut", "case"),
    [("mean", "mean_cut"), ("midpoint", "scale_midpoint_cut"), ("strict", "neutral_is_dissatisfied_cut")],
)
def test_quadrants(cut, case):
    gold = GOLD["csi_hotel_hand"]
    expected = gold[f"ipa_{case}"]
    table = m.csi(gold["importance"], gold["quality"], names=gold["components"]).quadrants(cut)
    assert table["importance_cut"].iloc[0] == near(expected["importance_cut"])
    assert table["quality_cut"].iloc[0] == near(expected["performance_cut"])
    assert table["quadrant"].to_dict() == expected["quadrants"]
    same = m.quadrants(table["importance"], table["quality"], cut=tuple(table.iloc[0, 2:4]))
    pd.testing.assert_frame_equal(same, table)


DESIGNS = {
    "unweighted": {"weights": np.ones(600)},
    "weighted": {"weights": "weight"},
    "strata_clusters": {"weights": "weight", "strata": "stratum", "clusters": "psu"},
}


@pytest.mark.parametrize("case", DESIGNS)
def test_survey_standard_errors(case):
    gold, design = GOLD["cx_survey_weighted"][case], DESIGNS[case]
    nps = m.nps("nps", data=SIM, interval="t", **design)
    assert [nps.value, nps.se] == near([gold["nps"]["estimate"], gold["nps"]["se"]], **SURVEY)
    assert [nps.ci_lower, nps.ci_upper] == near(gold["nps"]["ci95_t"], **SURVEY)
    assert nps.df == gold["nps"]["df"]
    if case != "strata_clusters":  # there the normal interval gives way to Student's
        wald = m.nps("nps", data=SIM, interval="wald", **design)
        assert [wald.ci_lower, wald.ci_upper] == near(gold["nps"]["ci95_normal"], **SURVEY)
    top = m.csat("csat", data=SIM, **design)
    assert [top.value, top.se] == near([gold["csat_top2_share"][k] for k in ("estimate", "se")], **SURVEY)
    mean = m.csat("csat", data=SIM, measure="mean", **design)
    assert [mean.value, mean.se] == near([gold["csat_mean"][k] for k in ("estimate", "se")], **SURVEY)
    assert [mean.ci_lower, mean.ci_upper] == near(gold["csat_mean"]["ci95_t"], **SURVEY)


def test_survey_domains_and_effective_sample():
    gold = GOLD["cx_survey_weighted"]
    frame = m.nps("nps", data=SIM, weights="weight", by="segment").set_index("segment")
    for segment, expected in gold["weighted_nps_by_segment"].items():
        assert frame.loc[segment, ["value", "se"]].tolist() == near([expected["nps"], expected["se"]], **SURVEY)
    e = m.nps("nps", data=SIM, weights="weight")
    assert (e.n, e.n_eff) == (gold["kish"]["n"], near(gold["kish"]["n_eff"]))
    assert e.n / e.n_eff == near(gold["kish"]["deff"])


# -- what theory promises -----------------------------------------------------------------------------------------

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


# -- what comes in, and what is said ------------------------------------------------------------------------------


def test_any_kind_of_answers():
    plain = [10, 9, 3, None, 8]
    expected = m.nps(plain)
    assert (expected.n, expected.missing) == (4, 1)
    survey = cx.Survey({"q": plain, "w": [1, 1, 1, 1, 1]}, {"items": {"q": {"scale": [0, 10]}}})
    for other in (
        m.nps(pd.Series(plain)),
        m.nps(pd.Series(plain, dtype="Int64")),
        m.nps(pl.Series("q", plain)),
        m.nps(np.array([10, 9, 3, np.nan, 8])),
        m.nps("q", data=pl.DataFrame({"q": plain})),
        m.nps("q", data=survey),
    ):
        assert other == expected
    brought = cx.Survey({"q": plain, "w": [1, 2, 3, 4, 5]}, {"weights": "w"})
    assert m.nps("q", data=brought).value == near(100 * (3 - 3) / 11)
    assert expected.excluded["rows"].tolist() == [1]


def test_zero_weights_leave_rows_out():
    e = m.csat([5, 4, 1, 2], weights=[1, 1, 0, 1])
    assert (e.n, e.missing, e.value) == (3, 1, near(2 / 3))


def test_groups_keep_their_order_and_are_all_shown():
    by = pd.Categorical(["Q4", "Q1", "Q4", "Q1", "Q2"], categories=["Q4", "Q1", "Q2", "Q3"])
    frame = m.csat([5, 4, 3, 2, None], by=by)
    assert frame["group"].tolist() == ["Q4", "Q1", "Q2"]
    assert frame["n"].tolist() == [2, 2, 0]
    assert np.isnan(frame["value"].iloc[2])
    two = m.nps("nps", data=SIM, by=["segment", "stratum"])
    assert two.columns[:2].tolist() == ["segment", "stratum"]
    assert two["n"].sum() == 600
    with pytest.warns(DataWarning, match="1 of 3 rows without 'group'"):
        m.csat([5, 4, 3], by=["a", None, "b"])


def test_a_single_answer_has_no_standard_error():
    e = m.csat([4], measure="mean")
    assert np.isnan([e.se, e.ci_lower, e.ci_upper]).all()
    assert "unknown" in repr(e)


def test_estimates_show_themselves():
    e = m.nps([10, 9, 3, None, 8])
    assert "1 rows without an answer left out" in repr(e)
    assert "adjusted Wald" in e._repr_html_()
    assert e.frame.columns[:5].tolist() == ["metric", "value", "se", "ci_lower", "ci_upper"]
    assert "Components" in m.csi(IMPORTANCE, QUALITY, data=HOTEL)._repr_html_()
    assert float(e) == e.value


def test_scale_confirmed_lets_all_detractors_pass():
    assert m.nps([1, 2, 3, 4, 5], scale=(0, 10)).value == -100
    assert m.nps([3, 3, 3]).value == -100
    assert m.nps([0, 2, 3]).value == -100


def test_nothing_warns_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m.csi(IMPORTANCE, QUALITY, data=HOTEL, by=np.arange(60) % 2)
        m.duration([1, 2, 3], measure=["mean", "median", "p90", "geometric_mean"])
