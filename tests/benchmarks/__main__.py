"""``python -m tests.benchmarks [job ...]``: without a job, all those of speed; ``coverage`` runs all the simulations, which take hours."""

import sys
from importlib import import_module

# Job: where it is. Those of speed compare with peers and measure how cost grows.
SPEED = {
    "pls": "speed.run",
    "sem": "sem_speed.run",
    "drivers": "drivers.run",
    "churn": "churn.run",
    "value": "value.run",
    "nation": "nation.run",
    "cost": "cost.run",
}
COVERAGE = {
    "pls-coverage": "coverage.run",
    "sem-coverage": "sem_coverage.run",
    "metrics-coverage": "metrics_coverage.run",
    "value-coverage": "value.run_coverage",
    "nation-coverage": "nation.run_coverage",
    "worth-coverage": "worth.run",
    "linkage-coverage": "linkage.run",
}
GROUPS = {"speed": SPEED, "coverage": COVERAGE}
JOBS = SPEED | COVERAGE


def main(asked: list[str]) -> None:
    """Run the jobs asked for, one after the other."""
    names = [job for word in asked or ["speed"] for job in GROUPS.get(word, [word])]
    if unknown := [name for name in names if name not in JOBS]:
        sys.exit(f"There is no benchmark '{unknown[0]}'. Choose from {', '.join([*GROUPS, *JOBS])}.")
    for name in names:
        print(f"\n=== {name}", flush=True)
        module, function = JOBS[name].split(".")
        getattr(import_module(f".{module}", __package__), function)()


if __name__ == "__main__":
    main(sys.argv[1:])
