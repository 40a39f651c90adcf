"""The configuration of a run: what may be set, what it means, and refusal of everything else.

One pydantic model a TOML table. A wrong file is refused before any work, with every fault named:
the key, what was wanted, what was found.
"""

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from acute.errors import ConfigError

VERIFIERS = ("short", "exact", "math", "code")
K_DEFAULT = (1, 2, 4, 8, 16, 32)
UNKNOWN_MODEL = "unknown"  # of imported responses that nobody named a model for


class Section(BaseModel):
    """A table of a configuration: unknown keys and wrong types are refused, nothing can be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelConfig(Section):
    """Which policy is measured."""

    name: str = Field(
        min_length=1, description="hub id, local folder, or bundled:smollm2; unknown for imports"
    )
    dtype: Literal["float32", "bfloat16", "float64"] = Field(
        "float32",
        description="of the weights and of the forward pass; gradients are summed in float32 at least",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where one is")
    adapter: str | None = Field(None, description="folder or hub id of a PEFT adapter to put on the model")


# preset of prompts: the built-in verifiers that read its answers, the usual one first
PRESET_VERIFIERS = {
    "math500": ("math",),
    "math": ("math",),
    "gsm8k": ("short", "math"),
    "humaneval": ("code",),
    "mbpp": ("code",),
}
PROMPT_COLUMNS = ("prompt_id", "prompt", "messages", "answer", "prefill", "family", "level", "verify")


class PromptsConfig(Section):
    """Where the prompts come from."""

    source: str = Field(
        min_length=1,
        description="arithmetic, math500, math, gsm8k, humaneval, mbpp, path.jsonl, path.parquet, "
        "hf:dataset[:split], reasoning-gym:task",
    )
    path: str | None = Field(None, min_length=1, description="file of a preset's rows, instead of the hub")
    subset: str | None = Field(None, min_length=1, description="configuration of a data set of the hub")
    columns: dict[str, str] | None = Field(
        None, min_length=1, description="the column of a file or data set for each of our fields"
    )
    template: str | None = Field(None, description="text of each prompt; {prompt} stands for the question")
    prefix: str | None = Field(None, min_length=1, description="text before each prompt: worked examples")
    limit: int | None = Field(None, ge=1, description="take only the first so many prompts")
    families: tuple[str, ...] | None = Field(None, min_length=1, description="families to draw, or to keep")
    per_family: int = Field(
        8, ge=1, description="prompts of each built-in family, or of a reasoning-gym task"
    )

    @model_validator(mode="after")
    def _possible(self) -> "PromptsConfig":
        preset = self.source in PRESET_VERIFIERS
        if self.path is not None and not preset:
            raise ValueError(f"path is for the presets {', '.join(PRESET_VERIFIERS)}, found {self.source!r}")
        if self.subset is not None and not preset and not self.source.startswith("hf:"):
            raise ValueError(f"subset is for data sets of the hub, found {self.source!r}")
        if self.columns is not None:
            if preset or self.source in ("arithmetic",) or self.source.startswith("reasoning-gym:"):
                raise ValueError(f"columns is for files and data sets, found {self.source!r}")
            if unknown := sorted(set(self.columns) - set(PROMPT_COLUMNS)):
                raise ValueError(f"columns: wanted {', '.join(PROMPT_COLUMNS)}; found {unknown[0]!r}")
        if self.template is not None and "{prompt}" not in self.template:
            raise ValueError("wanted {prompt} in template, found none")
        return self


class SamplingConfig(Section):
    """How responses are drawn. The same distribution is scored."""

    n: int = Field(256, ge=2, le=1_000_000, description="responses a prompt")
    temperature: float = Field(1.0, gt=0, le=100, description="logits are divided by it")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus; 1 keeps the whole distribution")
    max_tokens: int = Field(
        16, ge=1, le=1_000_000, description="longer responses are cut off (finish = length)"
    )
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="texts that end a response; they stay part of it"
    )
    backend: Literal["transformers", "openai"] = Field(
        "transformers", description="which engine samples; openai: any server that speaks OpenAI's API"
    )
    prompts_at_once: int = Field(8, ge=1, description="prompts in one batch of the sampler")


class VerifyConfig(Section):
    """How a response is checked against the prompt's answer."""

    kind: str = Field(
        "short",
        description="short: a number or word in a stated form; exact: the response is the answer; math: the "
        "final answer, by value; code: the program passes the tests; module:function: your own",
    )
    fallback: Literal["none", "last-number", "whole"] = Field(
        "none", description="what math takes for the answer where a response states none"
    )
    timeout_s: float = Field(
        5.0, gt=0, le=3600, description="for one answer, of CPU for a program; beyond it: outcome timeout"
    )
    sandbox: Literal["bubblewrap", "none-unsafe"] = Field(
        "bubblewrap",
        description="of code; none-unsafe: programs run as ordinary processes, with limits alone",
    )
    workers: int = Field(0, ge=0, le=1024, description="answers checked at once; 0: one a core")
    memory_mb: int = Field(1024, ge=64, description="memory that one answer may take")
    threshold: float | None = Field(
        None,
        description="rewards of module:function from here on count as right; absent: they must be 0 or 1",
    )
    conversational: bool = Field(
        False, description="module:function gets prompts and completions as lists of messages"
    )

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in VERIFIERS and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", kind):
            raise ValueError(f"wanted {', '.join(VERIFIERS)} or module:function, found {kind!r}")
        return kind


