"""Shared by all tests: the survey most of them fit, and that hypothesis draws the same examples in every run, so that a red test is red for everybody."""

import pytest
from hypothesis import settings

import cxmodels as cx

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="module")
def mobi():
    return cx.datasets.load("mobi")
