"""A plan of a configuration: from a model's sizes (no weights), its prompts, a run like it, a trial."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from acute.config import Config
from acute.errors import AcuteError, ConfigError, InputError, ModelError
from acute.plan.gpus import parse
from acute.plan.pass_size import most
from acute.plan.shape import Selected, Shape, every, of_count, of_tensors
from acute.plan.times import (
    SHARE_OF_BANDWIDTH,
    VERIFY_OTHER_S,
    VERIFY_S,
    Cards,
    Stage,
    analyse,
    fold,
    report,
    rollout,
    score,
    verify,
)
from acute.plan.tokens import Load
from acute.plan.whole import KERNEL_PROMPTS, Asked, whole
from acute.plan.work import Scored
from acute.run import Run

Json = dict[str, Any]

CHARACTERS_A_TOKEN = 4
LORA_SHARE = 0.005  # of the weights, an adapter of rank 16 on all linear maps
CORES_A_CARD = 8
SAME_LENGTH = "every response has sampling.max_tokens tokens: the upper end"
ALL_DIFFERENT = "no two responses begin alike, and every prompt has right and wrong ones: the upper end"
UPPER_ENDS = (SAME_LENGTH, ALL_DIFFERENT)
WIDTH = {"bfloat16": 2, "float16": 2, "float32": 4, "float64": 8}  # bytes


@dataclass(frozen=True)
class Given:
    """What the command line says in place of what would be looked up; None: look it up."""

    parameters: int | None = None
    prompts: int | None = None
    prompt_tokens: float | None = None
    response_tokens: float | None = None
    like: Path | None = None


def asked(config: Config, given: Given) -> tuple[Asked, list[str]]:
    """Everything that costs follow from, and what had to be assumed.

    Raises ConfigError, InputError, ModelError where a size is neither given nor to be found.
    """
    assumed: list[str] = []
    if config.control is not None:
        assumed.append(f"the control ({Path(config.control).name}) is a run of its own and not counted")
    if config.score.engine == "reference":
        raise ConfigError('score.engine: wanted "sketch" or "dots" to plan for, found "reference"')
    shape, selected = _shape(config, given.parameters, assumed)
    load = _load(config, given, assumed)
    score = config.score
    at_once = most(shape) if score.tokens_at_once == "auto" else score.tokens_at_once
    if score.tokens_at_once == "auto":
        assumed.append(f"score.tokens_at_once = auto: passes of {at_once} tokens, the most that are of use")
    if at_once < load.prompt_tokens + load.response_tokens:
        assumed.append(
            f"score.tokens_at_once = {at_once} is less than one response with its prompt: a pass a response"
        )
    scored = Scored(
        score.folds,
        score.sketch_size,
        at_once,
        selected,
        WIDTH[score.sketch_dtype],
        score.engine == "dots",
        score.checkpointing,
    )
    kernel = load.prompts <= KERNEL_PROMPTS
    adam = score.metric == "adam"
    return Asked(shape, load, scored, WIDTH[config.model.dtype], max(config.analyse.k), adam, kernel), assumed


def _shape(config: Config, parameters: int | None, assumed: list[str]) -> tuple[Shape, Selected]:
    """Sizes, and the weights that gradients are taken in."""
    if parameters is not None:
        assumed.append("layers, width, vocabulary: in the proportions of Llama 3.1")
        shape = of_count(parameters)
        return shape, _usual(shape, config.score.parameters, assumed)
    model = skeleton(config)
    shape = sizes_of(model)
    if config.score.parameters in ("lora", "trainable") or config.model.adapter is not None:
        return shape, _usual(shape, "lora", assumed)
    return shape, chosen_of(model, config.score.parameters)


def _usual(shape: Shape, which: str, assumed: list[str]) -> Selected:
    """The weights behind a name, where no model is at hand to look at."""
    layer, adapter = shape.body // shape.layers, round(LORA_SHARE * shape.stored)
    known = {
        "all": every(shape),
        "trainable": every(shape),
        "lora": Selected(adapter, adapter, False, 1.0),
        "last-block": Selected(layer, layer, False, 1 / shape.layers),
        "lm_head": Selected(shape.table, 0, True, 0.0, below_the_table=False),
        "final-norm": Selected(shape.width, 0, False, 0.0),
        "final-state": Selected(shape.width, 0, False, 0.0),
    }
    if which not in known:
        raise ConfigError(
            f"score.parameters: wanted one of {', '.join(known)} where the model is not at hand, found "
            f"{which!r}"
        )
    if which == "lora":
        assumed.append(f"an adapter has {LORA_SHARE:.1%} of the weights")
    return known[which]


def chosen_of(model: Any, which: str) -> Selected:
    """What `score.parameters` chooses of a model, with or without weights. Raises ConfigError for nothing."""
    from torch import nn

    from acute.gradients.parameters import selected

    with selected(model, which) as chosen:
        own = {id(p): p.numel() if p.dim() > 1 else 0 for p in chosen.values()}
        names, count = list(chosen), sum(p.numel() for p in chosen.values())
        head = {id(p) for p in model.get_output_embeddings().parameters()}
        entry = {id(p) for p in model.get_input_embeddings().parameters()}
        lists = [(len(m), f"{name}.") for name, m in model.named_modules() if isinstance(m, nn.ModuleList)]
    layers, blocks = max(lists, default=(1, ""))
    inside = [int(name.removeprefix(blocks).split(".")[0]) for name in names if name.startswith(blocks)]
    reach = 1.0 if entry & set(own) else 1 - min(inside) / layers if inside else 0.0
    body = sum(size for one, size in own.items() if one not in head | entry)
    below = bool(set(own) - head or entry & set(own))
    return Selected(count, body, bool(head & set(own)), reach, below)


def skeleton(config: Config) -> Any:
    """The model of a configuration without its weights, from config.json. ModelError if there is none."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        from acute.models.load import folder_of
    except ImportError as error:
        raise ModelError(
            f"wanted transformers to read the model's sizes ({error}): pip install acute[models], or give "
            f"--parameters, as 8e9"
        ) from None
    name = config.model.name
    try:
        settings = AutoConfig.from_pretrained(folder_of(name))
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(settings)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"found no sizes of the model {name!r} ({reason}): wanted a hub id, or a folder with "
            f"config.json; or give --parameters, as 8e9"
        ) from None


