"""Numbers that a warehouse holds as text, blanks among them, score in SQL as they do in the frame."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx

from .postgres import server


@pytest.fixture(scope="module")
def made():
    data = cx.datasets.load("telco").head(900)
    model = cx.Churn(candidates=["linear"], folds=3).fit(data.drop(columns="churn"), data["churn"])
    raw = data.head(200).reset_index(drop=True).assign(customer_id=range(200))
    raw["total_charges"] = raw["total_charges"].map(lambda v: " " if np.isnan(v) else f" {v}")
    raw.loc[0, "total_charges"] = "n/a"
    raw.loc[1, "total_charges"] = ""
    wanted = model.predict_proba(raw.assign(total_charges=pd.to_numeric(raw.total_charges, errors="coerce")))[:, 1]
    return model, raw, wanted


def check(found, wanted):
    found = dict(found)
    assert np.abs(np.array([found[i] for i in range(200)]) - wanted).max() < 1e-12


def test_duckdb(made):
    import duckdb

    model, raw, wanted = made
    db = duckdb.connect()
    db.register("customers", raw)
    check(db.execute(model.to_sql("duckdb", ids="customer_id")).fetchall(), wanted)


def test_sqlite(made):
    model, raw, wanted = made
    with closing(sqlite3.connect(":memory:")) as db:
        raw.to_sql("customers", db, index=False)
        check(db.execute(model.to_sql("sqlite", ids="customer_id")).fetchall(), wanted)


def test_postgresql(made):
    import sqlalchemy as sql

    model, raw, wanted = made
    with server() as url:
        engine = sql.create_engine(url)
        raw.to_sql("customers", engine, index=False)
        with engine.connect() as db:
            query = sql.text(model.to_sql("postgresql", ids="customer_id").replace(":", r"\:"))
            check([tuple(r) for r in db.execute(query)], wanted)
        engine.dispose()
