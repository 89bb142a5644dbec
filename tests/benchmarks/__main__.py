"""``python -m tests.benchmarks [speed|drivers|metrics|coverage|all]``; speed is the default, coverage takes minutes."""

import sys

WHAT = ("speed", "drivers", "metrics", "coverage", "all")


def main(what: str = "speed") -> None:
    if what not in WHAT:
        sys.exit(f"Choose one of {', '.join(WHAT)}.")
    if what in ("speed", "all"):
        from . import speed

        speed.run()
    if what in ("drivers", "all"):
        from . import drivers

        drivers.run()
    if what in ("metrics", "all"):
        from . import metrics_coverage

        metrics_coverage.run()
    if what in ("churn", "all"):
        from . import churn

        churn.run()
    if what in ("coverage", "all"):
        from . import coverage

        coverage.run()


if __name__ == "__main__":
    main(*sys.argv[1:2])
