"""``python -m tests.benchmarks [speed|sem|drivers|metrics|churn|value|coverage|nation|sem-coverage|worth|linkage|cost|all]``; speed is the default.

``all`` leaves out sem-coverage, worth and linkage, which take an hour.
"""

import sys

WHAT = (
    "speed",
    "sem",
    "drivers",
    "metrics",
    "churn",
    "value",
    "coverage",
    "nation",
    "sem-coverage",
    "worth",
    "linkage",
    "cost",
    "all",
)


def main(what: str = "speed") -> None:
    if what not in WHAT:
        sys.exit(f"Choose one of {', '.join(WHAT)}.")
    if what in ("speed", "all"):
        from . import speed

        speed.run()
    if what in ("sem", "all"):
        from . import sem_speed

        sem_speed.run()
    if what in ("drivers", "all"):
        from . import drivers

        drivers.run()
    if what in ("metrics", "all"):
        from . import metrics_coverage

        metrics_coverage.run()
    if what in ("churn", "all"):
        from . import churn

        churn.run()
    if what in ("value", "all"):
        from . import value

        value.run()
    if what in ("coverage", "all"):
        from . import coverage

        coverage.run()
    if what == "nation":
        from . import nation

        nation.run()
    if what == "sem-coverage":
        from . import sem_coverage

        sem_coverage.run()
    if what == "worth":
        from . import worth

        worth.run()
    if what == "linkage":
        from . import linkage

        linkage.run()
    if what in ("cost", "all"):
        from . import cost

        cost.run()


if __name__ == "__main__":
    main(*sys.argv[1:2])
