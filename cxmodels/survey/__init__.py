"""Survey data: a frame together with what each of its columns means."""

from .codebook import Codebook, Item
from .folder import read_surveys
from .reading import read_survey
from .survey import Survey, as_survey
from .validation import check_weights

__all__ = ["Codebook", "Item", "Survey", "as_survey", "check_weights", "read_survey", "read_surveys"]
