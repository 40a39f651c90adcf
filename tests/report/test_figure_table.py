"""A figure's numbers as a table."""

from acute.report.figure_table import MOST_NAMES, numbers_of

AXIS = {"xaxis": {"title": {"text": "k (log scale)"}}}


def figure(*traces, layout=AXIS):
    return {"data": list(traces), "layout": layout}


def line(name, x, y, **more):
    return {"type": "scatter", "name": name, "x": x, "y": y, **more}


def test_a_row_an_x_and_a_column_a_series():
    bars = {"array": [0.1, 0.2], "arrayminus": [0.1, None]}
    table = numbers_of(
        figure(
            line("a &lt;b&gt;", [1, 2], [0.5, 0.25], error_y=bars), line("J<sub>1</sub>", [2, 4], [None, 3])
        )
    )
    assert table.headings == ["k", "a <b>", "J1"]
    assert table.rows == [["1", "0.500 (0.400 to 0.600)", "—"], ["2", "0.25", "—"], ["4", "—", "3"]]
    assert table.note == ""


def test_what_is_not_a_series_is_left_out():
    band = line("", [1, 2], [0.1, 0.2], hoverinfo="skip")
    legend = line("legend", [None], [None])
    assert numbers_of(figure(band, legend, line("a", [1], [2]))).headings == ["k", "a"]
    assert numbers_of(figure(band, legend)) is None


def test_bars_tell_the_stretch_they_cover():
    table = numbers_of(figure({"type": "bar", "name": "hard", "x": [0.25, 0.75], "y": [3, 1], "width": 0.5}))
    assert table.rows == [["0.00 to 0.50", "3"], ["0.50 to 1.00", "1"]]


def test_cells_are_told_by_both_names():
    cells = {"type": "heatmap", "x": ["a", "&lt;"], "y": ["a", "&lt;"], "z": [[1, -0.5], [-0.5, None]]}
    table = numbers_of(figure(cells))
    assert table.headings == ["", "a", "<"]
    assert table.rows == [["a", "+1", "−0.5"], ["<", "−0.5", "—"]]
    many = list(range(MOST_NAMES + 1))
    assert (
        numbers_of(figure({**cells, "x": many, "y": many, "meta": {"names": list(map(str, many))}})) is None
    )


def test_a_long_figure_is_told_at_rows_spread_over_it():
    table = numbers_of(figure(line("a", list(range(1001)), [0.5] * 1001)))
    assert [row[0] for row in (table.rows[0], table.rows[-1])] == ["0", "1,000"]
    assert len(table.rows) == 200 and table.note == "200 of 1,001 rows, spread evenly."
