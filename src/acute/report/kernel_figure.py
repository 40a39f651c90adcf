"""The interference map: which prompts' gradients point along or against which others' (after Fig. 2)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from acute.report.curves import layout
from acute.report.numbers import Json, value_of
from acute.report.safe_text import for_hover

MOST_PROMPTS = 120  # beyond this a cell is smaller than a pixel; the ones shown are spread over p
# from red, against, to blue, along: they stay apart for colour-blind readers, and on paper by lightness
COLOURS = [[i / 4, f"@map-{i}"] for i in range(5)]


def read_kernel(folder: Path) -> tuple[list[str], NDArray[np.float64]] | None:
    """Prompt ids and normalised kernel of a run folder; None where it has none that can be read."""
    try:
        with np.load(folder / "kernel.npz", allow_pickle=False) as found:
            names, kernel = found["prompt_id"].tolist(), found["kernel"]
    except (OSError, ValueError, KeyError):
        return None
    norm = np.sqrt(np.where(np.diag(kernel) > 0, np.diag(kernel), np.nan))
    return names, np.clip(kernel / np.outer(norm, norm), -1, 1)


def interference(folder: Path, rows: list[Json], labels: dict[str, str]) -> Json | None:
    """Cosines of the prompts' ∇p: families side by side, and inside them prompts that point alike."""
    found = read_kernel(folder)
    if found is None:
        return None
    names, cosine = found
    at = {name: i for i, name in enumerate(names)}
    known = [r for r in rows if r["prompt_id"] in at and np.isfinite(cosine[at[r["prompt_id"]]]).any()]
    known.sort(key=lambda r: (str(r.get("family") or ""), value_of(r.get("p")) or 0.0))
    if len(known) > MOST_PROMPTS:
        known = [known[round(i)] for i in np.linspace(0, len(known) - 1, MOST_PROMPTS)]
    if len(known) < 2:
        return None
    known = [r for group in _by_family(known) for r in _clustered(group, cosine, at)]
    order = [at[r["prompt_id"]] for r in known]
    values = cosine[np.ix_(order, order)]
    text = [for_hover(labels.get(r["prompt_id"]) or str(r["prompt_id"])) for r in known]
    places = list(range(len(known)))
    ticks = _families(known)
    axis = {
        "tickvals": [place for place, _ in ticks],
        "ticktext": [for_hover(name) for _, name in ticks],
        "title": {"text": ""},
    }
    return {
        "data": [
            {
                "type": "heatmap",
                "x": places,
                "y": places,
                "z": [[None if not np.isfinite(v) else round(float(v), 3) for v in row] for row in values],
                "meta": {"names": text},  # the page writes them out, a pair a cell
                "hovertemplate": "%{customdata[1]}<br>%{customdata[0]}<br><b>cosine %{z}</b><extra></extra>",
                "zmin": -1,
                "zmax": 1,
                "colorscale": COLOURS,
                "colorbar": {"thickness": 10, "title": {"text": "cosine", "side": "top"}},
            }
        ],
        "layout": layout(axis, {**axis, "autorange": "reversed", "tickangle": -90}, showlegend=False),
    }


def _by_family(rows: list[Json]) -> list[list[Json]]:
    groups: dict[str, list[Json]] = {}
    for row in rows:
        groups.setdefault(str(row.get("family") or ""), []).append(row)
    return list(groups.values())


def _clustered(rows: list[Json], cosine: NDArray[np.float64], at: dict[str, int]) -> list[Json]:
    """Rows so ordered that prompts whose gradients point alike stand together (average linkage)."""
    if len(rows) < 3:
        return rows
    index = [at[row["prompt_id"]] for row in rows]
    apart = 1 - np.nan_to_num(cosine[np.ix_(index, index)])
    np.fill_diagonal(apart, 0.0)
    pairs = squareform((apart + apart.T) / 2, checks=False)
    tree = hierarchy.linkage(pairs, "average", optimal_ordering=True)
    return [rows[i] for i in hierarchy.leaves_list(tree)]


