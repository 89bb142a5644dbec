"""What can be asked of a fitted PLS path model beyond its estimates: one door per question, loaded when opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from .groups import PLSGroups


class Analyses:
    """Methods of :class:`PLSResult` that start an analysis of their own."""

    def groups(
        self,
        by: str | ArrayLike,
        n: int = 1000,
        seed: int | None = None,
        *,
        strata: str | ArrayLike | None = None,
        bootstrap: int = 0,
        adjust: str = "holm",
        level: float = 0.95,
    ) -> PLSGroups:
        """Compare groups: invariance of the composites (MICOM), and differences of everything estimated (MGA).

        Parameters
        ----------
        by : str or array-like of shape (n_obs,)
            Column of the data, or labels of the rows used. Any number of groups.
        n : int, default 1000
            Permutations for each pair of groups, and for all groups together where there are more than two.
        seed : int, optional
            Same seed, same numbers.
        strata : str or array-like of shape (n_obs,), optional
            Labels change places within strata only, such as waves, so that these cannot pass for differences.
        bootstrap : int, default 0
            Replicates within each group, which the tests of Henseler, Keil and Welch need.
        adjust : {"holm", "bh", "none"}, default "holm"
            Adjustment of p-values for the tests of a frame: Holm, or Benjamini and Hochberg.
        level : float, default 0.95
            1 - level is the significance level of MICOM.

        Returns
        -------
        PLSGroups
            Per-group fits, ``micom``, ``paths``, ``differences(...)``, ``tests``, ``omnibus(...)``.

        Raises
        ------
        DataError
            If a label is missing, there is one group only, or groups are smaller than the model's parameters (named).
        """
        from .groups import groups

        return groups(self, by, n, seed, strata, bootstrap, adjust, level)  # type: ignore[arg-type]