def with_preset_verifier(data: dict[str, Any], origin: str) -> dict[str, Any]:
    """A configuration's data with the verifier that its preset needs, where none is asked for.

    Raises ConfigError, naming `origin`, where another built-in one is.
    """
    prompts, verify = data.get("prompts"), data.get("verify")
    source = prompts.get("source") if isinstance(prompts, dict) else None
    fitting = PRESET_VERIFIERS.get(source) if isinstance(source, str) else None
    if fitting is None or not isinstance(verify, dict | None):
        return data
    asked = (verify or {}).get("kind", fitting[0])
    if asked in VERIFIERS and asked not in fitting:
        wanted = " or ".join(fitting)
        raise ConfigError(
            f"{origin}: verify.kind: wanted {wanted} for the answers of {source}, found {asked!r}"
        )
    return {**data, "verify": {**(verify or {}), "kind": asked}}


class ScoreConfig(Section):
    """How gradients are measured."""

    parameters: str = Field(
        "all",
        min_length=1,
        description="all, trainable, final-state, final-norm, lm_head, last-block, lora, or a pattern",
    )
    engine: Literal["sketch", "dots", "reference"] = Field("sketch", description="see docs/engines.md")
    metric: Literal["sgd", "adam"] = Field(
        "sgd", description="the geometry in which gradients are compared: plain, or as AdamW's step sees it"
    )
    adam_state: str | None = Field(
        None, min_length=1, description="optimiser state for metric = adam: a torch or safetensors file"
    )
    folds: int = Field(2, ge=2, description="own-prompt products pair folds; n / folds must reach k")
    sketch_size: int = Field(65536, ge=64, description="numbers kept of each gradient; cosines ± 1/√size")
    tokens_at_once: int = Field(1024, ge=1, description="tokens in one forward pass; bounds memory")

    @model_validator(mode="after")
    def _metric_has_its_state(self) -> "ScoreConfig":
        if (self.metric == "adam") != (self.adam_state is not None):
            raise ValueError(
                f"metric = adam and adam_state (the optimiser's second moments) go together, found metric = "
                f"{self.metric}, adam_state = {self.adam_state}"
            )
        return self


class ServerConfig(Section):
    """The server that samples where `sampling.backend = "openai"`."""

    url: str = Field(min_length=1, pattern="^https?://", description="as http://localhost:8000/v1")
    model: str | None = Field(None, min_length=1, description="its name there; absent: model.name")
    kind: Literal["vllm", "sglang", "llama.cpp", "openai"] = Field(
        "vllm", description="whose extensions it knows: defaults that bend sampling are switched off by them"
    )
    api: Literal["completions", "chat"] = Field("completions", description="chat: it renders the messages")
    key_variable: str = Field("OPENAI_API_KEY", description="environment variable that holds the key, if any")
    n_at_once: int = Field(16, ge=1, description="responses asked for in one request")
    concurrency: int = Field(8, ge=1, le=1024, description="requests under way at once")
    timeout: float = Field(600, gt=0, le=86400, description="seconds for one whole reply")
    retries: int = Field(6, ge=0, le=100, description="further attempts at a request")