def _families(rows: list[Json]) -> list[tuple[float, str]]:
    """The middle of each family's stretch and its name."""
    starts: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        starts.setdefault(str(row.get("family") or ""), []).append(place)
    return [((places[0] + places[-1]) / 2, name) for name, places in starts.items() if name]


def between_families(analysis: Json) -> Json | None:
    """Cosines of the families' mean gradients, a cell a pair; starred where the sign is beyond its error."""
    found = analysis.get("families_by_families")
    if not found:
        return None
    names, inner = found["families"], found["inner"]
    cosine = [[_cosine(inner, f, g) for g in range(len(names))] for f in range(len(names))]
    if not any(value is not None for row in cosine for value in row):
        return None
    labels = [for_hover(name) for name in names]
    text = [
        [
            "" if v is None else f"{v:+.2f}{'*' if sign_of(inner[f][g]) else ''}".replace("-", "−")
            for g, v in enumerate(row)
        ]
        for f, row in enumerate(cosine)
    ]
    axis = {"title": {"text": ""}, "type": "category"}
    return {
        "data": [
            {
                "type": "heatmap",
                "x": labels,
                "y": labels,
                "z": cosine,
                "text": text,
                "texttemplate": "%{text}",
                "hovertemplate": "raising %{y}<br>moves %{x}<br><b>cosine %{z:.3f}</b><extra></extra>",
                "zmin": -1,
                "zmax": 1,
                "colorscale": COLOURS,
                "colorbar": {"thickness": 10, "title": {"text": "cosine", "side": "top"}},
            }
        ],
        "layout": layout(axis, {**axis, "autorange": "reversed"}, showlegend=False),
    }


def _cosine(inner: list[list[Json | None]], f: int, g: int) -> float | None:
    """⟨f, g⟩ over the two norms; None where one of the three is unknown or a norm not positive."""
    both, own, other = (value_of(inner[a][b]) for a, b in ((f, g), (f, f), (g, g)))
    if both is None or own is None or other is None or own <= 0 or other <= 0:
        return None
    return round(float(np.clip(both / np.sqrt(own * other), -1, 1)), 3)


def sign_of(estimate: Json | None) -> int:
    """-1 or 1 where the interval lies wholly on that side of 0, else 0."""
    lo, hi = value_of(estimate, "lo"), value_of(estimate, "hi")
    return 0 if lo is None or hi is None else int(lo > 0) - int(hi < 0)


def hurt_families(analysis: Json) -> list[tuple[str, str]]:
    """Pairs of families of which raising one surely lowers the other, the surest first."""
    found = analysis.get("families_by_families")
    if not found:
        return []
    names, inner = found["families"], found["inner"]
    pairs = [
        (inner[f][g]["hi"] / inner[f][g]["se"], names[f], names[g])
        for f in range(len(names))
        for g in range(f)
        if sign_of(inner[f][g]) < 0
    ]
    return [(a, b) for _, a, b in sorted(pairs)]


def worst_pairs(folder: Path, most: int = 5) -> list[tuple[str, str, float, float]]:
    """Pairs of prompts that surely interfere negatively: ids, κ, standard error; the surest first."""
    try:
        with np.load(folder / "kernel.npz", allow_pickle=False) as found:
            names, kernel, se = found["prompt_id"].tolist(), found["kernel"], found["kernel_se"]
    except (OSError, ValueError, KeyError):
        return []
    upper = np.triu(np.ones_like(kernel, bool), 1) & np.isfinite(kernel)
    bound = np.where(upper, kernel + 1.96 * np.where(np.isfinite(se), se, np.inf), np.inf)
    order = np.argsort(bound, axis=None)[:most]
    pairs = [np.unravel_index(i, kernel.shape) for i in order]
    return [(names[i], names[j], float(kernel[i, j]), float(se[i, j])) for i, j in pairs if bound[i, j] < 0]
