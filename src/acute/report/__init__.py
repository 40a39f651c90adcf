"""The page and the terminal summary.

`page.write_page` writes `report.html`, `terminal.summary` prints; both say what `verdict` says.
"""
