"""`acute selfcheck MODEL`."""

import json

import typer

from acute.errors import InputError, ModelError


def selfcheck(
    model: str = typer.Argument(help="Hub id, local folder, or bundled:smollm2."),
    parameters: str = typer.Option("all", help="As score.parameters in a configuration."),
    dtype: str = typer.Option("float32", help="float32, bfloat16 or float64."),
    prompt: str = typer.Option("What is 7 + 5?", help="What the responses that are compared answer."),
    responses: int = typer.Option(6, min=2, help="How many distinct responses to compare at the most."),
    max_tokens: int = typer.Option(6, min=1, help="Their length in tokens at the most."),
    seed: int = typer.Option(0, help="Of the responses and of the sketch."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Check the fast gradients on a model. Against the slow reference; exit code 1 if they disagree."""
    from acute.config import parse
    from acute.gradients.forward import Sampled
    from acute.gradients.parameters import selected
    from acute.gradients.selfcheck import selfcheck as check
    from acute.models.render import render
    from acute.rollout.hf import sample
    from acute.rollout.sampler import Sampling
    from acute.stages.policy import policy_of, tokens_of

    asked = {"seed": seed, "model": {"name": model, "dtype": dtype}, "prompts": {"source": "arithmetic"}}
    policy = policy_of(parse(asked, "acute selfcheck").model)
    tokens = tokens_of(policy.tokenizer, render(policy.tokenizer, prompt, None, None))
    if not tokens:
        raise InputError("wanted a prompt of at least one token, found none: give --prompt some text")
    drawn = sample(policy, [tokens], ["selfcheck"], Sampling(8 * responses, 1.0, 1.0, max_tokens), seed)[0]
    distinct = {s.token_ids: s.logprob for s in drawn}
    some = list(distinct)[:responses]
    if len(some) < 2:
        raise ModelError(f"the model gives one response only to {prompt!r}: wanted at least 2; try --prompt")
    with selected(policy.model, parameters) as chosen:
        found = check(policy.model, chosen, tokens, some, [distinct[s] for s in some], Sampled(), seed)
    passed = all(c.passed for c in found)
    if as_json:
        checks = [{"name": c.name, "found": c.found, "wanted": c.wanted, "passed": c.passed} for c in found]
        typer.echo(json.dumps({"model": model, "passed": passed, "checks": checks}))
    else:
        for c in found:
            size = "could not be made" if c.found is None else f"{c.found:.2e}"
            mark = "ok  " if c.passed else "FAIL"
            typer.echo(f"{mark} {c.name}: {size} (wanted at most {c.wanted:.1e}) {c.note}".rstrip())
    raise typer.Exit(0 if passed else 1)
