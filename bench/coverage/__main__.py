"""Coverage of 95 % intervals and bias of estimates, on simulated policies with exact truth.

    python -m bench.coverage run                     # the whole grid, goes on where it was stopped
    python -m bench.coverage run --cells small --repetitions 250 --results /tmp/coverage
    python -m bench.coverage show                    # tables and docs/figures/coverage.png

The methods were chosen on universe 0; the default, 1, was first looked at when they stood.
All cells grow together, by 250 runs at a time, in one JSON file a cell under bench/results/coverage.
"""

import argparse
import importlib.metadata
import json
import platform
from pathlib import Path

from bench.coverage.show import show
from bench.coverage.simulate import Cell, joined, simulate
from bench.coverage.worlds import LAWS, SHARING

from acute.progress import tracked

BATCH = 250
RESULTS = Path(__file__).parent.parent / "results" / "coverage"


def grid(universe: int) -> list[Cell]:
    """Laws × sharing × prompts × responses with two folds; four folds and unequal n at some of them."""
    cells = [
        Cell(law, sharing, prompts, responses)
        for prompts in (32, 128)
        for responses in (16, 32, 64)
        for law in LAWS
        for sharing in SHARING
    ]
    cells += [Cell(law, "middle", 32, 32, 4) for law in LAWS]
    cells += [Cell(law, "middle", 128, 64, 2, True) for law in LAWS]
    return [cell._replace(universe=universe) for cell in cells]


def grow(cell: Cell, repetitions: int, results: Path, versions: dict[str, str]) -> None:
    """Add a batch of runs to a cell's file that has fewer."""
    path = results / f"{cell.name}.json"
    known = json.loads(path.read_text()) if path.exists() else {"repetitions": 0, "rows": []}
    if known["repetitions"] >= repetitions:
        return
    rows = joined(known["rows"], simulate(cell, BATCH, (known["repetitions"],)))
    found = {"cell": cell._asdict(), "repetitions": known["repetitions"] + BATCH, "versions": versions}
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**found, "rows": rows}) + "\n")
    part.replace(path)


def run(cells: list[Cell], repetitions: int, results: Path) -> None:
    """Simulate what is not done yet."""
    results.mkdir(parents=True, exist_ok=True)
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scipy")}
    versions["python"] = platform.python_version()
    wanted = range(BATCH, repetitions + BATCH, BATCH)
    with tracked("coverage", len(cells) * len(wanted)) as progress:
        for least in wanted:
            for cell in cells:
                grow(cell, least, results, versions)
                progress.advance()


def main() -> None:
    """Run the grid, or show its results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=["run", "show"])
    parser.add_argument("--repetitions", type=int, default=2000, help="simulated runs a cell")
    parser.add_argument("--universe", type=int, default=1, help="seed of the prompts that runs draw from")
    parser.add_argument("--cells", default="", help="only cells whose name holds this text")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the cells' files")
    options = parser.parse_args()
    if options.do == "run":
        cells = [cell for cell in grid(options.universe) if options.cells in cell.name]
        run(cells, options.repetitions, options.results)
    else:
        show(options.results)


if __name__ == "__main__":
    main()
