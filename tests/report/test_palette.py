"""The colours of the pages: apart for every kind of colour vision, and visible on their paper."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest

from acute.report.html import asset

# colours that one figure tells apart by colour
GROUPS = {
    "sides": ("against", "for", "neutral"),
    "difficulty": ("hard", "between", "easy"),
    "runs": ("run", "control"),
    "series": tuple(f"series-{i}" for i in range(1, 7)),
    "map": tuple(f"map-{i}" for i in range(5)),
}
APART = 12  # CIEDE2000; 2 is just visible side by side, 12 is another colour to anyone who looks
VISIBLE = 3.0  # contrast that WCAG 2.2 (1.4.11) asks of graphics
SEEN_BY = {
    "all": None,
    "deuteranopes": "Deuteranomaly",
    "protanopes": "Protanomaly",
    "tritanopes": "Tritanomaly",
}


@pytest.fixture(scope="module")
def colour():
    return pytest.importorskip("colour", reason="colour-science is of the development set")


def themes():
    """The variables of the style sheet: light, and what dark and print change of it."""
    sheet = asset("page.css")
    read = lambda block: dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6}|#[0-9a-f]{3});", block))  # noqa: E731
    light = read(sheet[: sheet.index("@media")])
    (dark,) = re.findall(r"prefers-color-scheme: dark\) \{(.*?)\n\}", sheet, flags=re.S)
    (paper,) = re.findall(r'data-theme="print"\] \{(.*?)\}', sheet, flags=re.S)
    return {"light": light, "dark": light | read(dark), "print": light | read(paper)}


def linear(colour, code):
    return colour.cctf_decoding(np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255, "sRGB")


def seen(colour, code, by):
    """CIE Lab of a colour as people with this deficiency see it (Machado et al. 2009, severity 1)."""
    light = linear(colour, code)
    if by is not None:
        light = np.clip(colour.matrix_cvd_Machado2009(by, 1.0) @ light, 0, 1)
    return colour.XYZ_to_Lab(colour.RGB_to_XYZ(light, "sRGB", apply_cctf_decoding=False))


def nearest(colour, codes, by):
    """The smallest distance between two of the colours, and which two."""
    lab = {code: seen(colour, code, by) for code in codes}
    return min(
        (float(colour.delta_E(lab[a], lab[b], method="CIE 2000")), a, b) for a, b in combinations(codes, 2)
    )


@pytest.mark.parametrize("by", SEEN_BY)
@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_colours_of_a_figure_stay_apart(colour, theme, by):
    palette = themes()[theme]
    for group, names in GROUPS.items():
        distance, *pair = nearest(colour, [palette[name] for name in names], SEEN_BY[by])
        assert distance >= APART, (group, pair)


def test_that_test_can_fail(colour):
    assert nearest(colour, ["#CC79A7", "#999999"], "Deuteranomaly")[0] < APART


def luminance(colour, code):
    return float(linear(colour, code) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_are_visible_on_their_paper(colour, theme):
    palette = themes()[theme]
    names = [name for group in ("sides", "difficulty", "runs", "series") for name in GROUPS[group]]
    for name in names:
        one, other = (luminance(colour, palette[n]) + 0.05 for n in (name, "paper"))
        assert max(one, other) / min(one, other) >= VISIBLE, name


def test_the_map_of_cosines_needs_no_colour_in_print(colour):
    grey = [seen(colour, themes()["print"][name], None)[0] for name in GROUPS["map"]]
    assert all(b - a >= 8 for a, b in pairwise(grey)), grey
