"""The satisfaction models that national indices use, ready to be mapped to a survey's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, SpecError, listed, near
from ..model import Model, Row, parse_model
from ..survey import Survey

__all__ = ["ACSI", "ECSI", "IndexModel", "price_tolerance"]

TOLERANCE_LIMIT = 25.0  # percent; answers beyond it are taken as the limit


@dataclass(frozen=True)
class IndexModel:
    """A structural model of satisfaction with what an index needs beside it.

    Parameters
    ----------
    name : str
        What the model is called in results.
    measures : mapping of construct to tuple of items
        Columns that measure each construct.
    paths : tuple of (predictor, outcome)
        Arrows of the model.
    scales : mapping of item to (lo, hi)
        Ends of the answer scales, where known; a survey's codebook comes first.
    labels : mapping of item to str
        Short wording, used where the survey has none.
    target : str, default "Satisfaction"
        Construct whose index is the headline.
    rates : mapping of measure to item
        0/1 items whose share of ones is reported as a rate.
    composites : frozenset of str
        Constructs written ``<~``; the others are ``=~``.
    written : Model, optional
        The equations as written, where they say more than measures and paths: residual covariances, labels,
        fixed values. Path models ignore these with a warning.

    Examples
    --------
    >>> from cxmodels.acsi import ACSI
    >>> print(ACSI.with_items(satisfaction="Q9", confirm="Q10", ideal="Q11").syntax.splitlines()[3])
    Satisfaction =~ Q9 + Q10 + Q11
    """

    name: str
    measures: Mapping[str, tuple[str, ...]]
    paths: tuple[tuple[str, str], ...]
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = "Satisfaction"
    rates: Mapping[str, str] = field(default_factory=dict)
    composites: frozenset[str] = frozenset()
    written: Model | None = None

    def __repr__(self) -> str:
        """Tell the equations, as they can be written."""
        return f"{self.name}, index of {self.target}\n{self.syntax}"

    @classmethod
    def of(cls, model: Any, target: str | None = None) -> IndexModel:
        """Make an index model of anything that says one: itself, a text, or a parsed model.

        Parameters
        ----------
        model : IndexModel, Model or str
        target : str, optional
            Headline construct; by default the model's own, or for a text ``Satisfaction`` if it has one, else the
            construct with most predictors.

        Returns
        -------
        IndexModel

        Raises
        ------
        SpecError
            If the target is not a construct.
        """
        if not isinstance(model, IndexModel):
            model = cls._parsed(parse_model(model))
        if target is None:
            return model
        if target not in model.measures:
            raise SpecError(f"The target '{target}' is not a construct of the model.{near(target, model.measures)}")
        return replace(model, target=target)

    @classmethod
    def _parsed(cls, model: Model) -> IndexModel:
        outcomes = [y for y, _ in model.paths]
        names = [c.name for c in model.constructs]
        target = "Satisfaction" if "Satisfaction" in names else max(names, key=outcomes.count, default="")
        return cls(
            name="Own model",
            measures={c.name: c.items for c in model.constructs},
            paths=tuple((x, y) for y, x in model.paths),
            target=target,
            composites=frozenset(c.name for c in model.constructs if c.kind == "composite"),
            written=model,
        )

    @property
    def items(self) -> tuple[str, ...]:
        """Items in the order of the constructs."""
        every = (i for items in self.measures.values() for i in items if i not in self.measures)
        return tuple(dict.fromkeys(every))

    @property
    def syntax(self) -> str:
        """The model in the model language."""
        if self.written is not None:
            return str(self.written)
        lines = [
            f"{name} {'<~' if name in self.composites else '=~'} {' + '.join(items)}"
            for name, items in self.measures.items()
        ]
        predictors: dict[str, list[str]] = {}
        for x, y in self.paths:
            predictors.setdefault(y, []).append(x)
        return "\n".join(lines + [f"{y} ~ {' + '.join(xs)}" for y, xs in predictors.items()])

    def with_items(self, mapping: Mapping[str, str] | None = None, **names: str) -> IndexModel:
        """Return the model with items renamed to a survey's columns.

        Parameters
        ----------
        mapping : mapping of item to column, optional
            Items not named keep their name.
        **names : str
            The same as keywords.

        Returns
        -------
        IndexModel

        Raises
        ------
        SpecError
            If the model has no such item.
        """
        new = {**(mapping or {}), **names}
        if unknown := [k for k in new if k not in self.items]:
            raise SpecError(
                f"The {self.name} model has no item '{unknown[0]}'; it has {listed(self.items, 30)}.{near(unknown[0], self.items)}"
            )
        renamed = [new.get(i, i) for i in self.items]
        if twice := [i for i in dict.fromkeys(renamed) if renamed.count(i) > 1]:
            raise SpecError(f"Column '{twice[0]}' would stand for more than one item; name one column for each.")
        return replace(
            self,
            measures={c: tuple(new.get(i, i) for i in items) for c, items in self.measures.items()},
            scales={new.get(i, i): s for i, s in self.scales.items()},
            labels={new.get(i, i): s for i, s in self.labels.items()},
            rates={r: new.get(i, i) for r, i in self.rates.items()},
            written=self.written and Model(tuple(_renamed(r, new) for r in self.written.rows), self.written.blocks),
        )

    def without(self, *constructs: str) -> IndexModel:
        """Return the model without some constructs and their arrows, for surveys that did not ask them.

        Parameters
        ----------
        *constructs : str

        Returns
        -------
        IndexModel

        Raises
        ------
        SpecError
            If the model has no such construct.

        Examples
        --------
        >>> import cxmodels as cx
        >>> cx.acsi.ACSI.without("Complaints").paths[-1]
        ('Satisfaction', 'Loyalty')
        """
        if unknown := [c for c in constructs if c not in self.measures]:
            raise SpecError(
                f"The {self.name} model has no construct '{unknown[0]}'.{near(unknown[0], self.measures)}"
            )
        gone = {i for c in constructs for i in self.measures[c]}
        kept = () if self.written is None else (r for r in self.written.rows if not _names(r) & {*constructs, *gone})
        return replace(
            self,
            measures={c: items for c, items in self.measures.items() if c not in constructs},
            paths=tuple(p for p in self.paths if not set(p) & set(constructs)),
            rates={r: i for r, i in self.rates.items() if i not in gone},
            written=self.written and Model(tuple(kept), self.written.blocks),
        )


def price_tolerance(up: npt.ArrayLike, down: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Combine the two price tolerance questions of an ACSI-style survey into one item on 1-10.

    Those likely to buy again (repurchase 6 or more) are asked how much the price could rise before they would
    surely leave, the others how much it would have to fall to make them stay.

    Parameters
    ----------
    up : array-like of shape (n,)
        Price rise borne, percent; NaN where not asked.
    down : array-like of shape (n,)
        Price cut needed, percent, with or without a minus sign; NaN where not asked.

    Returns
    -------
    ndarray of shape (n,)
        1 + 9 (t + 25) / 50 with t the signed percent (up positive), cut at 25 either way; NaN where neither was
        answered. Up to a 25 % cut gives 1, no tolerance 5.5, a 25 % rise 10.

    Raises
    ------
    DataError
        If a respondent answered both, or a rise is negative.

    Notes
    -----
    The combination follows the reservation price of Fornell et al. (1996); the limit and the linear map to 1-10
    are this package's convention.

    Examples
    --------
    >>> import numpy as np
    >>> from cxmodels.acsi import price_tolerance
    >>> price_tolerance([25, 0, np.nan, np.nan], [np.nan, np.nan, 10, -40])
    array([10. ,  5.5,  3.7,  1. ])
    """
    t = signed_tolerance(up, down, TOLERANCE_LIMIT)
    return 1 + 9 * (t + TOLERANCE_LIMIT) / (2 * TOLERANCE_LIMIT)


