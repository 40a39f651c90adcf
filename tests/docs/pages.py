"""The fenced blocks of README.md and docs/, the marks before them, and what running them shows.

A mark is an HTML comment right before a block:

    <!-- not run: why -->    the block is left alone
    <!-- file: NAME -->      its text is written to NAME, for the blocks after it
    <!-- prints -->          it is what the python block before it prints
    <!-- noise 0.05 -->      its numbers may differ by 0.05, or by 5 % where they are larger than 1
    <!-- exit 3 -->          its commands end with this code
    <!-- tiny model -->      path/or/hub-id is a tiny model here, on the CPU

and on a line of its own, for a page: `<!-- after: docs/tutorial.md -->`, it goes on in that page's folder.
In what is shown, `...` stands for any text, and alone on a line for any lines.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent.parent
GENERATED = ROOT / "docs" / "cli.md"  # what `acute --help` says: test_site.py holds it current
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if p != GENERATED)]
RUN = {"python", "console", "toml", "diff"}
MARK = r"(not run(?=: \S)|file(?=: \S+$)|prints(?=$)|noise(?= 0\.\d+$)|exit(?= \d+$)|tiny model(?=$))(.*)"
AFTER = re.compile(r"^<!-- after: (\S+) -->$", flags=re.M)
NUMBER = r"[-+−]?\d+(?:\.\d+)?"
PART = re.compile(rf"(\.\.\.|{NUMBER})")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text and its marks."""

    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)


def blocks(text: str) -> list[Block]:
    """All code blocks of a page, those of Sphinx's directives aside."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    for token in MarkdownIt("commonmark").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            said = (" ".join(s.split()) for s in re.findall(r"<!-- (.*?) -->", token.content, flags=re.S))
            marks = marks | dict(mark for s in said if (mark := _mark(s)))
            continue
        if token.type == "code_block":
            found.append(Block(line, "indented", token.content, marks))
        elif token.type == "fence" and not token.info.startswith("{"):
            found.append(Block(line, token.info, token.content, marks))
        marks = {}
    return found


def _mark(said: str) -> tuple[str, str] | None:
    """(name, what it says) of a comment that is a mark."""
    found = re.fullmatch(MARK, said)
    return (found[1], (found[2] or "").strip(": ")) if found else None


def page_before(text: str) -> str | None:
    """The page whose files this one begins with."""
    found = AFTER.search(text)
    return found[1] if found else None


def faults(text: str) -> list[str]:
    """What makes a page's blocks neither run nor left alone for a reason."""
    told = []
    previous: Block | None = None
    for block in blocks(text):
        at = f"line {block.line}"
        if "prints" in block.marks:
            if previous is None or previous.language != "python" or "not run" in previous.marks:
                told.append(f"{at}: nothing before it prints")
        elif not block.marks.keys() & {"not run", "file"} and block.language not in RUN:
            told.append(f"{at}: {block.language or 'no language'}: neither run nor marked")
        elif block.language == "console" and "not run" not in block.marks and not commands(block.text):
            told.append(f"{at}: a command begins with $")
        previous = block
    return told


def commands(text: str) -> list[tuple[str, str]]:
    """(command, what is shown below it) of a console block."""
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", text, flags=re.M)
    return [(re.sub(r"\s#\s.*$|\\\n", "", command).strip(), shown) for command, shown in found]


def differs(shown: str, printed: str, noise: float = 0.0) -> str | None:
    """None where `printed` is what is shown, blanks aside; otherwise the first line that is not there."""
    left = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    wanted = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    skipping = False
    for line in wanted:
        if line == "...":
            skipping = True
            continue
        while left and skipping and not _same(line, left[0], noise):
            left.pop(0)
        if not left or not _same(line, left.pop(0), noise):
            return line
        skipping = False
    return None if skipping or not left else f"(nothing more, but: {left[0]})"


def _same(shown: str, printed: str, noise: float) -> bool:
    parts = PART.split(shown)  # every second one is a number or "..."
    numbers = [part for part in parts[1::2] if part != "..." and noise]
    pattern = "".join(
        ".*" if part == "..." else rf"({NUMBER})" if i % 2 and noise else re.escape(part)
        for i, part in enumerate(parts)
    )
    found = re.fullmatch(pattern, printed)
    if found is None:
        return False
    pairs = zip(map(_value, numbers), map(_value, found.groups()), strict=True)
    return all(abs(a - b) <= noise * max(1.0, abs(a)) for a, b in pairs)


def _value(number: str) -> float:
    return float(number.replace("−", "-"))
