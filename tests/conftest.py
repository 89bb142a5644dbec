"""Shared by all tests: hypothesis draws the same examples in every run, so that a red test is red for everybody."""

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")
