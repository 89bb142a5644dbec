"""What one asks of a survey before modelling: is it sound, and what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from .validation import Problem, column_problems, level_problems, place_problem, raise_for, weight_problems


class Questions:
    """Methods of :class:`Survey` that look for problems and describe."""

    def validate(self: Any, items: str | Iterable[str] | None = None) -> pd.DataFrame:
        """List every problem of the data at once.

        Parameters
        ----------
        items : str or sequence of str, optional
            Columns to look at. Default: those the codebook describes; all, if it describes none.

        Returns
        -------
        DataFrame
            ``[column, problem, rows, detail]``, empty where all is well. The problems are: ``no rows``,
            ``duplicated column``, ``not in the data``, ``text``, ``infinite``, ``all missing``, ``constant``,
            ``out of scale``, ``code without a text``; of weights ``text weight``, ``missing weight``,
            ``infinite weight``, ``negative weight``, ``zero weights``; of wave and hierarchy ``no unit`` and
            ``not nested``. The detail is a sentence.

        Examples
        --------
        >>> from cxmodels import Survey
        >>> s = Survey({"q1": [1, 99], "w": [1, -1]}, {"items": {"q1": {"scale": [1, 10]}}}, weights="w")
        >>> s.validate()[["column", "problem", "rows"]].values.tolist()
        [['q1', 'out of scale', 1], ['w', 'negative weight', 1]]
        """
        found = self._problems(items)
        return pd.DataFrame(found, columns=list(Problem._fields)).astype({"rows": int})

    def check(self: Any, items: str | Iterable[str] | None = None) -> None:
        """Raise one error that lists every problem, if there are any.

        Parameters
        ----------
        items : str or sequence of str, optional
            As for `validate`.

        Raises
        ------
        DataError
            With a sentence for each problem, up to eight.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> as_survey({"q1": [1, 2]}).check()
        """
        raise_for(self._problems(items))

    def out_of_scale(self: Any, items: Iterable[str] | None = None) -> pd.DataFrame:
        """Count the values beyond the ends of the scales the codebook declares.

        Parameters
        ----------
        items : sequence of str, optional
            Columns to look at. Default: all with a scale.

        Returns
        -------
        DataFrame
            ``[column, rows, detail]``, one line for each item that has such values.

        Examples
        --------
        >>> from cxmodels import Survey
        >>> s = Survey({"q1": [1, 99]}, {"items": {"q1": {"scale": [1, 10]}}})
        >>> s.out_of_scale()[["column", "rows"]].values.tolist()
        [['q1', 1]]
        """
        found = self.validate(items)
        return found.loc[found["problem"] == "out of scale", ["column", "rows", "detail"]].reset_index(drop=True)

    def describe(self: Any, items: Iterable[str] | None = None, *, language: str | None = None) -> pd.DataFrame:
        """Describe the numeric items.

        Parameters
        ----------
        items : sequence of str, optional
            Columns to describe. Default: all numeric ones without a role.
        language : str, optional
            Language of the labels.

        Returns
        -------
        DataFrame
            ``[item, label, n, missing, mean, sd, min, max, scale]``. `n` and `missing` count rows; mean and sd
            (divisor n - 1) are weighted where the survey has weights.

        Raises
        ------
        DataError
            As `numeric`, for the items given; for bad weights.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> as_survey({"q1": [1, 2, None]}).describe()[["n", "missing", "mean"]].values.tolist()
        [[2.0, 1.0, 1.5]]
        """
        from .display import described

        return described(self, items, language)

    def _problems(self: Any, items: str | Iterable[str] | None) -> list[Problem]:
        """What `validate` lists."""
        if not len(self):
            return [Problem("", "no rows", 0, "The data have no rows.")]
        roles = {self.weight_name, self.wave, *self.hierarchy}
        if items is None:
            described = self.codebook or self.frame.columns.unique()
            items = [name for name in described if name not in roles]
            again = self.frame.columns[self.frame.columns.duplicated()].unique()
            items += [name for name in again if name not in items and name not in roles]
        found: list[Problem] = []
        for name in [items] if isinstance(items, str) else items:
            misplaced = place_problem(self.frame, name)
            item = self.codebook.entries.get(name)
            found += [misplaced] if misplaced else column_problems(self.frame[name], item)
        weights = self.frame[self.weight_name] if self.weight_name else self._given_weights
        if weights is not None:
            found += weight_problems(weights, len(self), self.weight_name or "weights")[1]
        return found + level_problems(self.frame, self.wave, self.hierarchy)
