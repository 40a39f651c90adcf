"""The tables of a configuration, one pydantic model each: what may be set and what it means."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from acute.verify.kinds import KINDS, is_custom

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
    backend: Literal["transformers", "vllm", "openai", "ray"] = Field(
        "transformers",
        description="which engine samples; openai: a server that speaks OpenAI's API; ray: a cluster",
    )
    prompts_at_once: int = Field(8, ge=1, description="prompts in one batch of the sampler")


class VerifyConfig(Section):
    """How a response is checked against the prompt's answer."""

    kind: str = Field(
        "short",
        description="short: a number or word in a stated form; exact: the response is the answer; json: the "
        "same JSON value; math: the final answer, by value; code: the program passes the tests; "
        "module:function: your own",
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
        if kind not in KINDS and not is_custom(kind):
            raise ValueError(f"wanted {', '.join(KINDS)} or module:function, found {kind!r}")
        return kind


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
    sketch_dtype: Literal["float32", "float16"] = Field(
        "float32", description="of the sketches on disk; float16 takes half the room"
    )
    sketch_size: int = Field(65536, ge=64, description="numbers kept of each gradient; cosines ± 1/√size")
    tokens_at_once: int | Literal["auto"] = Field(
        1024, description="tokens in one forward pass; bounds memory. auto: from the memory that is free"
    )
    checkpointing: bool = Field(
        False, description="make activations again on the way back: less memory, a third more time"
    )

    @field_validator("tokens_at_once", mode="before")
    @classmethod
    def _a_number_or_auto(cls, tokens: object) -> object:
        if tokens != "auto" and not (type(tokens) is int and tokens >= 1):
            raise ValueError(f"wanted a number of tokens from 1 on, or 'auto', found {tokens!r}")
        return tokens

    @model_validator(mode="after")
    def _metric_has_its_state(self) -> "ScoreConfig":
        if (self.metric == "adam") != (self.adam_state is not None):
            raise ValueError(
                f"metric = adam and adam_state (the optimiser's second moments) go together, found metric = "
                f"{self.metric}, adam_state = {self.adam_state}"
            )
        return self


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
