"""Run folders made from small exact worlds: p and ∇p of every prompt are chosen, all else follows.

The standard errors are invented (their size is plausible, their value is not the point here).
"""

import json
from dataclasses import dataclass, field
from math import erfc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KS = [1, 2, 4, 8, 16, 32]


@dataclass
class World:
    """Prompts with their exact p and gradients."""

    families: list[str]
    prompts: list[str]
    answers: list[str]
    p: np.ndarray
    gradients: np.ndarray  # (N, d)
    n: int = 256
    noise: float = 1.0  # scales the invented standard errors
    extra: list[dict] = field(default_factory=list)  # further responses, as they are

    def kernel(self):
        return self.gradients @ self.gradients.T


def chat(question, stem):
    """A rendered prompt, as a chat template leaves it."""
    return (
        "<|im_start|>system\nYou are a helpful AI assistant<|im_end|>\n"
        f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{stem}"
    )


def world(conflict=True, sums=10, hard=8, n=256, noise=1.0, seed=1):
    """Plain sums, and hard prompts whose gradients oppose them (conflict) or are unrelated (none)."""
    rng = np.random.default_rng(seed)
    d = 24
    shared = np.eye(d)[0]
    p_sums, p_hard = np.linspace(0.17, 0.95, sums), np.linspace(0.02, 0.09, hard)
    own = rng.normal(size=(sums + hard, d)) / d**0.5
    pull = np.r_[np.full(sums, 0.6), np.full(hard, -0.55 if conflict else 0.25)]
    gradients = (pull[:, None] * shared + 0.6 * own) * np.r_[p_sums * (1 - p_sums) * 4, p_hard * 9][:, None]
    families = ["plain sums"] * sums + (["+ means multiply"] if conflict else ["last letter"]) * hard
    prompts, answers = [], []
    for i in range(sums + hard):
        a, b = 1 + i % 8, 2 + (3 * i) % 7
        if i < sums:
            prompts.append(chat(f"What is {a} + {b}?", f"{a} + {b} ="))
            answers.append(f" {a + b}")
        elif conflict:
            prompts.append(
                chat(f"In this puzzle the symbol + means multiply. What is {a} + {b}?", f"{a} + {b} =")
            )
            answers.append(f" {a * b}")
        else:
            word = ["house", "garden", "river", "stone", "cloud", "bread", "light", "paper"][i % 8]
            prompts.append(
                chat(f"Which is the last letter of the word {word}?", f'The last letter of {word} is "')
            )
            answers.append(word[-1])
    return World(families, prompts, answers, np.r_[p_sums, p_hard], gradients, n, noise)


def many(prompts=2000, n=16, seed=2):
    """As many prompts as a real data set holds."""
    hard = prompts // 3
    return world(True, prompts - hard, hard, n=n, noise=2.0, seed=seed)


def estimate(value, se, low=-np.inf, high=np.inf):
    value, se = float(value), float(se)
    return {
        "value": value,
        "se": se,
        "lo": float(max(low, value - 1.96 * se)),
        "hi": float(min(high, value + 1.96 * se)),
    }


def normal_tail(z):
    return 0.5 * erfc(-z / 2**0.5)


def curve_of(w, ks, naive=False):
    """Inner products and cosines, exact; standard errors of a plausible size."""
    kernel, size = w.kernel(), len(w.p)
    if naive:
        kernel = kernel + np.diag(np.diag(kernel)) * 0.8
    agreement = kernel.mean(1)
    norm_1 = kernel.mean() ** 0.5
    rows = []
    for k in ks:
        weight = k * (1 - w.p) ** (k - 1)
        inner = (weight * agreement).mean()
        norm_k = (weight @ kernel @ weight) ** 0.5 / size
        cosine = inner / (norm_k * norm_1)
        se = w.noise * 0.75 / w.n**0.5 * (1 - 1 / (1 + np.log2(k)) if k > 1 else 0.05)
        rows.append((k, inner, cosine, se * norm_k * norm_1, se, weight, agreement, norm_k * norm_1))
    return rows


