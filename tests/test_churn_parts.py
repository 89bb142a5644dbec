"""Parts scored on several workers, a Dask cluster on this machine included, give the numbers of one file."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from joblib import parallel_config

import cxmodels as cx
from cxmodels.errors import DataError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("parts")
    data = cx.datasets.load("telco").head(1500).assign(customer_id=range(1500))
    model = cx.Churn(candidates=["linear"], folds=3).fit(data.drop(columns=["churn", "customer_id"]), data["churn"])
    data.to_parquet(place / "whole.parquet")
    (place / "in").mkdir()
    for k in range(5):
        data.iloc[300 * k : 300 * (k + 1)].to_parquet(place / "in" / f"part-{k}.parquet")
    cx.churn.score_file(model, place / "whole.parquet", place / "scored.parquet", intervals=True)
    return place, model


def gathered(told):
    return plain(pd.concat([plain(pd.read_parquet(p)) for p in told.path], ignore_index=True))


def plain(scored):
    """Flags are stored as a dictionary of what occurs in a file."""
    return scored.assign(flags=scored["flags"].astype(str))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parts_are_the_whole(home, n_jobs):
    place, model = home
    seen = []
    told = cx.churn.score_files(
        model, place / "in", place / f"out{n_jobs}", n_jobs=n_jobs, intervals=True, progress=lambda *a: seen.append(a)
    )
    assert told.rows.sum() == 1500
    assert seen[-1] == (5, 5)
    pd.testing.assert_frame_equal(gathered(told), plain(pd.read_parquet(place / "scored.parquet")))


def test_a_cluster_gives_the_same_bits(home):
    distributed = pytest.importorskip("distributed")
    place, model = home
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cluster's own machinery
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True
        )
        with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
            told = cx.churn.score_files(model, place / "in", place / "dask", n_jobs=-1, intervals=True)
    pd.testing.assert_frame_equal(gathered(told), plain(pd.read_parquet(place / "scored.parquet")))


def test_bad_parts_are_named(home, tmp_path):
    place, model = home
    with pytest.raises(DataError, match=r"no \.parquet file"):
        cx.churn.score_files(model, tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="no file to score"):
        cx.churn.score_files(model, [], tmp_path / "out")
    with pytest.raises(DataError, match="written over"):
        cx.churn.score_files(model, [place / "in" / "part-0.parquet", "x/part-0.parquet"], tmp_path / "out")
    pd.read_parquet(place / "in" / "part-1.parquet").drop(columns="tenure").to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"Part 'bad\.parquet': .*tenure"):
        cx.churn.score_files(model, [tmp_path / "bad.parquet"], tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
