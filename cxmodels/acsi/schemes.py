"""Public schemes of satisfaction indices, as options of one machinery: what is asked, how the index is made.

ACSI-style and NCSI: six constructs by PLS, companies to industries and sectors by revenue, the nation by shares of GDP
(Fornell et al. 1996; ncsiuk.com for the British index, made the same way). ECSI: seven constructs with image (Tenenhaus et
al. 2005). EPSI: ECSI with the quality of the product apart from that of the service, loyalty but no complaints, PLS, and
250 interviews or more for each provider (Eklöf 2000; epsi-rating.com). UKCSI: no model; ratings on 1-10 times ten, a
company has the mean of its customers' scores and a sector the mean of all its responses (instituteofcustomerservice.com).
None of these owners has a part in this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import SpecError, near
from .models import ACSI, ECSI, IndexModel

__all__ = ["EPSI", "NCSI", "SCHEMES", "UKCSI", "Scheme"]


@dataclass(frozen=True)
class Scheme:
    """What makes up a public scheme of satisfaction indices.

    Parameters
    ----------
    name : str
    model : IndexModel
        Constructs, items and paths.
    engine : {"pls", "mean"}, default "pls"
        A path model, or plain means.
    from_zero : bool, default False
        Whether 0 on the index is a rating of 0, so that a mean of 1-10 ratings is multiplied by ten, or the lowest
        answer there is.
    minimum_n : int, default 0
        Interviews that a unit needs; fewer are warned about.
    weights : mapping of level to str
        What weighs in each level, from the lowest up: columns, or "interviews".
    source : str
        Where the scheme is described.

    Examples
    --------
    >>> import cxmodels as cx
    >>> mobi = cx.datasets.load("mobi")
    >>> ukcsi = cx.acsi.SCHEMES["ukcsi"].with_measures({"Satisfaction": ["CUSA1"], "Service": ["PERQ2", "PERQ3"]})
    >>> study = cx.SatisfactionIndex(ukcsi).fit(mobi)
    >>> study.scores[["construct", "index", "se"]].round(2).values.tolist()
    [['Satisfaction', 79.88, 0.78], ['Service', 74.46, 0.96]]
    >>> round(10 * float(mobi["CUSA1"].mean()), 2)
    79.88
    """

    name: str
    model: IndexModel
    engine: Literal["pls", "mean"] = "pls"
    from_zero: bool = False
    minimum_n: int = 0
    weights: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def with_items(self, mapping: Mapping[str, str] | None = None, **names: str) -> Scheme:
        """Return the scheme with items renamed to a survey's columns.

        Parameters
        ----------
        mapping, **names
            As for :meth:`IndexModel.with_items`.

        Returns
        -------
        Scheme
        """
        return replace(self, model=self.model.with_items(mapping, **names))

    def with_measures(
        self, measures: Mapping[str, Any], *, scale: tuple[float, float] = (1.0, 10.0), target: str | None = None
    ) -> Scheme:
        """Return the scheme with other columns for its constructs.

        Parameters
        ----------
        measures : mapping of construct to column or sequence of columns
            Constructs of a path model that are not named keep their items; a scheme of plain means has exactly those named.
        scale : (lo, hi), default (1, 10)
            Ends of the answer scales of the columns named.
        target : str, optional
            Headline construct; by default the scheme's own, or the first where plain means have none of that name.

        Returns
        -------
        Scheme

        Raises
        ------
        SpecError
            If a path model has no such construct, or a construct no columns.
        """
        if not isinstance(measures, Mapping) or not measures:
            raise SpecError(
                f"measures name columns by construct, such as {{'Satisfaction': ['q1']}}, not {measures!r}."
            )
        given = {c: (items,) if isinstance(items, str) else tuple(items) for c, items in measures.items()}
        if empty := [c for c, items in given.items() if not items]:
            raise SpecError(f"Construct '{empty[0]}' has no columns.")
        known = self.model.measures
        if self.engine != "mean" and (strange := [c for c in given if c not in known]):
            raise SpecError(f"The {self.name} scheme has no construct '{strange[0]}'.{near(strange[0], known)}")
        every = given if self.engine == "mean" else {c: given.get(c, items) for c, items in known.items()}
        headline = target or (self.model.target if self.model.target in every else next(iter(every), ""))
        if headline not in every:
            raise SpecError(f"The target '{headline}' is not a construct.{near(headline, every)}")
        scales = {**self.model.scales, **{i: scale for items in given.values() for i in items}}
        return replace(self, model=replace(self.model, measures=every, scales=scales, target=headline))


def scheme_of(model: Any) -> Scheme | None:
    """Return the scheme that a model is or names, or None where it is a model of its own.

    Parameters
    ----------
    model : object
        What was given as the model.

    Returns
    -------
    Scheme or None

    Raises
    ------
    SpecError
        For a single word that names no scheme.
    """
    if isinstance(model, Scheme):
        return model
    if not isinstance(model, str) or not model.strip().isidentifier():
        return None
    name = model.strip().lower()
    if name not in SCHEMES:
        raise SpecError(
            f"There is no scheme '{model.strip()}'; there are {', '.join(SCHEMES)}, or write a model, one equation a "
            f"line.{near(name, SCHEMES)}"
        )
    return SCHEMES[name]


def _three(name: str) -> tuple[str, ...]:
    """Items of a construct of the EPSI model."""
    return tuple(f"{name}{i}" for i in (1, 2, 3))


_EPSI = {
    "Image": _three("image"),
    "Expectations": _three("expectation"),
    "ProductQuality": _three("product"),
    "ServiceQuality": _three("service"),
    "Value": _three("value"),
    "Satisfaction": _three("satisfaction"),
    "Loyalty": _three("loyalty"),
}
NATIONAL = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}

NCSI = Scheme(
    "NCSI",
    replace(ACSI, name="NCSI"),
    weights=NATIONAL,
    source="Fornell et al. (1996), J. Marketing 60(4); ncsiuk.com",
)
"""National index of the ACSI kind."""

EPSI = Scheme(
    "EPSI",
    IndexModel(
        name="EPSI",
        measures=_EPSI,
        paths=(
            ("Image", "Expectations"),
            ("Image", "Satisfaction"),
            ("Image", "Loyalty"),
            ("Expectations", "ProductQuality"),
            ("Expectations", "ServiceQuality"),
            ("Expectations", "Value"),
            ("Expectations", "Satisfaction"),
            ("ProductQuality", "Value"),
            ("ProductQuality", "Satisfaction"),
            ("ServiceQuality", "Value"),
            ("ServiceQuality", "Satisfaction"),
            ("Value", "Satisfaction"),
            ("Satisfaction", "Loyalty"),
        ),
        scales={i: (1.0, 10.0) for items in _EPSI.values() for i in items},
    ),
    minimum_n=250,
    source="Eklöf (2000); epsi-rating.com",
)
"""Seven constructs, product and service quality apart, three items or more each; 250 interviews a provider."""

UKCSI = Scheme(
    "UKCSI",
    IndexModel(
        name="UKCSI", measures={"Satisfaction": ("satisfaction",)}, paths=(), scales={"satisfaction": (1.0, 10.0)}
    ),
    engine="mean",
    from_zero=True,
    weights={"sector": "interviews", "nation": "interviews"},
    source="instituteofcustomerservice.com, About UKCSI",
)
"""Mean of 1-10 ratings times ten, no model; name the columns of its measures by :meth:`Scheme.with_measures`."""

SCHEMES: Mapping[str, Scheme] = {
    "acsi": Scheme("ACSI-style", ACSI, weights=NATIONAL, source=NCSI.source),
    "ncsi": NCSI,
    "ecsi": Scheme("ECSI", ECSI, source="Tenenhaus et al. (2005), CSDA 48"),
    "epsi": EPSI,
    "ukcsi": UKCSI,
}
"""Schemes by name, as :class:`cxmodels.SatisfactionIndex` takes it: ``cx.SatisfactionIndex("epsi")``."""
