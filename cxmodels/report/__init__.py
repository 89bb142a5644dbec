"""From results to what people read: reports, path diagrams, charts, files."""

from .diagram import path_diagram, to_dot, to_mermaid
from .driver_charts import driver_bars, driver_map, what_if_waterfall
from .driver_report import drivers_html, write_drivers
from .html import study_html
from .notebook import notebook_html
from .publication import table
from .publication_sem import fit_line
from .sem_diagram import sem_diagram
from .tables import Tables
from .writing import check_place, result_json, write_study

__all__ = [
    "Tables",
    "check_place",
    "driver_bars",
    "driver_map",
    "drivers_html",
    "fit_line",
    "notebook_html",
    "path_diagram",
    "result_json",
    "sem_diagram",
    "study_html",
    "table",
    "to_dot",
    "to_mermaid",
    "what_if_waterfall",
    "write_drivers",
    "write_study",
]
