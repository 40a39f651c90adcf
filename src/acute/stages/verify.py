"""Stage `verify`."""

from collections import Counter

from acute.errors import InputError
from acute.run import Run
from acute.table import RESPONSES_REQUIRED, with_column
from acute.verify.exact import exact
from acute.verify.short import short

KINDS = {"exact": exact, "short": short}


def verify(run: Run) -> None:
    """Stage `verify`: columns outcome, reward, answer_found. A failed check has a null reward."""
    prompts, responses = run.prompts(), run.responses()
    checks = {}
    for name, answer, kind in zip(
        *(prompts[c].to_pylist() for c in ("prompt_id", "answer", "verify")), strict=True
    ):
        if (kind or run.config.verify.kind) not in KINDS:
            raise InputError(f"prompt {name!r}: wanted verify = {' or '.join(KINDS)}, found {kind!r}")
        checks[name] = (KINDS[kind or run.config.verify.kind], answer)
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
