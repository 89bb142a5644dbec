"""Several path models of the same respondents side by side, and which of them to prefer.

Sources: Sharma, Sarstedt, Shmueli, Kim and Thiele (2019), Journal of the Association for Information Systems 20(4), and
Danks, Sharma and Sarstedt (2020), Journal of Business Research 113, for criteria and their weights; Liengaard et al. (2021),
Decision Sciences 52(2), for CVPAT between models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import DataError, SpecError, listed
from ..inference import adjusted_pvalues, choose
from ..results import Result
from .criteria import CRITERIA
from .prediction import PLSPrediction

if TYPE_CHECKING:
    from .result import PLSResult


@dataclass(frozen=True, eq=False, repr=False)
class PLSComparison(Result):
    """Path models side by side; made by :func:`compare`.

    Attributes
    ----------
    models : dict of str to PLSResult
        The fits, by name.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
    >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
    >>> other = cx.PLS(model.replace("Q =~", "Q <~"), scheme="centroid").fit(cx.datasets.survey("mobi"))
    >>> found = cx.compare(res, other)
    >>> found.paths.round(3)
      outcome predictor  model 1  model 2
    0       S         Q    0.766    0.766
    """

    models: dict[str, PLSResult]

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Standardised paths, [outcome, predictor, one column per model]; NaN where a model has none."""
        return self._side_by_side("paths", ["outcome", "predictor"], "est")

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Total effects, [outcome, predictor, one column per model]."""
        return self._side_by_side("effects", ["outcome", "predictor"], "total")

    @cached_property
    def loadings(self) -> pd.DataFrame:
        """Loadings, [construct, item, one column per model]."""
        return self._side_by_side("loadings", ["construct", "item"], "est")

    @cached_property
    def criteria(self) -> pd.DataFrame:
        """Explained variance and criteria by outcome and model, [construct, model, r2, r2_adj, aic, ..., gm].

        Smaller criteria are better; they compare models of the same outcome. BIC and GM choose best among models that
        differ in the predictors of one construct (Sharma et al. 2019).
        """
        parts = []
        for name, model in self.models.items():
            frame = model.r_squared.join(model.criteria).rename_axis("construct").reset_index()
            parts.append(frame.assign(model=name))
        out = pd.concat(parts, ignore_index=True)
        order = pd.Categorical(out["construct"], list(dict.fromkeys(out["construct"])))
        out = out.iloc[np.argsort(order.codes, kind="stable")].reset_index(drop=True)
        return out[["construct", "model", "r2", "r2_adj", *CRITERIA]]

    @cached_property
    def fit(self) -> pd.DataFrame:
        """Distances of each model as its paths imply, index model, [srmr, d_uls, d_g, d_ml]; NaN with interactions."""
        rows = {}
        for name, model in self.models.items():
            if model.spec.plan.terms:
                rows[name] = pd.Series(np.nan, ["srmr", "d_uls", "d_g", "d_ml"])
                continue
            rows[name] = model.model_fit.xs("estimated", level="structure").iloc[0]
        return pd.DataFrame(rows).T.astype(float).rename_axis("model")

    def weights(self, construct: str, criterion: str = "bic") -> pd.Series:
        """Relative weight of evidence for each model of one outcome.

        Parameters
        ----------
        construct : str
            Outcome.
        criterion : str, default "bic"
            A column of ``criteria`` that is a likelihood criterion: aic, aicc, aicu, bic, hq or hqc.

        Returns
        -------
        Series
            exp(-Δ / 2) over their sum, Δ the distance to the smallest (Danks et al. 2020).

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> spec = cx.PLS(cx.acsi.ECSI.syntax)
        >>> other = spec.drop("Satisfaction ~ Expectation").fit(cx.datasets.survey("mobi"))
        >>> cx.compare(res, other).weights("Satisfaction").round(2)
        model
        model 1    0.15
        model 2    0.85
        Name: weight, dtype: float64
        """
        choose("criterion", criterion, CRITERIA[:6])
        frame = self.criteria[self.criteria["construct"] == construct]
        if frame.empty:
            raise SpecError(f"No model has an equation of '{construct}'; choose from {listed(self._outcomes)}.")
        gap = frame.set_index("model")[criterion]
        weight = np.exp(-(gap - gap.min()) / 2)
        return (weight / weight.sum()).rename("weight")

    def cvpat(
        self,
        folds: int | ArrayLike = 10,
        repeats: int = 10,
        seed: int | None = None,
        *,
        approach: Literal["direct", "earliest"] = "earliest",
        adjust: str = "holm",
    ) -> pd.DataFrame:
        """Compare the predictive ability of every two models on respondents left out (CVPAT).

        Parameters
        ----------
        folds, repeats, seed
            As for :meth:`PLSResult.predict_oos`; all models are given the same folds.
        approach : {"direct", "earliest"}, default "earliest"
            How predictions are made.
        adjust : {"holm", "bh", "none"}, default "holm"
            Adjustment for the number of pairs.

        Returns
        -------
        DataFrame
            [model, other, loss, loss_other, difference, se, t, pvalue, pvalue_adjusted]; a negative difference favours
            `model`. Losses are over the items that every model predicts.

        Raises
        ------
        SpecError
            If no item is predicted by all models.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> other = cx.PLS(model, scheme="centroid").fit(cx.datasets.survey("mobi"))
        >>> found = cx.compare(res, other).cvpat(folds=5, repeats=1, seed=1)
        >>> list(found.columns)
        ['model', 'other', 'loss', 'loss_other', 'difference', 'se', 't', 'pvalue', 'pvalue_adjusted']
        """
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        every = {name: m.predict_oos(folds, repeats, seed) for name, m in self.models.items()}
        shared = [i for i in next(iter(every.values())).items if all(i in p.items for p in every.values())]
        if not shared:
            raise SpecError("No item is predicted by all models; compare models with an outcome in common.")
        every = {name: _restricted(p, shared) for name, p in every.items()}
        rows = [
            {"model": a, "other": b} | every[a].compare(every[b], approach).to_dict()
            for a, b in combinations(self.models, 2)
        ]
        out = pd.DataFrame(rows)
        out["pvalue_adjusted"] = adjusted_pvalues(out["pvalue"].to_numpy(), adjust)
        return out

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return next(iter(self.models.values())).n_obs

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return next(iter(self.models.values())).excluded

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about each model."""
        return tuple(f"{name}: {text}" for name, m in self.models.items() for text in m.warnings)

    def headline(self) -> list[tuple[str, str]]:
        """Models and rows.

        Returns
        -------
        list of (label, value)
        """
        first = next(iter(self.models.values()))
        rows = [("Path models compared", ", ".join(self.models)), ("Rows", dict(first.headline())["Rows"])]
        loose = [name for name, m in self.models.items() if not m.converged]
        return [*rows, ("Converged", f"NO: {', '.join(loose)}" if loose else "yes, all")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Paths": self.paths,
            "Explained variance and criteria (smaller is better)": self.criteria,
            "Model fit": self.fit.reset_index(),
        }

    @property
    def _outcomes(self) -> list[str]:
        return list(dict.fromkeys(self.criteria["construct"]))

    def _side_by_side(self, frame: str, keys: list[str], value: str) -> pd.DataFrame:
        columns = {name: getattr(m, frame).set_index(keys)[value] for name, m in self.models.items()}
        order = list(dict.fromkeys(key for c in columns.values() for key in c.index))
        index = pd.MultiIndex.from_tuples(order, names=keys)
        return pd.DataFrame({name: c.reindex(index) for name, c in columns.items()}).reset_index()


