"""From results to what people read: reports, path diagrams, charts, files."""

from .churn_card import ChurnCard, churn_card
from .churn_charts import calibration_chart, gains_chart, profit_chart
from .company_report import company_html
from .diagram import path_diagram, to_dot, to_mermaid
from .driver_charts import driver_bars, driver_map, segment_dots, what_if_waterfall
from .driver_report import drivers_html, write_drivers
from .html import study_html
from .metric_charts import control_chart, indicator_chart, journey_chart, profile_chart
from .nation_report import nation_html
from .notebook import notebook_html
from .publication import table
from .publication_sem import fit_line
from .sem_diagram import sem_diagram
from .survival_charts import survival_chart, tracking_chart, triangle_chart
from .tables import Tables
from .uplift_charts import balance_chart, linkage_chart, qini_chart, segments_chart, uplift_profit_chart
from .uplift_report import linkage_html, uplift_html, write_linkage, write_uplift
from .worth_charts import worth_chain, worth_curve, worth_linkage, worth_tornado, worth_waterfall
from .worth_report import worth_html, write_worth
from .writing import check_place, result_json, write_benchmark, write_study

__all__ = [
    "ChurnCard",
    "Tables",
    "balance_chart",
    "calibration_chart",
    "check_place",
    "churn_card",
    "company_html",
    "control_chart",
    "driver_bars",
    "driver_map",
    "drivers_html",
    "fit_line",
    "gains_chart",
    "indicator_chart",
    "journey_chart",
    "linkage_chart",
    "linkage_html",
    "nation_html",
    "notebook_html",
    "path_diagram",
    "profile_chart",
    "profit_chart",
    "qini_chart",
    "result_json",
    "segment_dots",
    "segments_chart",
    "sem_diagram",
    "study_html",
    "survival_chart",
    "table",
    "to_dot",
    "to_mermaid",
    "tracking_chart",
    "triangle_chart",
    "uplift_html",
    "uplift_profit_chart",
    "what_if_waterfall",
    "worth_chain",
    "worth_curve",
    "worth_html",
    "worth_linkage",
    "worth_tornado",
    "worth_waterfall",
    "write_benchmark",
    "write_drivers",
    "write_linkage",
    "write_study",
    "write_uplift",
    "write_worth",
]
