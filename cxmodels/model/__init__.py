"""The model language: lavaan's syntax to one parameter table, and back.

>>> from cxmodels.model import parse_model
>>> parse_model("Loyalty =~ CUSL1 + CUSL3; Loyalty ~ Image").observed
('CUSL1', 'CUSL3', 'Image')
"""

from .expression import Expression
from .parser import parse_model
from .table import Construct, Model, Row

__all__ = ["Construct", "Expression", "Model", "Row", "parse_model"]
