"""The peer's side, run by the interpreter that has it: reads correlations on stdin, writes Shapley values and times."""

import importlib.metadata
import json
import sys
import time

import numpy as np
import shapiq


def main():
    job = json.load(sys.stdin)
    answers, seconds = {}, {}
    for p, cor in job.items():
        cor = np.array(cor)

        def game(coalitions, cor=cor):
            out = np.zeros(len(coalitions))
            for line, members in enumerate(np.atleast_2d(coalitions)):
                at = np.flatnonzero(members)
                if len(at):
                    out[line] = cor[at, -1] @ np.linalg.solve(cor[np.ix_(at, at)], cor[at, -1])
            return out

        start = time.process_time()
        values = shapiq.ExactComputer(n_players=int(p), game=game)("SV", order=1)
        seconds[p] = time.process_time() - start
        answers[p] = [float(values[(i,)]) for i in range(int(p))]
    json.dump({"version": importlib.metadata.version("shapiq"), "values": answers, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main()
