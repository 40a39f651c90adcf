"""The pictures of docs/paper.md from what examples/paper/paper.py wrote.

python docs/figures/paper.py runs/paper-figures     # needs chromium
"""

import sys
from pathlib import Path

import plotly.io as pio
from quickstart import HERE, picture


def main(folder):
    for path in sorted(folder.glob("figure*.json")):
        figure = pio.read_json(path)
        picture(figure, HERE / f"paper-{path.stem}.png", figure.layout.width, figure.layout.height)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
