"""Writes survival_lifelines.json from survival_cases.csv: lifelines 0.30.3 and scikit-survival 0.28.0 (needs both).

survival_cases.csv is simulated: months until leaving (Weibull, columns a and b), delayed entry at half months, frequency
weights w, strata s, clusters id, and a cause of leaving (1 or 2, 0 while there).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter, WeibullAFTFitter
from lifelines.statistics import multivariate_logrank_test, proportional_hazard_test
from sksurv.metrics import brier_score, concordance_index_ipcw, integrated_brier_score
from sksurv.util import Surv

HERE = Path(__file__).parent


def cases() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 400
    a, b = rng.normal(size=n).round(3), rng.integers(0, 2, n)
    t = rng.weibull(1.3, n) * 20 * np.exp(-(0.5 * a - 0.8 * b) / 1.3)
    c = rng.uniform(5, 40, n)
    entry = np.where(rng.random(n) < 0.4, np.floor(rng.uniform(0, 8, n)) + 0.5, 0.0)
    left = (t <= c).astype(int)
    d = pd.DataFrame({"a": a, "b": b, "time": np.ceil(np.minimum(t, c)), "left": left, "entry": entry})
    d["w"], d["s"], d["id"] = rng.integers(1, 4, n), rng.integers(0, 3, n), rng.integers(0, n // 3, n)
    d["cause"] = d["left"] * np.where(rng.random(n) < 0.4 + 0.2 * b, 1, 2)
    d["exact"] = (d["time"] - 0.4 * (1 + np.arange(n)) / n).round(6)  # lifelines takes no ties among competing causes
    return d[d.time > d.entry].reset_index(drop=True)


d = cases()
d.to_csv(HERE / "survival_cases.csv", index=False)
out = {}
km = KaplanMeierFitter().fit(d.time, d.left, entry=d.entry, weights=d.w)
out["km_entry_weights"] = {
    "time": km.survival_function_.index.tolist(),
    "survival": km.survival_function_.iloc[:, 0].tolist(),
}
test = multivariate_logrank_test(d.time, d.s, d.left)
out["logrank"] = {"chisq": float(test.test_statistic), "p": float(test.p_value)}
wilcoxon = multivariate_logrank_test(d.time, d.s, d.left, weightings="fleming-harrington", p=1, q=0)
out["fleming_harrington_1"] = {"chisq": float(wilcoxon.test_statistic), "p": float(wilcoxon.p_value)}


def cox(**options):
    columns = [
        "a",
        "b",
        "time",
        "left",
        *(v for k, v in options.items() if k.endswith("_col")),
        *options.get("strata", []),
    ]
    fit = CoxPHFitter().fit(d[columns], "time", "left", fit_options={"precision": 1e-12}, **options)
    return {"est": fit.params_.tolist(), "se": fit.standard_errors_.tolist(), "loglik": float(fit.log_likelihood_)}


out["cox_weights"] = cox(weights_col="w")
out["cox_robust"] = cox(robust=True)
out["cox_cluster"] = cox(cluster_col="id")
out["cox_strata_entry"] = cox(strata=["s"], entry_col="entry")
plain = CoxPHFitter().fit(d[["a", "b", "time", "left"]], "time", "left", fit_options={"precision": 1e-12})
for clock in ("identity", "km", "log"):
    found = proportional_hazard_test(plain, d[["a", "b", "time", "left"]], time_transform=clock)
    out[f"ph_{clock}"] = {"chisq": np.ravel(found.test_statistic).tolist()}
aft = WeibullAFTFitter().fit(
    d[["a", "b", "time", "left", "entry", "w"]], "time", "left", entry_col="entry", weights_col="w"
)
out["weibull_entry_weights"] = {"est": aft.params_.tolist(), "names": [list(k) for k in aft.params_.index], "se": aft.standard_errors_.tolist(),
                                "loglik": float(aft.log_likelihood_)}  # fmt: skip
for cause in (1, 2):
    aj = AalenJohansenFitter().fit(d.exact, d.cause, event_of_interest=cause)
    out[f"aalen_johansen_{cause}"] = {"time": aj.cumulative_density_.index.tolist(), "share": aj.cumulative_density_.iloc[:, 0].tolist(),
                                      "variance": np.ravel(aj.variance_).tolist()}  # fmt: skip
train, test = d.iloc[:250], d.iloc[250:]
fit = CoxPHFitter().fit(train[["a", "b", "time", "left"]], "time", "left")
risk = (test[["a", "b"]] @ fit.params_).to_numpy()
times = np.arange(3.0, 25.0, 2)
chances = np.exp(-np.outer(np.exp(risk), times / 25))
# without ties: scikit-survival takes the chance to be watched at a tied time as after it
pair = [Surv.from_arrays(f.left.astype(bool), f.exact) for f in (train, test)]
out["holdout"] = {
    "risk": risk.tolist(),
    "uno_24": float(concordance_index_ipcw(*pair, risk, tau=24.0)[0]),
    "times": times.tolist(),
    "brier": brier_score(*pair, chances, times)[1].tolist(),
    "ibs": float(integrated_brier_score(*pair, chances, times)),
}
(HERE / "survival_lifelines.json").write_text(json.dumps(out, indent=1))
