"""Prompts for the paper's experiment, by a written rule; no model and no rollout is looked at.

    python examples/paper/prompts.py examples/paper/prompts.jsonl
    python examples/paper/prompts.py prompts.jsonl --math ../shared/data/math500_test.jsonl \\
        --math ../shared/data/gsm8k_test.jsonl --each 12

Rule: `--arithmetic` prompts of every built-in family (seed 0); from each `--math` file (JSON lines with
`problem` or `question`, `answer`, perhaps `level` and `subject`) the first `--each`, in the file's order,
whose answer is a whole number of at most three digits, whose text has at most 300 characters and whose level,
where one is given, is at most `--level`. What follows "####" in an answer is the answer. The question is
asked directly (the assistant's turn begins "The answer is the number"), because a model of 135M parameters
solves next to none with a chain of thought; `--chain` leaves that out, for larger models.
"""

import argparse
import json
import re
from pathlib import Path

from acute.tasks.arithmetic import draw

DIRECT = "The answer is the number"


def math_rows(path, count, level, direct):
    """Rows of one file in its order."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        question = row.get("problem") or row["question"]
        answer = str(row["answer"]).rsplit("####", 1)[-1].strip()
        hard = row.get("level") is not None and int(row["level"]) > level
        if hard or len(question) > 300 or not re.fullmatch(r"-?[0-9]{1,3}", answer):
            continue
        prompt = {
            "prompt_id": f"{path.stem}-{number}",
            "prompt": question,
            "answer": answer,
            "family": row.get("subject") or path.stem.removesuffix("_test"),
            "level": None if row.get("level") is None else str(row["level"]),
        }
        found.append({**prompt, **({"prefill": DIRECT} if direct else {})})
        if len(found) == count:
            break
    return found


def main():
    options = argparse.ArgumentParser()
    options.add_argument("out", type=Path)
    options.add_argument("--arithmetic", type=int, default=6)
    options.add_argument("--math", type=Path, action="append", default=[])
    options.add_argument("--each", type=int, default=12)
    options.add_argument("--level", type=int, default=2)
    options.add_argument("--chain", action="store_true")
    given = options.parse_args()
    rows = draw(None, given.arithmetic, 0) if given.arithmetic else []
    for path in given.math:
        rows += math_rows(path, given.each, given.level, not given.chain)
    given.out.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    print(f"{len(rows)} prompts in {given.out}")


if __name__ == "__main__":
    main()
