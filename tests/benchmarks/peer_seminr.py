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


def model_of(job, data):
    """seminr's model of a job."""
    make = seminr.reflective if job["reflective"] else seminr.composite
    parts = [make(name, items) for name, items in job["measures"].items()]
    parts += [seminr.higher_composite(name, dimensions) for name, dimensions in job["higher"].items()]
    parts += [seminr.interaction_term(a, b, method=seminr.two_stage) for a, b in job["products"]]
    structure = seminr.relationships(*(seminr.paths([x.replace(":", "*")], [y]) for x, y in job["paths"]))
    return seminr.estimate_pls(data, seminr.constructs(*parts), structure)


def main():
    jobs = json.load(sys.stdin)
    answers = {"version": importlib.metadata.version("seminr")}
    for name, job in jobs.items():
        data = pd.read_csv(job["data"])
        point, model = timed(lambda job=job, data=data: model_of(job, data), job["points"])
        boot, result = timed(
            lambda job=job, model=model: seminr.bootstrap_model(model, nboot=job["replicates"], seed=1, cores=1),
            job["boots"],
        )
        paths, draws = model.path_coef, np.array([p.values for p in result.boot_paths])
        cells = [(paths.rows.index(x.replace(":", "*")), paths.cols.index(y)) for x, y in job["paths"]]
        quartiles = np.quantile(draws, [0.25, 0.75], axis=0)
        answers[name] = {
            "paths": [float(paths.values[cell]) for cell in cells],
            # quartiles, because a few replicates of consistent PLS lie far out
            "spread": [float(quartiles[1][cell] - quartiles[0][cell]) for cell in cells],
            "point": point,
            "bootstrap": boot,
        }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
