"""From the name of an estimator to what is minimised, which standard errors and which test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import SpecError, described, listed, near

__all__ = ["ESTIMATORS", "Plan", "plan_for"]

# name -> discrepancy, standard errors, test, information
ESTIMATORS = {
    "ML": ("ML", "standard", "standard", "expected"),
    "MLM": ("ML", "robust.sem", "satorra.bentler", "expected"),
    "MLMV": ("ML", "robust.sem", "scaled.shifted", "expected"),
    "MLMVS": ("ML", "robust.sem", "mean.var.adjusted", "expected"),
    "MLR": ("ML", "robust.huber.white", "yuan.bentler.mplus", "observed"),
    "MLF": ("ML", "first.order", "standard", "first.order"),
    "GLS": ("GLS", "standard", "standard", "expected"),
    "WLS": ("WLS", "standard", "standard", "expected"),
    "DWLS": ("DWLS", "standard", "standard", "expected"),
    "WLSM": ("DWLS", "robust.sem", "satorra.bentler", "expected"),
    "WLSMV": ("DWLS", "robust.sem", "scaled.shifted", "expected"),
    "ULS": ("ULS", "standard", "standard", "expected"),
    "ULSM": ("ULS", "robust.sem", "satorra.bentler", "expected"),
    "ULSMV": ("ULS", "robust.sem", "scaled.shifted", "expected"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is estimated.

    Attributes
    ----------
    name : str
        The estimator asked for.
    kind : {"ML", "GLS", "WLS", "DWLS", "ULS"}
    se, test, information : str
        As lavaan calls them.
    fiml : bool
        Whether rows with missing values take part.
    unbiased : bool
        Whether moments have divisor n - 1 and the test statistic its multiple.
    """

    name: str
    kind: str
    se: str
    test: str
    information: str
    fiml: bool = False
    unbiased: bool = False

    @property
    def robust(self) -> bool:
        """Whether the test is corrected."""
        return self.test != "standard"


def plan_for(
    name: str, *, information: str | None, fiml: bool, clustered: bool, weighted: bool, wishart: bool,
    ordinal: bool = False,
) -> Plan:  # fmt: skip
    """Resolve an estimator; clusters and strata, and weights under ML, ask for robust standard errors.

    Parameters
    ----------
    name : str
        One of `ESTIMATORS`, in any case.
    information : {"expected", "observed"} or None
        None takes the estimator's own; observed where rows are incomplete.
    fiml, clustered, weighted, wishart, ordinal : bool
        What the data and the likelihood are like; clustered: drawn in clusters or strata.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
        For an unknown estimator, or one that cannot do what is asked.
    """
    upper = name.upper() if isinstance(name, str) else ""
    if upper not in ESTIMATORS:
        raise SpecError(
            f"Unknown estimator {described(name)}; choose from {listed(ESTIMATORS, 20)}.{near(upper, ESTIMATORS)}"
        )
    if upper == "ML" and (clustered or weighted):
        upper = "MLR"
    kind, se, test, default = ESTIMATORS[upper]
    plan = Plan(upper, kind, se, test, default, fiml, kind != "ML" or wishart)
    if fiml:
        if kind != "ML" or upper in ("MLM", "MLMV", "MLMVS"):
            raise SpecError(
                f"missing='fiml' is maximum likelihood and cannot be combined with estimator {upper}; "
                "use ML or MLR, or missing='listwise'."
            )
        plan = replace(plan, information="observed" if se != "first.order" else "first.order")
    if (clustered or weighted) and not (se.startswith("robust") or kind == "WLS"):
        raise SpecError(
            f"{'Clusters or strata' if clustered else 'Weights'} would be ignored by the standard errors and test of {upper}; "
            f"use estimator {'WLSMV' if ordinal else 'MLR'}."
        )
    if information is not None:
        if information not in ("expected", "observed"):
            raise SpecError(f"information is 'expected' or 'observed', not '{information}'.")
        if kind != "ML":
            raise SpecError(f"information='{information}' applies to maximum likelihood, not to {upper}.")
        plan = replace(plan, information=information)
    return plan
