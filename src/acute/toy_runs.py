"""The runs behind `acute toy`: numbers and figures of the paper's contextual bandit.

Reference: arXiv 2602.21189, sections 3.2-3.3 and Figs. 2-5. What is not printed there (population settings)
has defaults of our own.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.agreement import cosine_kernel, kernel
from acute.core.theory import certificate, k_dagger, k_star_scan, transitions
from acute.core.toy import THETA_REF, Bandit, State, ascend, population, state, two_prompts

if TYPE_CHECKING:
    import plotly.graph_objects as go

Floats = NDArray[np.float64]
EASY_SHOWN, HARD_SHOWN = 120, 80  # as in Fig. 2
REGION_POINTS, BINS = 41, 60


def two_prompt_numbers(k: int = 10, step: float = 5.0) -> dict[str, Any]:
    """Every number of the two-prompt demonstration, then the thresholds and certificates on it."""
    world = two_prompts()
    psi = world.features
    at = state(world, THETA_REF, k)
    after = state(world, THETA_REF + step * at.gradient_k, k)
    kappa = kernel(at.gradients)
    proof = certificate(at.p, at.agreement, k)
    threshold = k_star_scan(at.p, at.agreement, G2=world.constants()[0])
    weight = k * (1 - at.p) ** (k - 1)
    return {
        "cos_features": float(psi[0] @ psi[1] / np.linalg.norm(psi[0]) / np.linalg.norm(psi[1])),
        "p_easy": float(at.p[0]),
        "p_hard": float(at.p[1]),
        "kernel": float(kappa[0, 1]),
        "cos_gradients": float(cosine_kernel(kappa)[0, 1]),
        "weight_easy": float(weight[0]),
        "weight_hard": float(weight[1]),
        "agreement_easy": float(at.agreement[0]),
        "agreement_hard": float(at.agreement[1]),
        "inner": at.inner,
        "cosine": at.cosine,
        "J1_before": at.J1,
        "J1_after": after.J1,
        "Jk_before": at.Jk,
        "Jk_after": after.Jk,
        "k_dagger": k_dagger(at.p, at.agreement),
        "k_star_paper": threshold.value_paper if threshold else None,
        "k_star_sharp": threshold.value_sharp if threshold else None,
        "delta_theta": proof.delta_theta if proof else None,
    }


class PopulationRun(NamedTuple):
    """A run of gradient ascent on J_k; `numbers` is what population.json holds."""

    world: Bandit
    k: int
    path: Floats
    """θ_0 … θ_T, shape (T + 1, 2)."""
    states: list[State]
    numbers: dict[str, Any]


def run_population(
    k: int, prompts: int, p_hard: float, separation: float, step: float, steps: int, seed: int
) -> PopulationRun:
    """Draw the prompts, ascend J_k from θ = (-2, -2), and keep everything exact along the way."""
    world = population(prompts, p_hard, separation, seed)
    path = ascend(world, THETA_REF, k, step, steps)
    states = [state(world, theta, k) for theta in path]
    kinds = {"population": np.full(prompts, True), "easy": ~world.hard, "hard": world.hard}
    curves = {
        name: {
            "pass@1": [_mean(s.p[kind]) for s in states],
            f"pass@{k}": [_mean(1 - (1 - s.p[kind]) ** k) for s in states],
        }
        for name, kind in kinds.items()
    }
    settings = {
        "k": k,
        "prompts": prompts,
        "p_hard": p_hard,
        "separation": separation,
        "step": step,
        "steps": steps,
        "seed": seed,
        "theta": THETA_REF.tolist(),
    }
    inner = [s.inner for s in states]
    numbers = {
        "settings": settings,
        "before": _summary(states[0], world, k),
        "after": _summary(states[-1], world, k),
        "inner_largest": max(inner),
        "inner": inner,
        "cosine": [s.cosine if np.isfinite(s.cosine) else None for s in states],
        "curves": curves,
        "kernel": _kernel_numbers(world, states[0]),
        "region": _region(world, path, k),
        "agreement": _histograms(states[0], states[-1]),
    }
    return PopulationRun(world, k, path, states, numbers)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _summary(s: State, world: Bandit, k: int) -> dict[str, Any]:
    return {
        "J1": s.J1,
        f"J{k}": s.Jk,
        "pass@1_easy": _mean(s.p[~world.hard]),
        "pass@1_hard": _mean(s.p[world.hard]),
        "inner": s.inner,
        "agreement_negative": float((s.agreement < 0).mean()),
        "agreement_smallest": float(s.agreement.min()),
        "k_dagger": k_dagger(s.p, s.agreement),
        "sign_changes": [k for k, _ in transitions(s.p, s.agreement)[1:]],
    }


def figures(run: PopulationRun) -> dict[str, "go.Figure"]:
    """The four figures, by file name: kernel (Fig. 2), region (3), agreement (4), curves (5)."""
    return {
        "kernel": _kernel_figure(run),
        "region": _region_figure(run),
        "agreement": _agreement_figure(run),
        "curves": _curves_figure(run),
    }


def _shown(world: Bandit) -> NDArray[np.intp]:
    """The prompts of the heat map: easy ones, then hard ones."""
    return np.concatenate([np.flatnonzero(~world.hard)[:EASY_SHOWN], np.flatnonzero(world.hard)[:HARD_SHOWN]])


def _kernel_numbers(world: Bandit, at: State) -> dict[str, Any]:
    """Share of negative κ among the prompts of the heat map: between the two kinds, and within them."""
    shown = _shown(world)
    negative = kernel(at.gradients[shown]) < 0
    same = world.hard[shown][:, None] == world.hard[shown]
    return {
        "prompts": len(shown),
        "negative_between_kinds": _mean(negative[~same].astype(float)),
        "negative_within_kinds": _mean(negative[same].astype(float)),
    }


def _region(world: Bandit, path: Floats, k: int) -> dict[str, Any]:
    """J_1, J_k and ⟨∇J_k, ∇J_1⟩ over the θ-plane around the path; rows follow θ_1, columns θ_0."""
    low, high = path.min(0) - 1.5, path.max(0) + 1.5
    x, y = (np.linspace(low[i], high[i], REGION_POINTS) for i in (0, 1))
    cells = [[state(world, np.array([a, b]), k) for a in x] for b in y]
    inner = np.array([[s.inner for s in row] for row in cells])
    return {
        "theta_0": x.tolist(),
        "theta_1": y.tolist(),
        "J1": [[s.J1 for s in row] for row in cells],
        "Jk": [[s.Jk for s in row] for row in cells],
        "inner": inner.tolist(),
        "share_in_conflict": float((inner < 0).mean()),
    }


def _histograms(before: State, after: State) -> dict[str, Any]:
    both = np.concatenate([before.agreement, after.agreement])
    edges = np.histogram_bin_edges(both, BINS)
    counts = (np.histogram(s.agreement, edges)[0].tolist() for s in (before, after))
    return dict(zip(("edges", "before", "after"), (edges.tolist(), *counts), strict=True))


def _kernel_figure(run: PopulationRun) -> "go.Figure":
    import plotly.graph_objects as go

    cosine = cosine_kernel(kernel(run.states[0].gradients[_shown(run.world)]))
    figure = go.Figure(go.Heatmap(z=cosine, colorscale="RdBu", zmin=-1, zmax=1, colorbar_title="cosine"))
    return figure.update_layout(
        title="cos(∇p(x), ∇p(x')) at the start: easy prompts first, then hard ones",
        yaxis={"autorange": "reversed", "scaleanchor": "x"},
        template="plotly_white",
    )


def _region_figure(run: PopulationRun) -> "go.Figure":
    import plotly.graph_objects as go

    region = run.numbers["region"]
    x, y, inner = region["theta_0"], region["theta_1"], np.array(region["inner"])
    lines = {"coloring": "lines"}
    figure = go.Figure()
    figure.add_heatmap(
        x=x, y=y, z=np.where(inner < 0, 1.0, np.nan), colorscale=["lightgray", "lightgray"], showscale=False
    )
    figure.add_contour(
        x=x, y=y, z=region["J1"], contours=lines, colorscale="Blues", showscale=False, name="pass@1"
    )
    figure.add_contour(
        x=x, y=y, z=region["Jk"], contours=lines, colorscale="Reds", showscale=False, name=f"pass@{run.k}"
    )
    figure.add_scatter(x=run.path[:, 0], y=run.path[:, 1], mode="lines", line_color="black", name="ascent")
    return figure.update_layout(
        title=f"pass@1 (blue), pass@{run.k} (red); grey: their gradients are in conflict",
        xaxis_title="θ₀",
        yaxis_title="θ₁",
        template="plotly_white",
    )


def _agreement_figure(run: PopulationRun) -> "go.Figure":
    import plotly.graph_objects as go

    figure = go.Figure()
    histogram = run.numbers["agreement"]
    edges = np.array(histogram["edges"])
    for name, counts in (("at the start", histogram["before"]), ("after ascent", histogram["after"])):
        figure.add_bar(x=(edges[1:] + edges[:-1]) / 2, y=counts, width=np.diff(edges), name=name, opacity=0.6)
    return figure.update_layout(
        barmode="overlay",
        title=f"Agreement with ∇J₁, before and after {len(run.path) - 1} steps on pass@{run.k}",
        xaxis_title="a(x)",
        yaxis_title="prompts",
        template="plotly_white",
    )


def _curves_figure(run: PopulationRun) -> "go.Figure":
    import plotly.graph_objects as go

    colours = {"population": "black", "easy": "seagreen", "hard": "firebrick"}
    figure = go.Figure()
    for kind, curves in run.numbers["curves"].items():
        for name, values in curves.items():
            dash = "dash" if name == "pass@1" else "solid"
            figure.add_scatter(y=values, name=f"{kind}, {name}", line={"color": colours[kind], "dash": dash})
    return figure.update_layout(
        title=f"Ascent on pass@{run.k}", xaxis_title="step", yaxis_title="success", template="plotly_white"
    )