def signed_tolerance(up: npt.ArrayLike, down: npt.ArrayLike, limit: float | None) -> npt.NDArray[np.float64]:
    """Signed percents of the two price tolerance questions, rises up, cut at a limit either way."""
    rise, cut = np.asarray(up, dtype=float), np.asarray(down, dtype=float)
    if both := int((~np.isnan(rise) & ~np.isnan(cut)).sum()):
        raise DataError(f"{both} respondents answered both price tolerance questions; each is asked only one.")
    if negative := int((rise < 0).sum()):
        raise DataError(f"{negative} price rises are negative; a needed price cut belongs into the other question.")
    t = np.where(np.isnan(rise), -np.abs(cut), rise)
    return t if limit is None else np.clip(t, -limit, limit)


def with_price_tolerance(survey: Survey, items: Sequence[str]) -> Survey:
    """Add the combined price tolerance item where a model wants it and a survey has its two questions."""
    asked = ["tolerance_up", "tolerance_down"]
    columns = survey.frame.columns
    if "price_tolerance" not in items or "price_tolerance" in columns or columns.isin(asked).sum() != 2:
        return survey
    up, down = survey.numeric(asked).T
    return survey.assign(price_tolerance=price_tolerance(up, down))


def _names(r: Row) -> set[str]:
    """Variables of one equation."""
    return {r.lhs, *r.rhs.split(":")} if r.block else set()


