"""The peer's side, run by the interpreter that has it: reads a job on stdin, writes answers and times on stdout.

seminr is under the GPL: it is installed apart, runs as a program of its own, and only its numbers come back.
"""

import importlib.metadata
import json
import sys
import time

import numpy as np
import pandas as pd
import seminr


def timed(action, times):
    """Processor seconds of each of some runs, and the last result."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = action()
        seconds.append(time.process_time() - start)
    return seconds, result


def main():
    job = json.load(sys.stdin)
    data = pd.read_csv(job["data"])
    measurement = seminr.constructs(*(seminr.composite(name, items) for name, items in job["measures"].items()))
    structure = seminr.relationships(*(seminr.paths([x], [y]) for x, y in job["paths"]))
    point, model = timed(lambda: seminr.estimate_pls(data, measurement, structure), job["points"])
    boot, result = timed(
        lambda: seminr.bootstrap_model(model, nboot=job["replicates"], seed=1, cores=1), job["boots"]
    )
    paths, draws = model.path_coef, np.array([p.values for p in result.boot_paths])
    cells = [(paths.rows.index(x), paths.cols.index(y)) for x, y in job["paths"]]
    answer = {
        "version": importlib.metadata.version("seminr"),
        "paths": [float(paths.values[cell]) for cell in cells],
        "se": [float(draws[:, i, j].std(ddof=1)) for i, j in cells],
        "point": point,
        "bootstrap": boot,
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
