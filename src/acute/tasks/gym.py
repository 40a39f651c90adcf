"""Tasks of reasoning-gym: questions drawn by seed, answers graded by the task itself."""

import functools
import json
import re
from typing import Any

from acute.errors import ConfigError, OutsideError

Row = dict[str, Any]
VERIFIER = "acute.tasks.gym:graded"
ASK = "{prompt}\n\nGive the final answer between <answer> and </answer>."
NO_ANSWER = "it stores no answer, so its grades cannot be checked"
# task: why its grades are not taken; found by grading own and senseless answers (reasoning-gym 0.1.25)
REFUSED = {
    "boxnet": NO_ANSWER,
    "graph_color": NO_ANSWER,
    "propositional_logic": NO_ANSWER,
    "rubiks_cube": NO_ANSWER,
    "rush_hour": NO_ANSWER,
    "game_of_life_halting": "it grades any text 1 where the answer is False",
    "composite": "it is made of other tasks: name one of them",
}
# task: what its grader raises on an answer that it cannot read, which is a wrong answer
UNREADABLE: dict[str, type[Exception]] = {"prime_factorization": ValueError, "game_of_life": KeyError}
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def _library() -> Any:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise OutsideError(f"wanted the package reasoning-gym ({error}): pip install acute[tasks]") from None
    return reasoning_gym, DATASETS


@functools.lru_cache(maxsize=16)
def _drawn(task: str, seed: int, size: int) -> Any:
    return _library()[0].create_dataset(task, size=size, seed=seed)


def gym_rows(task: str, size: int, seed: int) -> list[Row]:
    """`size` prompts of a task. ConfigError for a task that is unknown or whose grades mean nothing."""
    _, known = _library()
    if task in REFUSED:
        raise ConfigError(f"prompts.source: reasoning-gym's {task} is not taken: {REFUSED[task]}")
    if task not in known:
        taken = ", ".join(sorted(set(known) - set(REFUSED)))
        raise ConfigError(f"prompts.source: wanted a task of reasoning-gym ({taken}), found {task!r}")
    drawn = _drawn(task, seed, size)
    return [
        {
            "prompt_id": f"{task}-{place:05d}",
            "prompt": ASK.replace("{prompt}", drawn[place]["question"]),
            "answer": json.dumps(
                {
                    "task": task,
                    "seed": seed,
                    "size": size,
                    "place": place,
                    "answer": str(drawn[place]["answer"]),
                }
            ),
            "family": task,
            "verify": VERIFIER,
        }
        for place in range(size)
    ]


def graded(response: str, answer: str) -> float:
    """1 if the task itself gives the response full marks, else 0: pass@k knows no part marks.

    The last text between <answer> and </answer> counts; without one, the whole response.
    """
    asked = json.loads(answer)
    tagged = _TAGGED.findall(response)
    given = (tagged[-1] if tagged else response).strip()
    drawn = _drawn(asked["task"], asked["seed"], asked["size"])
    try:
        return float(drawn.score_answer(given, drawn[asked["place"]]) >= 1.0)
    except UNREADABLE.get(asked["task"], ()):
        return 0.0
