"""From results to what people read: reports, path diagrams, charts, files."""

from .diagram import path_diagram, to_dot, to_mermaid
from .html import study_html
from .writing import write_study

__all__ = ["path_diagram", "study_html", "to_dot", "to_mermaid", "write_study"]