def sizes_of(model: Any) -> Shape:
    """The sizes of a model of transformers, with or without its weights."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    settings = {
        "vocabulary": config.vocab_size,
        "width": config.hidden_size,
        "layers": config.num_hidden_layers,
        "attention": heads * head,
        "cached": (getattr(config, "num_key_value_heads", None) or heads) * head,
        "inner": inner or 4 * config.hidden_size,
    }
    tensors = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    experts = getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None) or 1
    return of_tensors(
        tensors,
        settings,
        tied=bool(config.tie_word_embeddings),
        experts=experts,
        experts_a_token=getattr(config, "num_experts_per_tok", None) or 1,
    )


def _load(config: Config, given: Given, assumed: list[str]) -> Load:
    """Prompts, n and tokens: given, or as in a run like it, or read; responses at their longest."""
    known = {} if given.like is None else like(given.like)
    prompts, prompt_tokens = given.prompts, given.prompt_tokens
    if known and prompt_tokens is None:
        prompt_tokens = known["prompt_tokens"]
    if prompts is None or prompt_tokens is None:
        lengths = prompt_lengths(config, assumed)
        prompts = len(lengths) if prompts is None else prompts
        prompt_tokens = sum(lengths) / len(lengths) if prompt_tokens is None else prompt_tokens
    longest = config.sampling.max_tokens
    load = Load(prompts, config.sampling.n, prompt_tokens, longest)
    if known:
        assumed.append(f"tokens, sharing and signal of a response: as in {given.like}")
        load = replace(
            load, response_tokens=known["response_tokens"], distinct=known["distinct"], signal=known["signal"]
        )
    if given.response_tokens is not None:
        load = replace(load, response_tokens=min(given.response_tokens, longest))
    elif not known:
        assumed.append(SAME_LENGTH)
    if not known:
        assumed.append(ALL_DIFFERENT)
    return load


def prompt_lengths(config: Config, assumed: list[str]) -> list[float]:
    """Tokens of each prompt, with the model's tokenizer where it is at hand."""
    from acute.stages.prompts import rendered

    tokenizer = _tokenizer(config.model.name)
    try:
        rows = rendered(config, tokenizer)
    except AcuteError as error:
        raise InputError(f"{error}; or give --prompts and --prompt-tokens") from None
    if tokenizer is None:
        assumed.append(f"{CHARACTERS_A_TOKEN} characters a token: the tokenizer is not at hand")
    return _lengths([row["prompt"] for row in rows], tokenizer)


