"""From results to what people read: reports, path diagrams, charts, files."""

from .churn_card import ChurnCard, churn_card
from .churn_charts import calibration_chart, gains_chart, profit_chart
from .diagram import path_diagram, to_dot, to_mermaid
from .driver_charts import driver_bars, driver_map, segment_dots, what_if_waterfall
from .driver_report import drivers_html, write_drivers
from .html import study_html
from .metric_charts import control_chart, indicator_chart, journey_chart, profile_chart
from .notebook import notebook_html
from .publication import table
from .publication_sem import fit_line
from .sem_diagram import sem_diagram
from .tables import Tables
from .writing import check_place, result_json, write_study

__all__ = [
    "ChurnCard",
    "Tables",
    "calibration_chart",
    "check_place",
    "churn_card",
    "control_chart",
    "driver_bars",
    "driver_map",
    "drivers_html",
    "fit_line",
    "gains_chart",
    "indicator_chart",
    "journey_chart",
    "notebook_html",
    "path_diagram",
    "profile_chart",
    "profit_chart",
    "result_json",
    "segment_dots",
    "sem_diagram",
    "study_html",
    "table",
    "to_dot",
    "to_mermaid",
    "what_if_waterfall",
    "write_drivers",
    "write_study",
]
