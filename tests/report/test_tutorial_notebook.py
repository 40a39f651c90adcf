"""The tutorial notebook runs, and what it shows is what it was stored with."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent.parent / "examples" / "tutorial.ipynb"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """The kinds of output, and the verdict and headings in them; numbers move with the machine's rounding."""
    found = []
    for output in cell.outputs:
        if output.output_type in ("execute_result", "display_data"):
            markup = "".join(output.data.get("text/html", ""))
            found.append(
                (sorted(output.data), re.findall(r"<th[^>]*>(?:k|family|prompt_id|[a-z@ ]+)</th>", markup))
            )
    return found


@pytest.mark.model
def test_the_notebook_runs_and_shows_what_it_was_stored_with(tmp_path):
    stored, fresh = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    nbformat.validate(stored)
    NotebookClient(
        fresh, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert len(code_cells(stored)) >= 6
    for was, now in zip(code_cells(stored), code_cells(fresh), strict=True):
        assert not [output for output in now.outputs if output.output_type == "error"]
        assert shown(was) == shown(now), was.source
    assert (tmp_path / "runs/notebook/report.html").stat().st_size > 10**6
