"""What each setting costs: the tables of docs/scaling.md.

python examples/scaling/settings.py            prints them
python examples/scaling/settings.py --write    puts them into the page
"""

import sys
from pathlib import Path

from acute.config import load
from acute.report.plan import duration, volume
from acute.stages.plan import Given, planned

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "scaling.md"
PEAK = 0.4

# heading: (configuration, cards, prompts); rows: (what, other cards, other prompts, changes by table)
TABLES = {
    "8b": (
        "8xH200",
        2_000,
        [
            ("as in the file", None, None, {}),
            ("one card", "1xH200", None, {}),
            ("`tokens_at_once` = 4,400", None, None, {"score": {"tokens_at_once": 4400}}),
            ("`tokens_at_once` = 8,800", None, None, {"score": {"tokens_at_once": 8800}}),
            ("`tokens_at_once` = 33,000", None, None, {"score": {"tokens_at_once": 33_000}}),
            ("`checkpointing` = true", None, None, {"score": {"checkpointing": True}}),
            ("`folds` = 4", None, None, {"score": {"folds": 4}, "analyse": {"k": (1, 2, 4, 8)}}),
            ("`parameters` = lora", None, None, {"score": {"parameters": "lora"}}),
            ("`parameters` = last-block", None, None, {"score": {"parameters": "last-block"}}),
            ("`parameters` = final-state", None, None, {"score": {"parameters": "final-state"}}),
            ("`sketch_size` = 16,384", None, None, {"score": {"sketch_size": 16_384}}),
            ("`sketch_dtype` = float16", None, None, {"score": {"sketch_dtype": "float16"}}),
            ("500 prompts", None, 500, {}),
        ],
    ),
    "70b": (
        "8xH200",
        100_000,
        [
            ("as in the file", None, None, {}),
            ("`sketch_size` = 65,536", None, None, {"score": {"sketch_size": 65_536}}),
            (
                "… and `sketch_dtype` = float32",
                None,
                None,
                {"score": {"sketch_size": 65_536, "sketch_dtype": "float32"}},
            ),
            ("`parameters` = last-block", None, None, {"score": {"parameters": "last-block"}}),
            ("`parameters` = final-state", None, None, {"score": {"parameters": "final-state"}}),
            ("2,000 prompts", None, 2_000, {}),
            ("… and `checkpointing` = true", None, 2_000, {"score": {"checkpointing": True}}),
            ("… and `parameters` = lora", None, 2_000, {"score": {"parameters": "lora"}}),
            ("2,000 prompts, 64 cards", "64xH200", 2_000, {}),
        ],
    ),
}


def changed(config, changes):
    """A configuration with other settings in some tables."""
    tables = {name: getattr(config, name).model_copy(update=new) for name, new in changes.items()}
    return config.model_copy(update=tables)


def row(name, cards, prompts, what, changes):
    """One line of a table."""
    config = load(HERE / f"{name}.toml")
    model = config.model.model_copy(update={"name": str(HERE / name)})
    config = changed(config.model_copy(update={"model": model}), changes)
    found = planned(config, cards, Given(prompts=prompts, prompt_tokens=200), PEAK)
    seconds = {stage["name"]: stage for stage in found["stages"]}
    memory, disk = found["memory"], found["disk"]
    return (
        what,
        duration(seconds["rollout"]["seconds"]),
        duration(seconds["score"]["seconds"]),
        seconds["score"]["limit"],
        volume(memory["score_replica_bytes"]),
        volume(memory["score_sharded_bytes"]),
        volume(disk["sketches_bytes"]),
        duration(seconds["analyse"]["seconds"]),
    )


HEAD = "| setting | sampling | scoring | spent on | memory, whole | sharded | sketches | analysis |\n"
HEAD += "|---|--:|--:|---|--:|--:|--:|--:|\n"


def table(name):
    """One of the tables as Markdown."""
    cards, prompts, rows = TABLES[name]
    lines = [
        row(name, other_cards or cards, other_prompts or prompts, what, changes)
        for what, other_cards, other_prompts, changes in rows
    ]
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    text = PAGE.read_text()
    for name in TABLES:
        made, start = table(name), f"<!-- {name} -->\n"
        before, rest = text.split(start)
        text = f"{before}{start}{made}<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
        print(made)
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
