"""From results to what people read: reports, path diagrams, charts, files."""

from .diagram import path_diagram, to_dot, to_mermaid
from .html import study_html
from .notebook import notebook_html
from .writing import check_place, result_json, write_study

__all__ = [
    "check_place",
    "notebook_html",
    "path_diagram",
    "result_json",
    "study_html",
    "to_dot",
    "to_mermaid",
    "write_study",
]