def _lengths(prompts: list[str], tokenizer: Any) -> list[float]:
    from acute.stages.policy import tokens_of

    if tokenizer is None:
        return [len(prompt) / CHARACTERS_A_TOKEN for prompt in prompts]
    return [float(len(tokens_of(tokenizer, prompt))) for prompt in prompts]


def _tokenizer(name: str) -> Any:
    """The model's tokenizer, None where it is not at hand."""
    try:
        from transformers import AutoTokenizer

        from acute.models.load import folder_of

        return AutoTokenizer.from_pretrained(folder_of(name))
    except (ImportError, OSError, ValueError, KeyError, AcuteError):
        return None


def like(folder: Path) -> dict[str, float]:
    """Tokens a prompt and a response, what sharing leaves, and the share of prompts with a signal, of a run.

    Raises InputError if there is no run, or none with tokens.
    """
    from collections import defaultdict

    from acute.gradients.trie import count_nodes

    run = Run.open(folder)
    table = run.responses()
    if "reward" not in table.column_names or table["token_ids"].null_count == len(table):
        raise InputError(f"--like {folder}: wanted a run with verified responses and their tokens")
    of_prompt: defaultdict[str, list[tuple[tuple[int, ...], float | None]]] = defaultdict(list)
    columns = (table[name].to_pylist() for name in ("prompt_id", "token_ids", "reward"))
    for name, ids, reward in zip(*columns, strict=True):
        if ids:
            of_prompt[name].append((tuple(ids), reward))
    drawn = sum(len(ids) for rows in of_prompt.values() for ids, _ in rows)
    mixed = [rows for rows in of_prompt.values() if {0.0, 1.0} <= {reward for _, reward in rows}]
    measured = mixed or list(of_prompt.values())
    nodes = sum(count_nodes([ids for ids, _ in rows]) for rows in measured)
    lengths = _lengths(run.prompts()["prompt"].to_pylist(), _tokenizer(run.config.model.name))
    return {
        "prompt_tokens": sum(lengths) / len(lengths),
        "response_tokens": drawn / sum(map(len, of_prompt.values())),
        "distinct": max(nodes, 1) / sum(len(ids) for rows in measured for ids, _ in rows),
        "signal": len(mixed) / len(of_prompt),
    }


def planned(config: Config, gpus: str | None, given: Given, share: float) -> Json:
    """The plan of a configuration: for cards, or for this machine from a trial.

    Raises what `asked`, `gpus.parse` and the trial's stages raise.
    """
    if gpus is None:
        return _on_this_machine(config, given)
    cards = Cards(*parse(gpus), share)
    what, assumed = asked(config, given)
    return whole(what, cards, _on_cards(config, what, cards, assumed), assumed)


def _on_this_machine(config: Config, given: Given) -> Json:
    from acute.stages.foretold import learnt, shown_by, stages
    from acute.stages.trial import begin, trial

    with TemporaryDirectory() as folder:
        begun = begin(config, Path(folder))  # before all else, as what it imports is part of what it takes
        what, assumed = asked(config, given)
        tried = trial(begun, what)
    assumed = [*shown_by(tried), *assumed]
    if given.like is None and "shorter" not in tried.shortened:
        assumed = [said for said in assumed if said not in UPPER_ENDS]
        what = replace(what, load=learnt(what.load, tried, given.response_tokens))
        assumed.append("length and sharing of responses, prompts with right and wrong ones: as in the trial")
    return whole(what, None, stages(what, tried), assumed)


def _on_cards(config: Config, what: Asked, cards: Cards, assumed: list[str]) -> list[Stage]:
    cores, backend, kind = CORES_A_CARD * cards.count, config.sampling.backend, config.verify.kind
    assumed += [
        f"{cards.share:.0%} of the cards' published rate in large passes, {SHARE_OF_BANDWIDTH:.0%} of their "
        f"bandwidth in decoding; loading, waiting and failures are not counted",
        f"{kind}: {VERIFY_S.get(kind, VERIFY_OTHER_S):g} CPU seconds a response, on {cores} cores "
        f"({CORES_A_CARD} a card)",
        f"folding a gradient: {fold(1e9, cards) * 1e3:.0f} ms for 10⁹ numbers (not measured on a card)",
    ]
    return [
        rollout(what.shape, what.load, what.width, cards, backend),
        verify(what.load, kind, cores),
        score(what.shape, what.load, what.scored, what.width, cards),
        analyse(what.load, what.scored, what.k, what.kernel),
        report(what.load),
    ]