class ImportedConfig(Section):
    """Where responses that another program logged came from (`acute import` writes this)."""

    path: str = Field(min_length=1, description="the log: a file or a folder")
    format: Literal["trl", "verl", "jsonl", "counts", "lm-eval", "inspect"] = Field(description="its form")
    step: str = Field("last", description="last, all (their groups kept apart), or a number")
    right_above: float | None = Field(None, description="a reward above it counts as right")
    columns: dict[str, str] = Field({}, description="column of the log by our name for it")
    where: dict[str, str] = Field({}, description="only rows whose columns have these values")
    chat: bool = Field(False, description="prompts are a user's messages, for the model's chat template")


class AnalyseConfig(Section):
    """Which k are reported."""

    k: tuple[int, ...] = Field(
        K_DEFAULT, min_length=1, description="the k of pass@k; all k up to the largest are computed"
    )
    beyond: tuple[int, ...] = Field(
        (), description="k beyond n / folds, by a model of p over prompts (docs/statistics.md)"
    )
    easy: float | None = Field(None, ge=0, le=1, description="δ1 of the paper's filter: keep p > easy …")
    hard: float | None = Field(None, ge=0, le=1, description="δ2: … or p < hard")
    held_out: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="families whose pass@1 is the direction, and which ∇J_k is not made of",
    )
    false_pass: float = Field(
        0.0, ge=0, lt=1, description="share of wrong responses that the verifier passes"
    )
    false_fail: float = Field(0.0, ge=0, lt=1, description="share of right responses that it fails")
    labels: str | None = Field(
        None, min_length=1, description="JSON lines {response_id, right}: both rates are estimated from them"
    )

    @model_validator(mode="after")
    def _possible(self) -> "AnalyseConfig":
        if any(k < 1 for k in self.k) or list(self.k) != sorted(set(self.k)):
            raise ValueError("wanted k as increasing whole numbers from 1")
        if list(self.beyond) != sorted({k for k in self.beyond if k > self.k[-1]}):
            raise ValueError(
                f"wanted beyond as increasing whole numbers above the largest k ({self.k[-1]}), found "
                f"{list(self.beyond)}"
            )
        if self.beyond and self.easy is not None:
            raise ValueError("wanted beyond without the filter (easy, hard), which leaves no one Beta of p")
        if self.false_pass + self.false_fail >= 1:
            raise ValueError(
                f"wanted false_pass + false_fail below 1, found {self.false_pass} + {self.false_fail}"
            )
        if self.labels is not None and (self.false_pass or self.false_fail):
            raise ValueError("wanted either labels or false_pass and false_fail, found both")
        if (self.easy is None) != (self.hard is None):
            raise ValueError("the filter needs both easy and hard")
        if self.easy is not None and self.hard is not None and self.easy < self.hard:
            raise ValueError(
                f"wanted hard ≤ easy (kept are prompts with p > easy or p < hard), found easy = {self.easy}, "
                f"hard = {self.hard}, which keeps every prompt"
            )
        return self


class Config(Section):
    """One run, from prompts to report."""

    seed: int = Field(0, ge=0, lt=2**63, description="seeds sampling and sketch")
    control: str | None = Field(
        None, description="path of another configuration, run beside this one in the subfolder control"
    )
    model: ModelConfig
    prompts: PromptsConfig
    sampling: SamplingConfig = SamplingConfig()
    verify: VerifyConfig = VerifyConfig()
    score: ScoreConfig = ScoreConfig()
    analyse: AnalyseConfig = AnalyseConfig()
    server: ServerConfig | None = Field(None, description='needed where sampling.backend = "openai"')
    imported: ImportedConfig | None = Field(None, description="set by acute import alone")

    @property
    def counts_only(self) -> bool:
        """Whether no model is known that gradients could be taken of."""
        return self.model.name == UNKNOWN_MODEL

    @model_validator(mode="after")
    def _server_is_asked(self) -> "Config":
        if (self.sampling.backend == "openai") != (self.server is not None):
            raise ValueError('sampling.backend = "openai" and a section [server] belong together')
        if self.server is None:
            return self
        if self.sampling.stop and self.server.kind not in ("vllm", "sglang"):
            raise ValueError(
                f"wanted no sampling.stop with server.kind = {self.server.kind!r}: it cuts the stop text "
                f"off, and with it tokens that were drawn"
            )
        if self.counts_only and self.server.model is None:
            raise ValueError('server.model: wanted its name at the server, as model.name = "unknown"')
        return self

    @model_validator(mode="after")
    def _folds_reach_k(self) -> "Config":
        if self.model.dtype == "bfloat16" and self.sampling.top_p < 1:
            raise ValueError(
                "wanted top_p = 1 with model.dtype = bfloat16: its rounding moves tokens in and out of the "
                "nucleus between sampler and scorer; use float32, or sample at top_p = 1"
            )
        if self.counts_only and self.analyse.held_out is not None:
            raise ValueError("analyse.held_out needs gradients, and so a model: found model.name = unknown")
        smallest, k = self.sampling.n // self.score.folds, max(2, *self.analyse.k)
        if smallest < k and not self.counts_only:
            raise ValueError(
                f"wanted sampling.n / score.folds ≥ 2 and the largest analyse.k (products pair folds), "
                f"found {self.sampling.n} / {self.score.folds} = {smallest} < {k}: "
                f"raise sampling.n to {k * self.score.folds}, or ask for k ≤ {smallest}"
            )
        return self