def compare(*models: PLSResult, names: Sequence[str] | None = None) -> PLSComparison:
    """Put path models of the same rows side by side.

    Parameters
    ----------
    *models : PLSResult
        Two or more fits to the same rows with the same weights; ``PLS.add`` and ``PLS.drop`` make one from another.
    names : sequence of str, optional
        What to call them; by default "model 1" and so on.

    Returns
    -------
    PLSComparison

    Raises
    ------
    SpecError
        For fewer than two models, or names that are not as many or not distinct.
    DataError
        If the models were not fitted to the same rows.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.pls import compare
    >>> mobi = cx.datasets.load("mobi")
    >>> base = cx.PLS("I =~ IMAG1 + IMAG2; V =~ PERV1 + PERV2; S =~ CUSA1 + CUSA2 + CUSA3; V ~ I; S ~ V")
    >>> both = compare(base.fit(mobi), base.add("S ~ I").fit(mobi))
    >>> both.criteria.query("construct == 'S'")[["model", "r2"]].round(2).to_numpy().tolist()
    [['model 1', 0.37], ['model 2', 0.51]]
    """
    if len(models) < 2:
        raise SpecError(f"compare() takes two or more fitted models, not {len(models)}.")
    called = [f"model {i}" for i in range(1, len(models) + 1)] if names is None else [str(n) for n in names]
    if len(set(called)) != len(models):
        raise SpecError(f"names must give {len(models)} distinct names, not {listed(called)}.")
    first = models[0]
    for name, m in zip(called[1:], models[1:], strict=True):
        if not np.array_equal(m.rows, first.rows) or not m.row_index.equals(first.row_index):
            raise DataError(
                f"'{called[0]}' used {first.n_obs} rows and '{name}' {m.n_obs}, or others; fit all to the same rows, "
                "for example with missing='mean'."
            )
        same = [None if k.case_weights is None else k.case_weights / k.case_weights.sum() for k in (m, first)]
        if (same[0] is None) != (same[1] is None) or (same[0] is not None and not np.allclose(same[0], same[1])):  # type: ignore[arg-type]
            raise DataError(f"'{called[0]}' and '{name}' were fitted with different case weights; use the same.")
    return PLSComparison(dict(zip(called, models, strict=True)))


def _restricted(prediction: PLSPrediction, items: Sequence[str]) -> PLSPrediction:
    """The same prediction of some items only."""
    at = [prediction.items.index(i) for i in items]
    errors = {name: e[:, :, at] for name, e in prediction.errors.items()}
    p = prediction
    return PLSPrediction(p.point, tuple(items), errors, p.folds, p.benchmark, p.failed)
