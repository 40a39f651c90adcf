"""From a trial to the whole run: what each stage will take, and what that rests on."""

from dataclasses import replace

from acute.plan import work
from acute.plan.pace import Measured, Took, whole
from acute.plan.times import ANALYSE_RATE, Stage
from acute.plan.tokens import Load
from acute.plan.whole import Asked
from acute.stages.trial import Sampled, Trial


def stages(asked: Asked, tried: Trial) -> list[Stage]:
    """Each stage of the whole run."""
    found = {
        "prompts": tried.prompts,
        **_of_model(asked, tried),
        "analyse": _of_copies(tried, "analyse", asked.load.prompts).plus(_arithmetic(asked, tried)),
        "report": _of_copies(tried, "report", asked.load.prompts),
    }
    return [Stage(name, took.seconds, took.cpu, "as in the trial") for name, took in found.items()]


def _of_model(asked: Asked, tried: Trial) -> dict[str, Took]:
    first, more, load = tried.first, tried.more, asked.load

    def measured(one: Sampled, stage: str, amount: float) -> Measured:
        return Measured(amount, one.took[stage])

    # what the sampled prompts cost, by the operations that the whole has more
    cost = more.cost * (
        work.score(asked.shape, load, asked.scored) / work.score(asked.shape, more.load, asked.scored)
    )
    return {
        "rollout": whole(
            measured(first, "rollout", work.rollout(asked.shape, first.load)),
            measured(more, "rollout", work.rollout(asked.shape, more.load)),
            work.rollout(asked.shape, load),
        ),
        "verify": whole(
            measured(first, "verify", first.load.responses),
            measured(more, "verify", more.load.responses),
            load.responses,
        ).plus(tried.verifiers),
        "score": whole(measured(first, "score", first.scored), measured(more, "score", more.scored), cost),
    }


def _of_copies(tried: Trial, stage: str, prompts: int) -> Took:
    first, *later = (Measured(one.prompts, one.took[stage]) for one in tried.copied)
    if not later:
        return first.took
    again, more = later
    return whole(first, more, prompts, again)


def _arithmetic(asked: Asked, tried: Trial) -> Took:
    """What analysis has to do beyond a line through the copies: whole sketches, all pairs, larger k."""
    first, last = tried.copied[0].prompts, tried.copied[-1].prompts
    copied = asked.scored._replace(sketch_size=tried.copied[0].sketch_size)

    def operations(prompts: int, k: int) -> float:
        return work.analyse(prompts, copied, k, kernel=True)

    foreseen = operations(first, tried.k)
    if last > first:
        slope = (operations(last, tried.k) - foreseen) / (last - first)
        foreseen += slope * (asked.load.prompts - first)
    wanted = work.analyse(asked.load.prompts, asked.scored, asked.k, asked.kernel)
    more = max(wanted - foreseen, 0.0) / ANALYSE_RATE
    return Took(more, more)


def shown_by(tried: Trial) -> list[str]:
    """What the plan rests on, in words."""
    of = f", {' and '.join(tried.shortened)} ones than asked" if tried.shortened else ""
    took = [tried.prompts, *tried.first.took.values(), *tried.more.took.values()]
    took += [took for one in tried.copied for took in one.took.values()]
    rest = "" if tried.mixed else "; none had right and wrong ones, so every other one was called right"
    return [
        f"seconds: from {tried.more.load.prompts} prompts × {tried.more.load.n} responses{of}, tried on this "
        f"machine (as busy as it is now) in {sum(one.seconds for one in took):.0f} s{rest}"
    ]


def learnt(load: Load, tried: Trial, response_tokens: float | None) -> Load:
    """The load with what the trial's responses show: length, sharing, how many prompts have a signal."""
    length = tried.more.load.response_tokens if response_tokens is None else response_tokens
    seen = tried.more.load
    return replace(load, response_tokens=length, distinct=seen.distinct, signal=seen.signal)
