"""What releasing parameters would change; a part of :class:`SEMResult`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from . import constraint_tests, modification
from .threads import one_thread

if TYPE_CHECKING:
    from .estimate import Estimate
    from .prepare import Rows

__all__ = ["Releases"]


class Releases:
    """Modification indices of what is fixed or absent, score tests of what is constrained."""

    estimate: Estimate
    rows: Rows

    if TYPE_CHECKING:

        def _one_level(self, what: str) -> None: ...

    @one_thread
    def modification_indices(self) -> pd.DataFrame:
        """Return what freeing single parameters would gain, [lhs, op, rhs, group, mi, epc, sepc_lv, sepc_all].

        Returns
        -------
        DataFrame
            Parameters that are fixed or absent, largest first. mi is the drop of the chi-square to expect (a score
            test with one degree of freedom, by expected information; Sörbom 1989), epc the change of the parameter.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.modification_indices()[["lhs", "op", "rhs", "mi", "epc"]].head(3).round(2)
            lhs  op rhs     mi   epc
        0    x2  ~~  x3  10.43  0.27
        1  text  =~  x1  10.43  0.44
        2    x1  ~~  x2   9.20 -0.35
        """
        self._one_level("Modification indices")
        return modification.modification_indices(self.estimate, self.rows.labels)

    @one_thread
    def score_tests(self) -> pd.DataFrame:
        """Return score tests of releasing equality constraints, [lhs, op, rhs, group, tied_to, chisq, df, pvalue, epc].

        Returns
        -------
        DataFrame
            One row for each parameter tied to an earlier one by a label, with the change to expect of their
            difference; one for each equation written with ``==`` (lhs and rhs are its sides), with that of left less
            right; last ``(all)``, the test of releasing all of them together. NaN where a constraint only sets a
            scale. By expected information, not corrected for non-normal data (lavaan's ``lavTestScore``).

        See Also
        --------
        expected_changes : What all parameters would become.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + a*x2 + a*x3; text =~ x4 + x5 + x6"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.score_tests()[["lhs", "op", "rhs", "chisq", "df", "pvalue"]].round(3)
              lhs  op rhs  chisq  df  pvalue
        0  visual  =~  x3  2.049   1   0.152
        1   (all)  ==      2.049   1   0.152
        """
        self._one_level("Score tests")
        return constraint_tests.score_tests(self.estimate, self.rows.labels)

    @one_thread
    def expected_changes(self, release: Iterable[str] | str = ()) -> pd.DataFrame:
        """Return the parameters as they would be without constraints, [lhs, op, rhs, group, label, est, epc, epv].

        Parameters
        ----------
        release : str or sequence of str, optional
            Labels and equations (``"b == c"``) to release; by default all.

        Returns
        -------
        DataFrame
            epc is the change to expect of each free parameter, epv its value then.

        Raises
        ------
        SpecError
            If the model has no such constraint.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + a*x2 + a*x3; text =~ x4 + x5 + x6"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.expected_changes().head(2).round(3)
              lhs  op rhs group label    est    epc    epv
        0  visual  =~  x2           a  0.649 -0.087  0.562
        1  visual  =~  x3           a  0.649  0.076  0.725
        """
        self._one_level("Score tests")
        names = (release,) if isinstance(release, str) else tuple(release)
        return constraint_tests.expected_changes(self.estimate, self.rows.labels, names)