def _renamed(r: Row, new: Mapping[str, str]) -> Row:
    """One equation with items renamed."""
    if not r.block:
        return r
    return replace(r, lhs=new.get(r.lhs, r.lhs), rhs=":".join(new.get(n, n) for n in r.rhs.split(":")))


def _ten(*items: str) -> dict[str, tuple[float, float]]:
    """Items on 1-10."""
    return dict.fromkeys(items, (1.0, 10.0))


ACSI = IndexModel(
    name="ACSI-style",
    measures={
        "Expectations": ("overall_expect", "expect_custom", "expect_reliab"),
        "Quality": ("overall_quality", "quality_custom", "quality_reliab"),
        "Value": ("price_given_quality", "quality_given_price"),
        "Satisfaction": ("satisfaction", "confirm", "ideal"),
        "Complaints": ("complaint",),
        "Loyalty": ("repurchase", "price_tolerance"),
    },
    paths=(
        ("Expectations", "Quality"),
        ("Expectations", "Value"),
        ("Expectations", "Satisfaction"),
        ("Quality", "Value"),
        ("Quality", "Satisfaction"),
        ("Value", "Satisfaction"),
        ("Satisfaction", "Complaints"),
        ("Satisfaction", "Loyalty"),
        ("Complaints", "Loyalty"),
    ),
    scales={
        **_ten("overall_expect", "expect_custom", "expect_reliab", "overall_quality", "quality_custom"),
        **_ten("quality_reliab", "price_given_quality", "quality_given_price", "satisfaction", "confirm", "ideal"),
        **_ten("repurchase", "price_tolerance"),
        "complaint": (0.0, 1.0),
    },
    labels={
        "overall_expect": "Overall expectation of quality, before purchase",
        "expect_custom": "Expectation that it fits personal requirements",
        "expect_reliab": "Expectation that things rarely go wrong",
        "overall_quality": "Overall quality, as experienced",
        "quality_custom": "Fit to personal requirements, as experienced",
        "quality_reliab": "How rarely things went wrong",
        "price_given_quality": "Price, given the quality",
        "quality_given_price": "Quality, given the price",
        "satisfaction": "Overall satisfaction",
        "confirm": "Fell short of or exceeded expectations",
        "ideal": "Closeness to the ideal",
        "complaint": "Complained in the period",
        "repurchase": "Likelihood of buying again",
        "price_tolerance": "Price tolerance, combined",
    },
    rates={"complaint rate": "complaint"},
)
"""Six constructs, nine paths, fifteen questions (two of them combined): Fornell et al. (1996).

Complaints count upwards, so satisfaction should lower them; the sign of Complaints on Loyalty is open.
"""

ECSI = IndexModel(
    name="ECSI",
    measures={
        "Image": ("IMAG1", "IMAG2", "IMAG3", "IMAG4", "IMAG5"),
        "Expectation": ("CUEX1", "CUEX2", "CUEX3"),
        "Quality": ("PERQ1", "PERQ2", "PERQ3", "PERQ4", "PERQ5", "PERQ6", "PERQ7"),
        "Value": ("PERV1", "PERV2"),
        "Satisfaction": ("CUSA1", "CUSA2", "CUSA3"),
        "Complaints": ("CUSCO",),
        "Loyalty": ("CUSL1", "CUSL2", "CUSL3"),
    },
    paths=(
        ("Image", "Expectation"),
        ("Image", "Satisfaction"),
        ("Image", "Loyalty"),
        ("Expectation", "Quality"),
        ("Expectation", "Value"),
        ("Expectation", "Satisfaction"),
        ("Quality", "Value"),
        ("Quality", "Satisfaction"),
        ("Value", "Satisfaction"),
        ("Satisfaction", "Complaints"),
        ("Satisfaction", "Loyalty"),
        ("Complaints", "Loyalty"),
    ),
    scales=_ten(
        *(f"IMAG{i}" for i in range(1, 6)),
        *(f"CUEX{i}" for i in range(1, 4)),
        *(f"PERQ{i}" for i in range(1, 8)),
        *("PERV1", "PERV2", "CUSA1", "CUSA2", "CUSA3", "CUSCO", "CUSL1", "CUSL2", "CUSL3"),
    ),
)
"""Seven constructs with Image, twelve paths, 24 items on 1-10: Tenenhaus et al. (2005).

Here Complaints is how well the last complaint was, or would be, handled, so satisfaction should raise it.
"""
