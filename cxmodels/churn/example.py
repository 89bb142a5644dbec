"""A table for a churn model from the simulated subscription business: what was known of each customer, and who left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .features import Features
from .labels import subscription_labels

DATES = ("2023-06-30", "2023-12-31", "2024-06-30", "2024-09-30")
HORIZON = 92  # three month ends

FEATURES = (
    Features()
    .attributes("customers", ("region", "age", "channel"))
    .latest("subscriptions", ("plan", "price"), date="start")
    .window("usage", ("minutes", "sessions"), days=(30, 90), stats=("sum",))
    .trend("usage", "minutes", days=30)
    .window("tickets", days=(30, 90), stats="count")
    .recency("tickets")
    .window("payments", "amount", days=90, stats="mean")
    .latest("surveys", ("satisfaction", "speed", "service", "reliability", "recommend"))
)


def snapshots(tables: Mapping[str, Any]) -> pd.DataFrame:
    """Build labels and features at four dates.

    Parameters
    ----------
    tables : mapping of str to frame
        Of :func:`simulate_subscribers`, with its default months.

    Returns
    -------
    DataFrame
        One row per customer at risk and date: customer_id, as_of_date, horizon_days, churned, and the features.

    Examples
    --------
    >>> import cxmodels as cx
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=200)
    >>> sorted(snapshots(tables)["churned"].unique().tolist())
    [0, 1]
    """
    labels = subscription_labels(tables["subscriptions"], DATES, HORIZON)
    return FEATURES.build(labels, tables).frame.astype({"churned": int})
