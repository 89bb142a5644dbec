"""Metrics from logs: repeat contacts, working hours, and durations of which some are still running."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cxmodels import metrics as m
from cxmodels.errors import CxError, DataError, DataWarning, SpecError
from cxmodels.metrics.waiting import Curve

# -- repeat contacts -------------------------------------------------------------------------------------------------


def contacts(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "who": rng.integers(0, 60, n),
            "at": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.uniform(0, 90, n), unit="D"),
            "about": rng.choice(["bill", "line"], n),
            "channel": rng.choice(["chat", "phone"], n),
        }
    )


def by_hand(log, window, topic, issues=False):
    """Resolved or not, contact by contact."""
    day = (log["at"] - log["at"].min()).dt.total_seconds() / 86400
    out = []
    for i, row in log.iterrows():
        same = (log["who"] == row["who"]) & (log["about"] == row["about"] if topic else True) & (log.index != i)
        gap = day[same] - day[i]
        follows, repeats = ((gap > 0) & (gap <= window)).any(), ((gap < 0) & (gap >= -window)).any()
        counted = day[i] <= day.max() - window and not (issues and (repeats or day[i] < window))
        out.append(float(not follows) if counted else np.nan)
    return pd.Series(out)


@pytest.mark.parametrize("topic", [None, "about"])
@pytest.mark.parametrize("count", ["contacts", "issues"])
def test_first_contact_resolution_from_a_log(topic, count):
    log = contacts()
    wanted = by_hand(log, 7, topic, count == "issues")
    found = m.fcr_from_log("who", "at", topic=topic, window=7, count=count, data=log)
    assert (found.value, found.n) == (pytest.approx(wanted.mean()), wanted.notna().sum())
    assert found.se == pytest.approx(m.rate(wanted, clusters=log["who"]).se)
    assert "contacts of the last 7 days left out" in found.method
    shuffled = log.sample(frac=1, random_state=1)
    again = m.fcr_from_log("who", "at", topic=topic, window=7, count=count, data=shuffled)
    assert (again.value, again.se) == (pytest.approx(found.value), pytest.approx(found.se))


def test_contacts_by_group_and_in_numbers():
    log = contacts()
    frame = m.fcr_from_log("who", "at", data=log, by="channel")
    assert frame["channel"].tolist() == ["chat", "phone"]
    assert np.average(frame["value"], weights=frame["n"]) == pytest.approx(
        m.fcr_from_log("who", "at", data=log).value
    )
    test = m.differences(m.fcr_from_log, "who", "at", data=log, by="channel")
    assert test.loc[0, "difference"] == pytest.approx(frame["value"].diff().iloc[1])
    day = (log["at"] - log["at"].min()).dt.total_seconds() / 86400
    assert m.fcr_from_log(log["who"], day).value == m.fcr_from_log("who", "at", data=log).value
    assert m.fcr_from_log(["a", "a"], [0, 7], until=20).value == 0.5  # the seventh day is within seven days
    assert m.fcr_from_log(["a", "a"], [0, 7.01], until=20).value == 1


def test_contacts_without_customer_are_counted():
    log = contacts()
    log["who"] = log["who"].astype(object).where(log.index > 10)
    assert m.fcr_from_log("who", "at", data=log).missing >= 11


def test_contact_rate_of_two_logs():
    table = m.per_customer(["a", "a", "b"], ["a", "b", "b", "c"])
    assert m.contact_rate("contacts", "transactions", data=table).value == 0.75
    with pytest.warns(DataWarning, match="1 of 2 contacts have no customer"):
        m.per_customer(["a", None], ["a"])


# -- how long --------------------------------------------------------------------------------------------------------


def test_working_hours_against_counting_minutes():
    rng = np.random.default_rng(3)
    start = pd.Timestamp("2025-04-28") + pd.to_timedelta(rng.integers(0, 20 * 1440, 40), unit="min")
    end = start + pd.to_timedelta(rng.integers(0, 8 * 1440, 40), unit="min")
    free = ["2025-05-01"]
    found = m.elapsed(start, end, unit="minutes", hours=(8.5, 17), holidays=free)["duration"]
    for a, b, got in zip(start, end, found, strict=True):
        minutes = pd.date_range(a, b, freq="min", inclusive="left")
        clock = minutes.hour + minutes.minute / 60
        works = (clock >= 8.5) & (clock < 17) & (minutes.day_of_week < 5) & (minutes.normalize() != "2025-05-01")
        assert got == pytest.approx(works.sum())
    whole = m.elapsed(start, end, unit="days")["duration"]
    np.testing.assert_allclose(whole, (end - start).total_seconds() / 86400)


def test_open_matters_wait_until_the_log_was_read():
    log = pd.DataFrame({"asked": ["2025-03-01", "2025-03-02", None], "settled": ["2025-03-03", None, None]})
    found = m.elapsed("asked", "settled", data=log, unit="days", until="2025-03-10")
    assert found["duration"].tolist()[:2] == [2, 8]
    assert found["open"].tolist()[:2] == [False, True]
    assert found.loc[2].isna().all()
    assert m.duration("duration", open="open", data=found, measure="median").missing == 1
    later = m.elapsed("asked", "settled", data=log, unit="days", until="2025-03-02 12:00")
    assert later["open"].tolist()[:2] == [True, True]  # it was settled only after that


def test_summer_time_is_no_waiting():
    times = pd.to_datetime(["2025-03-29 18:00", "2025-03-30 18:00", "2025-03-31 10:00"]).tz_localize("Europe/Berlin")
    day = m.elapsed(times[:1], times[1:2])
    assert day["duration"].tolist() == [23]  # clocks went forward that night
    work = m.elapsed(times[:1], times[2:], hours=(8, 20), weekdays=range(7))
    assert work["duration"].tolist() == [2 + 12 + 2]
    still = m.elapsed(times[:1], pd.to_datetime([None]).tz_localize("Europe/Berlin"), until="2025-03-30 18:00")
    assert still.values.tolist() == [[23, True]]


def waits(n=200, seed=1):
    rng = np.random.default_rng(seed)
    time, seen = rng.exponential(10, n), rng.uniform(0, 25, n)
    return np.round(np.minimum(time, seen), 1), time > seen


def test_product_limit_against_scipy():
    time, still = waits()
    wanted = stats.ecdf(stats.CensoredData.right_censored(time, still)).sf
    ends = wanted.confidence_interval(method="linear")
    curve = Curve(time, ~still, np.ones(len(time)))
    at = np.isin(wanted.quantiles, curve.at)
    np.testing.assert_allclose(curve.survival, wanted.probabilities[at], atol=1e-12)
    for target in (2.0, 8.0, 15.0):
        e = m.duration(time, open=still, measure="within", target=target)
        assert e.value == pytest.approx(1 - wanted.evaluate(target))
        half = (ends.high.evaluate(target) - ends.low.evaluate(target)) / 2
        assert e.se == pytest.approx(half / stats.norm.ppf(0.975), rel=1e-9)  # Greenwood


def test_restricted_mean_is_the_area_with_its_jackknife_error():
    time, still = waits(80)
    e = m.duration(time, open=still, measure="mean", horizon=12)
    grid = np.arange(0, 12, 1e-3) + 5e-4
    curve = Curve(time, ~still, np.ones(80))
    assert e.value == pytest.approx(np.mean([curve.running(t) for t in grid]) * 12, abs=0.01)
    left = [m.duration(np.delete(time, i), open=np.delete(still, i), horizon=12).value for i in range(80)]
    assert e.se == pytest.approx(np.sqrt(79 / 80 * ((left - np.mean(left)) ** 2).sum()), rel=0.02)


def test_nothing_open_is_the_plain_metric():
    time, _ = waits()
    none = np.zeros(len(time), dtype=bool)
    for measure, options in (("mean", {}), ("within", {"target": 5})):
        a, b = (m.duration(time, measure=measure, **options, **k) for k in ({}, {"open": none}))
        assert (b.value, b.se) == (pytest.approx(a.value), pytest.approx(a.se))
        assert (b.ci_lower, b.ci_upper) == (pytest.approx(a.ci_lower), pytest.approx(a.ci_upper))
    a, b = (m.duration(time, measure="median", **k) for k in ({}, {"open": none}))
    assert b.value == pytest.approx(a.value, abs=0.2)
    assert b.ci_lower == pytest.approx(a.ci_lower, abs=0.2)
    assert b.ci_upper == pytest.approx(a.ci_upper, abs=0.2)


def test_weights_are_repetitions_and_clusters_count():
    time, still = waits(60)
    w = np.resize([1, 2, 3], 60)
    for measure, options in (("median", {}), ("mean", {"horizon": 10}), ("within", {"target": 4})):
        a = m.duration(time, open=still, measure=measure, weights=w, **options)
        b = m.duration(np.repeat(time, w), open=np.repeat(still, w), measure=measure, **options)
        assert a.value == pytest.approx(b.value)
        ids = np.repeat(np.arange(60), w)
        c = m.duration(np.repeat(time, w), open=np.repeat(still, w), measure=measure, clusters=ids, **options)
        assert c.se == pytest.approx(a.se, rel=0.2 if measure == "median" else 1e-9)


def test_intervals_of_open_durations_cover():
    """200 logs of 60 tickets, a third still open: dropping them would give a median of 4.6 for one of 6.9."""
    rng = np.random.default_rng(5)
    hits, dropped = np.zeros(3), []
    truth = 10 * np.log(2), 10 * (1 - np.exp(-1)), 1 - np.exp(-0.5)
    for _ in range(200):
        time, seen = rng.exponential(10, 60), rng.uniform(5, 30, 60)
        x, still = np.minimum(time, seen), time > seen
        dropped.append(np.median(x[~still]))
        kinds = (("median", {}), ("mean", {"horizon": 10}), ("within", {"target": 5}))
        for k, (measure, options) in enumerate(kinds):
            if measure == "mean" and x.max() < 10:
                continue
            e = m.duration(x, open=still, measure=measure, **options)
            hits[k] += e.ci_lower <= truth[k] <= e.ci_upper
    assert ((hits / 200 > 0.91) & (hits / 200 < 0.99)).all(), hits / 200
    assert np.mean(dropped) < 5.5


def test_a_percentile_that_too_few_reached_is_not_known():
    e = m.duration([1, 2, 3, 4], open=[0, 1, 1, 1], measure="median")
    assert np.isnan(e.value)
    assert e.ci_upper == np.inf
    frame = m.duration([1, 2, 3, 4], open=[0, 1, 1, 1], measure=["median", 0.2], by=["a", "a", "b", "b"])
    assert len(frame) == 4


BAD = [
    (lambda: m.fcr_from_log("who", "at"), "'who' is the name of a column"),
    (lambda: m.fcr_from_log(["a"], ["soon"]), "cannot be read as a date or time in 1 of 1 row, such as 'soon'"),
    (lambda: m.fcr_from_log(["a", "b"], [0, 3]), "All 2 contacts lie within 7 days"),
    (lambda: m.fcr_from_log(["a", "b"], [0, 30], until=20), "1 of 2 rows lie after until=20"),
    (lambda: m.fcr_from_log(["a"], [0], window=0), "window is a number of days"),
    (lambda: m.fcr_from_log(["a"], [0], count="customers"), "Unknown count='customers'"),
    (lambda: m.elapsed(["2025-01-02"], ["2025-01-01"]), "1 of 1 row end, or are read, before"),
    (lambda: m.elapsed([1], [2]), "start holds numbers"),
    (lambda: m.elapsed(["2025-01-02"], ["2025-01-03"], hours=(17, 9)), "hours are two clock hours"),
    (lambda: m.elapsed(["2025-01-02"], ["2025-01-03"], hours=(9, 17), weekdays=(7,)), "weekdays are numbers"),
    (lambda: m.duration([1, 2], open=[0, 1]), "The longest of 2 durations, 2, is still open"),
    (lambda: m.duration([1, 2], open=[0, 1], horizon=5), "horizon=5 lies beyond the longest"),
    (lambda: m.duration([1, 2], horizon=1), "horizon= is for durations of which some are open"),
    (lambda: m.duration([1, 2], open=[0, 1], measure="geometric_mean"), "geometric mean of durations still open"),
    (lambda: m.duration([1, 2], open=[0, 3]), "must hold True and False only"),
    (lambda: m.duration([1, 2], open=[0]), "There are 2 durations and 1 entries of open"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda c: c[1][:40])
def test_bad_logs(case):
    with pytest.raises(CxError, match=case[1]) as caught:
        case[0]()
    assert isinstance(caught.value, DataError | SpecError)
    assert "\n" not in str(caught.value)