def faults(error: ValidationError, model: type[BaseModel]) -> str:
    """Every fault that pydantic found in a model's data, in one line."""
    return "; ".join(_fault(e, model) for e in error.errors())


def _fault(error: Any, model: type[BaseModel]) -> str:
    """One pydantic error in one line: key, what was wanted, what was found."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        section: Any = model.model_fields
        for part in error["loc"][:-1]:
            section = section[part].annotation.model_fields
        near = difflib.get_close_matches(str(error["loc"][-1]), list(section), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(section)}"
        return f"{where}: unknown key{hint}"
    if error["type"] == "missing":
        return f"{where}: wanted a value, found none"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {message}" if where else message
    message = message.replace("Input should be", "wanted", 1)
    return f"{where}: {message}, found {error['input']!r}"


def as_json(data: dict[str, Any], origin: str) -> str:
    """A configuration's data in JSON, from which models are checked.

    In that mode arrays become tuples and an integer may stand for a float; nothing else is bent. Raises
    ConfigError for numbers too long and for nesting too deep.
    """
    try:
        return json.dumps(data, default=str)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{origin}: wanted settings, found what cannot be written: {error}") from None


def parse(data: dict[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration given as a dictionary.

    Raises ConfigError, naming every fault and `origin`.
    """
    text = as_json(with_preset_verifier(data, origin), origin)
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {faults(error, Config)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises ConfigError if it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"wanted a configuration file at {path}: {error.strerror}") from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # also bytes that are no text, numbers too long, nesting too deep
        raise ConfigError(f"{path}: wanted TOML, found a fault: {error}") from None


def with_paths_from(folder: Path, prompts: PromptsConfig) -> PromptsConfig:
    """The prompts' settings, relative paths taken from `folder`; a data set's begins with a dot."""
    changes: dict[str, Any] = {}
    if prompts.source.endswith((".jsonl", ".jsonl.gz", ".parquet")):
        changes["source"] = str((folder / prompts.source).resolve())
    elif prompts.source.startswith("hf:."):
        changes["source"] = f"hf:{(folder / prompts.source.removeprefix('hf:')).resolve()}"
    if prompts.path is not None:
        changes["path"] = str((folder / prompts.path).resolve())
    return prompts.model_copy(update=changes)


def load(path: Path) -> Config:
    """Read a TOML file. Relative paths (prompts, labels, control, optimiser state) are taken from its folder.

    Raises ConfigError if the file is missing, is not TOML, or says something that cannot be.
    """
    config = parse(read_toml(path), str(path))
    changes: dict[str, Any] = {"prompts": with_paths_from(path.parent, config.prompts)}
    if config.analyse.labels is not None:
        labels = str((path.parent / config.analyse.labels).resolve())
        changes["analyse"] = config.analyse.model_copy(update={"labels": labels})
    if config.control is not None:
        changes["control"] = str((path.parent / config.control).resolve())
    if config.score.adam_state is not None:
        state = str((path.parent / config.score.adam_state).resolve())
        changes["score"] = config.score.model_copy(update={"adam_state": state})
    return config.model_copy(update=changes)
