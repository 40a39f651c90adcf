"""Stage `verify`."""

from collections import Counter
from collections.abc import Callable

import pyarrow as pa

from acute.errors import InputError
from acute.run import Run
from acute.table import RESPONSES_REQUIRED, with_column
from acute.verify.exact import exact
from acute.verify.short import is_short, short
from acute.verify.verdict import Verdict

Verifier = Callable[[str, str, str], Verdict]
KINDS: dict[str, Verifier] = {"exact": exact, "short": short}


def verifiers(prompts: pa.Table, kind: str) -> dict[str, tuple[Verifier, str]]:
    """Each prompt's verifier (its own, else `kind`) and answer, by prompt_id.

    Raises InputError for an unknown verifier, or an answer that the verifier could never find.
    """
    found: dict[str, tuple[Verifier, str]] = {}
    columns = (prompts[c].to_pylist() for c in ("prompt_id", "answer", "verify"))
    for name, answer, own in zip(*columns, strict=True):
        which = own or kind
        if which not in KINDS:
            raise InputError(f"prompt {name!r}: wanted verify = {' or '.join(KINDS)}, found {which!r}")
        if which == "short" and not is_short(answer):
            raise InputError(
                f"prompt {name!r}: the verifier short wanted one number or one word as the answer, found "
                f'{answer!r}: no response could ever be right; correct it, or set verify = "exact"'
            )
        found[name] = (KINDS[which], answer)
    return found


def verify(run: Run) -> None:
    """Stage `verify`: columns outcome, reward, answer_found. A failed check has a null reward."""
    responses = run.responses()
    checks = verifiers(run.prompts(), run.config.verify.kind)
    with run.stage("verify") as facts:
        # a killed run may have written the columns but not the record
        responses = responses.select([c for c in responses.column_names if c in RESPONSES_REQUIRED])
        columns = (responses[c].to_pylist() for c in ("prompt_id", "response", "finish"))
        verdicts = []
        for name, response, finish in zip(*columns, strict=True):
            verifier, answer = checks[name]
            verdicts.append(verifier(response, answer, finish))
        for column in ("outcome", "reward", "answer_found"):
            responses = with_column(responses, column, [getattr(v, column) for v in verdicts])
        run.write_responses(responses)
        facts["outcomes"] = dict(sorted(Counter(v.outcome for v in verdicts).items()))
