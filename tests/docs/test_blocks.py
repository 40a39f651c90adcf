"""Every block of README.md and docs/ runs, or says why not; what it is shown to print it prints."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, differs, faults, page_before
from tests.tiny import prompt_rows

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCKS = {name: blocks((ROOT / name).read_text()) for name in NAMES}
RUNNABLE = [name for name in NAMES if any("not run" not in block.marks for block in BLOCKS[name])]
# a machine without a GPU has to be told so, by any user of TRL; one token is enough here
BAR = re.compile(r"━ +\d+/\d+ ")
ON_CPU = "max_steps=4, use_cpu=True, bf16=False, report_to=[], max_completion_length=1"


@pytest.mark.parametrize("name", NAMES)
def test_every_block_is_run_or_says_why_not(name):
    assert faults((ROOT / name).read_text()) == []


class Workplace:
    """Runs each page once, in a folder of its own or in that of the page it comes after."""

    def __init__(self, root: Path, tiny_model: Path) -> None:
        self.root, self.tiny_model = root, tiny_model
        self.done: dict[str, Path] = {}

    def folder_of(self, name: str) -> Path:
        """The folder of a page after its blocks were run."""
        if name not in self.done:
            before = page_before((ROOT / name).read_text())
            self.done[name] = self.folder_of(before) if before else self.root / name.replace("/", "-")
            self.done[name].mkdir(exist_ok=True)
            self.run(name, self.done[name])
        return self.done[name]

    def run(self, name: str, folder: Path) -> None:
        """The blocks of a page, one after the other. AssertionError with page and line."""
        printed = ""
        for block in BLOCKS[name]:
            at = f"{name}:{block.line}"
            noise = float(block.marks.get("noise", 0))
            if "not run" in block.marks:
                continue
            if "prints" in block.marks:
                missing = differs(block.text, printed, noise)
                assert missing is None, f"{at}: not printed: {missing}\n---\n{printed}"
                continue
            if "file" in block.marks:
                (folder / block.marks["file"]).write_text(block.text)
            if block.language == "toml":
                accepted(block.text, at)
            elif block.language == "python":
                code, printed = inside(folder, lambda b=block, a=at: execute(b.text, a))
                assert code == 0, f"{at}: ended with {code}"
            elif block.language == "diff":
                both_sides(self.given(block), folder)
            elif block.language == "console":
                for command, shown in commands(block.text):
                    code, said = inside(folder, lambda c=command: call(c))
                    assert code == int(block.marks.get("exit", 0)), f"{at}: {command}: {code}\n{said}"
                    missing = differs(shown, said, noise) if shown.strip() else None
                    assert missing is None, f"{at}: {command}: not printed: {missing}\n---\n{said}"

    def given(self, block: Block) -> str:
        """The text of a block, with a model that is here."""
        assert "tiny model" in block.marks, "a block that trains needs the mark `tiny model`"
        return block.text.replace("path/or/hub-id", str(self.tiny_model)).replace("max_steps=4", ON_CPU)


def accepted(text: str, at: str) -> None:
    """A configuration is one that acute takes. ConfigError."""
    from acute import config
    from acute.train import config as training

    data = tomllib.loads(text)
    (training if "train" in data else config).parse(data, at)


def inside(folder: Path, what) -> tuple[int, str]:
    """Exit code and what a call in `folder` prints, bars aside; what it imported from there is forgotten."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        sys.path.insert(0, str(folder))
        try:
            code = what()
        finally:
            sys.path.remove(str(folder))
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
                    del sys.modules[name]
    lines = out.getvalue().replace("\r", "\n").splitlines()
    return code, "\n".join(line for line in lines if not BAR.search(line))


def execute(text: str, at: str) -> int:
    """Run Python as a program of its own would."""
    exec(compile(text, at, "exec"), {"__name__": "__main__"})
    return 0


def call(command: str) -> int:
    """Run a command; acute's own in this process, which has torch loaded already."""
    words = shlex.split(command)
    if words[0] != "acute":
        bin_first = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(command, shell=True, capture_output=True, text=True, env=bin_first)
        print(done.stdout, done.stderr, sep="\n")
        return done.returncode
    from acute.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setenv("COLUMNS", "110")
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def both_sides(text: str, folder: Path) -> None:
    """The program before a change and after it: both run, at most five lines change, metrics are logged."""
    lines = text.splitlines()
    assert sum(line.startswith("+") for line in lines) <= 5
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompt_rows(8))))
    logged = {}
    for name, other in (("before", "+"), ("after", "-")):
        code = "\n".join(line[1:] for line in lines if not line.startswith(other))
        space = {"__name__": "__main__"}
        program = compile(code.replace('"out"', f'"{name}"'), name, "exec")
        inside(folder, lambda p=program, s=space: exec(p, s) or 0)
        logged[name] = {metric for row in space["trainer"].state.log_history for metric in row}
    assert not any(metric.startswith("acute/") for metric in logged["before"])
    assert {"acute/pass@1", "acute/inner", "acute/k_dagger"} <= logged["after"], logged["after"]
    rows = [json.loads(row) for row in (folder / "after" / "acute.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3] and "inner" in rows[0]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, tiny_model):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what is printed is printed with one
    yield Workplace(tmp_path_factory.mktemp("pages"), tiny_model)
    torch.set_num_threads(before)


@pytest.mark.model
@pytest.mark.parametrize("name", RUNNABLE)
def test_blocks_do_what_the_page_says(name, workplace):
    workplace.folder_of(name)
