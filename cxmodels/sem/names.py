"""The roles that variables play in the equations of one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ..model import Row
from .composites import is_hidden

__all__ = ["Roles"]

_PLAIN = ("~~", "~1", "|", "~*~")


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is who in one block, in the order in which lavaan lists them.

    Attributes
    ----------
    observed : tuple of str
        Indicators, then outcomes, then predictors, then variables with a variance or intercept only.
    latent : tuple of str
        Constructs, common factors and composites.
    composites : tuple of str
        Those written with ``<~``.
    exogenous : tuple of str
        Observed predictors without an equation whose variance or mean the model does not mention.
    free_latent : tuple of str
        Factors that neither depend on anything nor measure a factor: they covary by default.
    final : tuple of str
        Outcomes that predict nothing and measure nothing: their residuals covary by default.
    """

    observed: tuple[str, ...]
    latent: tuple[str, ...]
    composites: tuple[str, ...]
    exogenous: tuple[str, ...]
    free_latent: tuple[str, ...]
    final: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Roles:
        """Read the roles from the rows of one block."""
        latent = dict.fromkeys(r.lhs for r in rows if r.op in ("=~", "<~"))
        composites = dict.fromkeys(r.lhs for r in rows if r.op == "<~")
        measured = dict.fromkeys(r.rhs for r in rows if r.op == "=~" and r.rhs)
        parts = dict.fromkeys(r.rhs for r in rows if r.op == "<~" and r.rhs)
        outcomes = dict.fromkeys(r.lhs for r in rows if r.op == "~")
        predictors = dict.fromkeys(r.rhs for r in rows if r.op == "~")
        alone = chain.from_iterable((r.lhs,) if r.op == "|" else (r.lhs, r.rhs) for r in rows if r.op in _PLAIN)
        order = dict.fromkeys([*measured, *parts, *outcomes, *predictors, *alone])
        observed = tuple(n for n in order if n and n not in latent)
        mentioned = {n for r in rows if r.op in ("~~", "~1") for n in (r.lhs, r.rhs)}
        taken = {*latent, *measured, *parts, *outcomes, *mentioned}
        return cls(
            observed=observed,
            latent=tuple(latent),
            composites=tuple(composites),
            exogenous=tuple(n for n in predictors if n not in taken),
            free_latent=tuple(
                n for n in latent if not (n in measured or n in outcomes or n in composites or is_hidden(n))
            ),
            final=(
                *(n for n in latent if n in outcomes and n not in predictors and n not in measured),
                *(n for n in outcomes if n not in {*latent, *predictors, *measured, *parts}),
            ),
        )