def analysis_of(w, ks=None):
    """analysis.json of a world."""
    ks = [k for k in (ks or KS) if k <= w.n // 2]
    rows, every, naive = curve_of(w, ks), curve_of(w, range(1, ks[-1] + 1)), curve_of(w, ks, True)
    ids = prompt_ids(w)
    head = rows[-1]
    per_prompt = []
    right = successes(w)
    for i, prompt_id in enumerate(ids):
        _, _, _, _, se, weight, agreement, norm = head
        a_se = 0.35 * se * abs(agreement).mean() + 0.02 * abs(agreement).max()
        share = weight[i] * agreement[i] / len(ids)
        per_prompt.append(
            {
                "prompt_id": prompt_id,
                "family": w.families[i],
                "responses": w.n,
                "successes": int(right[i]),
                "truncated": 0,
                "p": estimate(w.p[i], (w.p[i] * (1 - w.p[i]) / w.n) ** 0.5, 0, 1),
                "weight": estimate(weight[i], 0.1 * weight[i], 0),
                "agreement": estimate(agreement[i], a_se),
                "contribution": estimate(share, weight[i] * a_se / len(ids)),
                "share": estimate(share / norm, weight[i] * a_se / len(ids) / norm),
            }
        )
    families = []
    for family in dict.fromkeys(w.families):
        inside = np.array([f == family for f in w.families])
        families.append(
            {
                "family": family,
                "prompts": int(inside.sum()),
                "p": estimate(w.p[inside].mean(), 0.02, 0, 1),
                "agreement": estimate(head[6][inside].mean(), 0.05 * abs(head[6]).mean()),
            }
        )
    inner = [estimate(r[1], r[3]) for r in rows]
    conflict = {
        "k": ks,
        "inner": inner,
        "inner_sum": [estimate(r[1] * len(ids), r[3] * len(ids)) for r in rows],
        "cosine": [estimate(r[2], r[4], -1, 1) for r in rows],
        "p_value_negative": [float(normal_tail(r[1] / r[3])) for r in rows],
        "naive_inner": [float(r[1]) for r in naive],
        "naive_cosine": [float(r[2]) for r in naive],
        "mean_weight": [estimate(r[5].mean(), 0.05 * r[5].mean()) for r in rows],
        "covariance": [estimate(r[1] - r[5].mean() * r[6].mean(), r[3]) for r in rows],
    }
    first = next((r[0] for r in every if r[1] < 0), None)
    surest = [k for k, e in zip(ks, inner, strict=True) if e["hi"] < 0]
    straddles = any(e["lo"] <= 0 for e in inner)
    answer = "conflict" if surest else "cannot tell" if straddles else "no conflict"
    return {
        "acute": "0.1.0",
        "prompts": len(ids),
        "responses": len(ids) * w.n,
        "excluded": {},
        "counts": {"truncated": 12, "no_success": 0, "all_success": 0, "distinct_responses": 800},
        "engine": "sketch",
        "parameters": "all",
        "k_headline": ks[-1],
        "pass_at_k": {str(k): estimate((1 - (1 - w.p) ** k).mean(), 0.012 / (1 + k / 8), 0, 1) for k in ks},
        "conflict": conflict,
        "conflict_population": {
            "k": ks,
            "inner": [estimate(r[1], 4 * r[3]) for r in rows],
            "cosine": [estimate(r[2], 4 * r[4], -1, 1) for r in rows],
            "p_value_negative": [float(normal_tail(r[1] / r[3] / 4)) for r in rows],
        },
        "curve": {
            "k": [r[0] for r in every],
            "inner": [estimate(r[1], r[3]) for r in every],
            "cosine": [estimate(r[2], r[4], -1, 1) for r in every],
        },
        "k_dagger": first and {"value": first, "se": 1.4, "lo": max(2, first - 2), "hi": first + 3},
        "k_dagger_population": None,
        "k_star": {
            "epsilon": 0.09,
            "delta": 0.17,
            "q": 0.44,
            "m": 0.01,
            "G2": None,
            "B": 0.2,
            "value_paper": None,
            "value_sharp": 31.2,
        },
        "certificate": None,
        "agreement": {
            "fraction_negative": estimate((head[6] < 0).mean(), 0.03, 0, 1),
            "unweighted_mean": estimate(head[6].mean(), 0.04 * abs(head[6]).mean()),
            "weighted_mean": inner[-1],
        },
        "families": families,
        "per_prompt": per_prompt,
        "prompts_that_cost_most": sorted(per_prompt, key=lambda r: r["share"]["hi"])[:10],
        "verdict": {"answer": answer, "k": surest[0] if surest else None},
    }


def prompt_ids(w):
    return [f"prompt-{i:04d}" for i in range(len(w.p))]


def successes(w):
    return np.rint(w.p * w.n).astype(int)


def responses_of(w, seed=3):
    """Right responses as often as p says, wrong ones from a few."""
    rng = np.random.default_rng(seed)
    columns = {
        name: [] for name in ("response_id", "prompt_id", "fold", "response", "finish", "outcome", "reward")
    }
    for prompt_id, answer, right in zip(prompt_ids(w), w.answers, successes(w), strict=True):
        wrong = [text for x in rng.permutation(30) if (text := f" {x}") != answer]
        texts = [answer] * right + [wrong[j] for j in rng.integers(0, 6, w.n - right)]
        columns["response"] += texts
        columns["prompt_id"] += [prompt_id] * w.n
        columns["reward"] += [float(text == answer) for text in texts]
    columns["outcome"] = ["ok"] * len(columns["response"])
    columns["finish"] = ["eos"] * len(columns["response"])
    for row in w.extra:
        for name in ("prompt_id", "response", "reward", "outcome", "finish"):
            columns[name].append(row[name])
    rows = len(columns["response"])
    columns["response_id"] = [f"r{i}" for i in range(rows)]
    columns["fold"] = [i % 2 for i in range(rows)]
    return pa.table(columns)


def run_of(seed=0, control=None):
    """run.json."""
    return {
        "acute": "0.1.0",
        "seed": seed,
        "config": {
            "seed": seed,
            "control": control,
            "model": {"name": "bundled:smollm2", "dtype": "float32", "device": "auto"},
            "prompts": {"source": "override.jsonl", "limit": None},
            "sampling": {"n": 256, "temperature": 1.0, "top_p": 1.0, "max_tokens": 2, "stop": []},
            "verify": {"kind": "exact"},
            "score": {"parameters": "all", "engine": "sketch", "folds": 2, "sketch_size": 65536},
            "analyse": {"k": KS, "easy": None, "hard": None},
        },
        "versions": {"python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.4.6"},
        "git": "0123456789abcdef0123456789abcdef01234567",
        "stages": {"rollout": {"seconds": 61.2}, "verify": {"seconds": 0.1}, "score": {"seconds": 88.0}},
        "left_out": {"prompts without an answer": 0},
        "checks": {"sampler against scorer": "largest difference 3e-6 nats"},
    }


def write_run(folder, w, analysis=None, run=None):
    """Write the run folder of a world and return it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "analysis.json").write_text(json.dumps(analysis or analysis_of(w)))
    (folder / "run.json").write_text(json.dumps(run or run_of()))
    prompts = {"prompt_id": prompt_ids(w), "prompt": w.prompts, "answer": w.answers, "family": w.families}
    pq.write_table(pa.table(prompts), folder / "prompts.parquet")
    pq.write_table(responses_of(w), folder / "responses.parquet")
    return folder


def with_nulls(analysis):
    """The same analysis with unknowns of every kind."""
    conflict = analysis["conflict"]
    conflict["cosine"][-1] = None
    conflict["inner"][-1] = {"value": None, "se": None, "lo": None, "hi": None}
    conflict["cosine"][1] = {"value": 0.5, "se": None, "lo": None, "hi": None}
    conflict["p_value_negative"][-1] = None
    row = analysis["per_prompt"][-1]
    row |= {"successes": 0, "agreement": None, "weight": None, "contribution": None, "share": None}
    row["p"] = {"value": 0.0, "se": None, "lo": 0.0, "hi": 0.012}
    analysis["per_prompt"][-2] |= {
        "p": None,
        "agreement": {"value": None, "reason": "its folds hold one response"},
    }
    analysis |= {"k_dagger": None, "curve": None, "conflict_population": None, "k_star": None}
    analysis["agreement"]["fraction_negative"] = None
    analysis["pass_at_k"]["32"] = None
    analysis["families"][-1]["agreement"] = None
    analysis["counts"]["no_success"] = 1
    analysis["excluded"] = {"verifier failed on every response": 2}
    analysis["prompts_that_cost_most"] = []
    analysis["verdict"] = {"answer": "cannot tell", "k": None}
    return analysis


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end of script": "</script><img src=x onerror=alert(2)>",
    "template": "{{ 7 * 7 }} {% raw %}",
    "bidi": "abc\u202egnp.exe\u2066\u200b",
    "control": "\x00\x1b[31mred\x07",
    "long": "A" * 1_000_000,
    "link": '"><a href="https://evil.example/">x</a>',
    "separator": "a\u2028b",
}


def hostile(w):
    """The world with responses, prompts, families and ids that attack the page."""
    ids = prompt_ids(w)
    for text in HOSTILE.values():
        row = {"prompt_id": ids[0], "response": text, "reward": 1.0, "outcome": "ok", "finish": "length"}
        w.extra += [row] * 5  # often enough to be shown
    w.extra.append(
        {"prompt_id": ids[0], "response": "", "reward": None, "outcome": "timeout", "finish": "eos"}
    )
    w.prompts[0] = HOSTILE["script"] + w.prompts[0] + HOSTILE["bidi"]
    w.prompts[1] = chat(HOSTILE["script"], HOSTILE["control"])
    w.families = ["<b>sums</b></script>" if f == "plain sums" else f for f in w.families]
    return w


def with_maps(folder, world):
    """A run folder of a world that has both maps of interference."""
    analysis = analysis_of(world)
    kernel = world.kernel()
    families = list(dict.fromkeys(world.families))
    inside = [np.flatnonzero([family == f for f in world.families]) for family in families]
    mean = [[kernel[np.ix_(a, b)].mean() for b in inside] for a in inside]
    analysis["families_by_families"] = {
        "families": families,
        "inner": [[estimate(value, 0.1 * abs(value)) for value in row] for row in mean],
    }
    write_run(folder, world, analysis)
    ids = np.array(prompt_ids(world))
    np.savez(folder / "kernel.npz", prompt_id=ids, kernel=kernel, kernel_se=0.1 * abs(kernel) + 1e-3)
    return folder
