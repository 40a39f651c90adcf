"""A tiny model with a tokenizer in a folder, and a run of it that takes seconds."""

import json

import torch
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

CHARACTERS = [*"0123456789 +-=?abcdefghijklmnopqrstuvwxyz"]


def save_model(folder, seed=0, hidden=32):
    """Write a two-layer Llama of four heads with a character tokenizer whose pad token is its end token."""
    vocabulary = {c: i for i, c in enumerate(["<end>", *CHARACTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", clean_up_tokenization_spaces=False
    )
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    model.save_pretrained(folder)
    return folder


def prompt_rows(count=12):
    """Sums of one-digit numbers, answered by one character."""
    return [
        {
            "prompt_id": f"p{i:02d}",
            "prompt": f"{i % 7}+{i % 3}=",
            "answer": str(i % 10),
            "family": "even" if i % 2 == 0 else "odd",
        }
        for i in range(count)
    ]


CONFIG = """
seed = {seed}
[model]
name = "{model}"
[prompts]
source = "prompts.jsonl"
[sampling]
n = {n}
max_tokens = 1
prompts_at_once = 4
[verify]
kind = "exact"
[score]
folds = 2
engine = "{engine}"
sketch_size = 256
[analyse]
k = [1, 2, 4]
"""


def write_run(folder, model, seed=0, n=64, engine="sketch", count=12):
    """A configuration and its prompts; returns the path of the TOML file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(json.dumps(row) for row in prompt_rows(count))
    (folder / "prompts.jsonl").write_text(rows)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(seed=seed, model=model, n=n, engine=engine))
    return path
