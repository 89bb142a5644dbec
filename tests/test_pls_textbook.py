"""PLS path modelling beside a second implementation that shares no code with ours: a textbook's, on scores, with loops."""

import warnings

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import DataWarning


def textbook(x, blocks, parents, mode_b, scheme, standardize):
    """PLS as Lohmöller (1989) tells it: scores of respondents, regressions, no moments. Returns scores and weights."""
    x = x - x.mean(axis=0)
    if standardize:
        x = x / x.std(axis=0, ddof=1)
    names = list(blocks)
    weights = {j: np.ones(len(blocks[j])) for j in names}

    def score(j):
        y = x[:, blocks[j]] @ weights[j]
        weights[j] = weights[j] / y.std(ddof=1)
        return y / y.std(ddof=1)

    scores = {j: score(j) for j in names}
    for _ in range(3000):
        old = {j: weights[j].copy() for j in names}
        inner = {}
        for j in names:
            z = np.zeros(len(x))
            before, after = parents[j], [k for k in names if j in parents[k]]
            if scheme == "path" and before:
                design = np.column_stack([scores[k] for k in before])
                for k, b in zip(before, np.linalg.lstsq(design, scores[j], rcond=None)[0], strict=True):
                    z += b * scores[k]
                before = []
            for k in [*before, *after]:
                r = np.corrcoef(scores[j], scores[k])[0, 1]
                z += (np.sign(r) if scheme == "centroid" else r) * scores[k]
            inner[j] = z
        for j in names:
            block = x[:, blocks[j]]
            if j in mode_b:
                weights[j] = np.linalg.lstsq(block, inner[j], rcond=None)[0]
            else:
                weights[j] = np.array([np.cov(column, inner[j])[0, 1] for column in block.T])
        scores = {j: score(j) for j in names}
        if sum(np.abs(weights[j] - old[j]).sum() for j in names) < 1e-13:
            break
    for j in names:
        if sum(np.corrcoef(column, scores[j])[0, 1] for column in x[:, blocks[j]].T) < 0:
            scores[j], weights[j] = -scores[j], -weights[j]
    return scores, weights


def random_model(rng):
    """A random acyclic model in which every construct has a path."""
    sizes = rng.integers(1, 5, size=rng.integers(2, 6))
    names = [f"C{j}" for j in range(len(sizes))]
    parents = {names[0]: []}
    for j in range(1, len(names)):
        chosen = [k for k in names[:j] if rng.random() < 0.6]
        parents[names[j]] = chosen or [names[rng.integers(j)]]
    ends = np.r_[0, np.cumsum(sizes)]
    blocks = {name: np.arange(ends[j], ends[j + 1]) for j, name in enumerate(names)}
    return blocks, parents


def random_data(rng, blocks, parents, n):
    latent = {}
    for name in blocks:
        cause = sum((rng.uniform(-0.8, 0.8) * latent[k] for k in parents[name]), np.zeros(n))
        latent[name] = cause + rng.standard_normal(n)
    columns = [
        rng.uniform(0.1, 20) * (latent[name] + rng.uniform(0.3, 2) * rng.standard_normal(n)) + rng.uniform(-50, 50)
        for name, block in blocks.items()
        for _ in block
    ]
    return np.column_stack(columns)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("scheme", ["path", "factorial", "centroid"])
def test_agrees_with_a_textbook_implementation(scheme, standardize):
    compared = 0
    for seed in range(12):
        rng = np.random.default_rng([seed, standardize, len(scheme)])
        blocks, parents = random_model(rng)
        x = random_data(rng, blocks, parents, n=80)
        mode_b = {name for name in blocks if rng.random() < 0.4}
        items = [f"x{i}" for i in range(x.shape[1])]
        lines = [f"{name} =~ {' + '.join(items[i] for i in block)}" for name, block in blocks.items()]
        lines += [f"{y} ~ {' + '.join(xs)}" for y, xs in parents.items() if xs]
        spec = cx.PLS(
            "\n".join(lines),
            scheme=scheme,
            modes=dict.fromkeys(mode_b, "B"),
            standardize=standardize,
            tolerance=1e-12,
            max_iter=3000,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # negative loadings are fine here
            res = spec.fit(pd.DataFrame(x, columns=items))
        assert res.converged
        scores, weights = textbook(x, blocks, parents, mode_b, scheme, standardize)
        for name, block in blocks.items():
            # where loadings of both signs nearly cancel, the sum that fixes the sign is not worth a comparison
            sign = np.sign(res.scores[name].to_numpy() @ scores[name])
            total = sum(np.corrcoef(column, scores[name])[0, 1] for column in x[:, block].T)
            assert sign == 1 or abs(total) < 1e-6
            scores[name], weights[name] = sign * scores[name], sign * weights[name]
            np.testing.assert_allclose(res.scores[name], scores[name], atol=1e-7)
            ours = res.weights.query("construct == @name")["est"]
            np.testing.assert_allclose(ours, weights[name], atol=1e-7)
        for other in blocks:
            cross = [np.corrcoef(column, scores[other])[0, 1] for column in x.T]
            np.testing.assert_allclose(res.cross_loadings.loc[items, other], cross, atol=1e-7)
            own = res.loadings.query("construct == @other")["est"]
            np.testing.assert_allclose(own, np.array(cross)[blocks[other]], atol=1e-7)
        for outcome, predictors in parents.items():
            if not predictors:
                continue
            design = np.column_stack([scores[k] for k in predictors])
            b, rss = np.linalg.lstsq(design, scores[outcome], rcond=None)[:2]
            found = res.paths.query("outcome == @outcome").set_index("predictor")["est"]
            np.testing.assert_allclose(found[predictors], b, atol=1e-7)
            n, k = design.shape
            r2 = 1 - rss[0] / (n - 1)
            assert res.r_squared.loc[outcome, "r2"] == pytest.approx(r2, abs=1e-7)
            assert res.r_squared.loc[outcome, "r2_adj"] == pytest.approx(
                1 - (1 - r2) * (n - 1) / (n - k - 1), abs=1e-7
            )
            for column in range(len(predictors)):
                rest = np.delete(design, column, axis=1)
                own, out = design[:, column], scores[outcome]
                left = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0] if k > 1 else own
                vif = (own @ own) / (left @ left)
                without = out - rest @ np.linalg.lstsq(rest, out, rcond=None)[0] if k > 1 else out
                f2 = (r2 - (1 - without @ without / (n - 1))) / (1 - r2)
                at = outcome, predictors[column]
                assert res.vif.set_index(["outcome", "predictor"]).loc[at, "vif"] == pytest.approx(vif, rel=1e-6)
                f_squared = res.f_squared.set_index(["outcome", "predictor"])["f2"]
                assert f_squared[at] == pytest.approx(f2, rel=1e-6, abs=1e-9)
        names = list(blocks)
        b = np.zeros((len(names), len(names)))
        for row in res.paths.itertuples():
            b[names.index(row.outcome), names.index(row.predictor)] = row.est
        total = np.linalg.inv(np.eye(len(names)) - b) - np.eye(len(names))
        for row in res.effects.itertuples():
            at = names.index(row.outcome), names.index(row.predictor)
            assert row.total == pytest.approx(total[at], abs=1e-10)
            assert row.direct == pytest.approx(b[at], abs=1e-12)
            assert row.indirect == pytest.approx(total[at] - b[at], abs=1e-10)
        compared += 1
    assert compared == 12
