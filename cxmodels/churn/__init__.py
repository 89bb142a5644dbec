"""Churn: labels without leaks, calibrated scores with reasons, and the list that a retention team acts on."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AalenJohansen": "competing",
    "BGNBD": "purchases",
    "Baseline": "monitor",
    "Campaign": "profit",
    "Churn": "estimator",
    "CoxHazards": "cox",
    "CustomerSplit": "splits",
    "DiscreteHazard": "hazard",
    "Drift": "monitor",
    "FeatureTable": "features",
    "Features": "features",
    "GammaGamma": "spend",
    "InactivityEvidence": "inactivity",
    "KaplanMeier": "survival",
    "Labels": "labels",
    "ParetoNBD": "purchases",
    "ShiftedBetaGeometric": "contracts",
    "TimeSplit": "splits",
    "Uplift": "uplift",
    "WeibullAFT": "aft",
    "auc": "ranking",
    "audit": "auditing",
    "backtest": "evaluation",
    "balance": "balance_check",
    "brier_parts": "curves",
    "by_group": "fairness",
    "calibration_curve": "curves",
    "calibration_error": "curves",
    "campaign_value": "profit",
    "cohorts": "inactivity",
    "compare_scores": "evaluation",
    "concordance": "foresight",
    "customer_value": "clv",
    "deciles": "curves",
    "deliver": "delivery",
    "empc": "profit",
    "evaluate": "evaluation",
    "evaluate_intervals": "evaluation",
    "gains": "curves",
    "inactivity_evidence": "inactivity",
    "judge_forecast": "forecasts",
    "lapses": "inactivity",
    "lift": "ranking",
    "load": "saved",
    "logit": "logistic",
    "mpc": "profit",
    "person_periods": "periods",
    "persuadables": "uplift_value",
    "profit_curve": "profit",
    "psi": "monitor",
    "purchase_histories": "forecasts",
    "qini": "qini_curve",
    "read_delivery": "delivery",
    "recalibration": "curves",
    "retention_triangle": "triangle",
    "score_file": "scoring",
    "score_files": "parts",
    "spells": "labels",
    "subscription_labels": "labels",
    "survival_brier": "foresight",
    "survival_calibration": "foresight",
    "targets": "contact",
    "targets_summary": "contact",
    "transaction_labels": "labels",
    "uplift_profit": "uplift_value",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from ..errors import near

        raise AttributeError(f"module 'cxmodels.churn' has no attribute '{name}'.{near(name, __all__)}")
    value = getattr(importlib.import_module(f"cxmodels.churn.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
