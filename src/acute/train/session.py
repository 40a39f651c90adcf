"""`acute train`: one configuration, one folder, resumed where it was killed."""

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from acute import __version__
from acute.errors import ConfigError, InputError, ModelError, OutsideError
from acute.run import held
from acute.table import write_atomically
from acute.train.config import Training
from acute.train.rewards import check_kinds, reward_of
from acute.train.state import keep_newest, last_checkpoint, read_log
from acute.versions import installed_versions

RECORD = "train.json"
KEPT = 2  # checkpoints
MAY_CHANGE = (
    "steps",
    "save_every",
    "evaluate_every",
    "evaluate_n",
    "report_to",
)  # without making another training of it


def leave_the_group() -> None:
    """End what torchrun's processes shared; an exit with it alive may abort."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def is_main() -> bool:
    """Whether this process is the first of those that torchrun started (or the only one)."""
    return int(os.environ.get("RANK", "0")) == 0


def open_folder(folder: Path, config: Training) -> dict[str, Any]:
    """The record of a training folder, made if it is new.

    ConfigError if it was made with other settings, InputError if it holds something else.
    """
    path = folder / RECORD
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _same(record["config"], config.model_dump(mode="json"), folder)
        return record
    if folder.exists() and any(p.name != ".lock" for p in folder.iterdir()):
        raise InputError(
            f"{folder} is no training folder and not empty: choose another --out, or remove what is there"
        )
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "acute": __version__,
        "config": config.model_dump(mode="json"),
        "versions": installed_versions(("trl", "datasets", "torchjd", "accelerate")),
    }
    write_atomically(path, json.dumps(record, indent=1).encode())
    return record


def _same(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    for section, value in new.items():
        pairs = value.items() if isinstance(value, dict) else [(None, value)]
        for key, wanted in pairs:
            found = old[section] if key is None else old[section].get(key)
            name = section if key is None else f"{section}.{key}"
            if found != wanted and not (section == "train" and key in MAY_CHANGE):
                raise ConfigError(
                    f"{folder} was made with {name} = {found!r}, found {wanted!r} now: choose another --out, "
                    f"or remove the folder"
                )


def _same_tokens(tokenizer: Any, texts: list[str]) -> None:
    """Let the tokenizer add nothing to rendered prompts. ModelError where it cannot be kept from it."""
    plain = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    if [tokenizer(text).input_ids for text in texts] == plain:
        return
    tokenizer.add_bos_token = tokenizer.add_eos_token = False
    if [tokenizer(text).input_ids for text in texts] != plain:
        raise ModelError(
            "this tokenizer adds special tokens to prompts that already hold theirs, and cannot be told not "
            "to: wanted the same tokens as acute run samples from"
        )


def _dataset(config: Training, tokenizer: Any) -> Any:
    """The prompts as TRL's data set, rendered as the model sees them."""
    from datasets import Dataset

    from acute.models.render import render
    from acute.tasks.source import Source, prompt_rows

    chat = tokenizer.chat_template is not None
    rows = prompt_rows(Source(**config.prompts.model_dump()), config.seed, chat)
    check_kinds(rows)
    if len(rows) < config.train.prompts_per_step:
        raise ConfigError(
            f"train.prompts_per_step: wanted at most the {len(rows)} prompts there are, found "
            f"{config.train.prompts_per_step}"
        )
    made = [
        {
            "prompt_id": row["prompt_id"],
            "prompt": render(tokenizer, row.get("prompt"), row.get("messages"), row.get("prefill")),
            "answer": row["answer"],
            "question": row.get("prompt") or row["messages"][-1]["content"],
            "prefill": row.get("prefill"),
            "family": row.get("family"),
            "verify": row.get("verify"),
        }
        for row in rows
    ]
    _same_tokens(tokenizer, [row["prompt"] for row in made])
    return Dataset.from_list(made)


def _arguments(config: Training, folder: Path, on_cpu: bool) -> Any:
    """TRL's settings for this configuration."""
    from trl import GRPOConfig

    train = config.train
    batch = train.prompts_per_step * config.sampling.n
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % (train.micro_batch * processes):
        raise ConfigError(
            f"train.micro_batch: wanted micro_batch · {processes} processes to divide the {batch} responses "
            f"of a step, found {train.micro_batch}"
        )
    return GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=train.micro_batch,
        gradient_accumulation_steps=batch // (train.micro_batch * processes),
        num_generations=config.sampling.n,
        max_completion_length=config.sampling.max_tokens,
        temperature=config.sampling.temperature,
        # a mean over responses of sums over tokens: the policy gradient and nothing else
        loss_type="luspo",
        importance_sampling_level="sequence",
        scale_rewards="none",
        max_steps=train.steps,
        learning_rate=train.learning_rate,
        optim={"adamw": "adamw_torch", "sgd": "sgd"}[train.optimizer],
        lr_scheduler_type=train.schedule,
        max_grad_norm=train.max_grad_norm,
        weight_decay=0.0,
        beta=0.0,
        disable_dropout=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_steps=train.save_every,
        report_to=list(train.report_to),
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and processes > 1 else None,
        bf16=False,
        disable_tqdm=True,
        seed=config.seed,
    )


def make_trainer(config: Training, folder: Path) -> Any:
    """The trainer of a configuration. Raises ConfigError, InputError or ModelError before any step."""
    try:
        from acute.train.trl import PassKTrainer
    except ImportError as error:
        raise OutsideError(f"acute train needs TRL: pip install 'acute[train]' ({error})") from error
    from transformers import PrinterCallback

    from acute.models.load import load_policy
    from acute.train.options import Options

    arguments = {"name": config.model.name, "dtype": config.model.dtype, "device": config.model.device}
    policy = load_policy(**arguments, adapter=config.model.adapter)
    peft = None
    if config.train.lora_rank:
        from peft import LoraConfig

        peft = LoraConfig(r=config.train.lora_rank, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = PassKTrainer(
        model=policy.model,
        args=_arguments(config, folder, policy.device.type == "cpu"),
        processing_class=policy.tokenizer,
        reward_funcs=reward_of(policy.tokenizer, policy.eos_ids, config.verify),
        train_dataset=_dataset(config, policy.tokenizer),
        peft_config=peft,
        options=Options(**{name: getattr(config.train, name) for name in Options.model_fields}),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_rotation())
    if config.train.evaluate_every:
        trainer.add_callback(_evaluation(config, folder, trainer.train_dataset, policy))
    return trainer


def _evaluation(config: Training, folder: Path, rows: Any, policy: Any) -> Any:
    """The callback that evaluates, at k = 1, 2, 4, … up to the responses to a prompt."""
    from acute.rollout.sampler import Sampling
    from acute.train.evaluate import Asked, Evaluate, answers_of, by_sampling, exactly

    sampling, n = config.sampling, config.train.evaluate_n
    tokens = [tuple(policy.tokenizer(text, add_special_tokens=False).input_ids) for text in rows["prompt"]]
    names = ("prompt_id", "family", "question", "prefill", "verify")
    checked_by = [{name: row[name] for name in names} for row in rows]
    asked = Asked(list(rows["prompt_id"]), tokens, list(rows["answer"]), list(rows["family"]), checked_by)
    ks = [2**j for j in range((n or sampling.n).bit_length())]
    if n:
        drawn = Sampling(n, sampling.temperature, 1.0, sampling.max_tokens)
        evaluation = by_sampling(asked, policy, config.verify, drawn, config.seed, ks)
    else:
        answers = answers_of(policy.tokenizer, asked.answers, sampling.max_tokens)
        evaluation = exactly(asked, answers, sampling.temperature, ks)
    return Evaluate(folder, evaluation, config.train.evaluate_every)


def train(config: Training, folder: Path) -> dict[str, Any]:
    """Train, from the last whole checkpoint if there is one; returns what the command prints."""
    if is_main():
        record = open_folder(folder, config)
        with held(folder):
            return _train(config, folder, record)
    return _train(config, folder, {})


def _train(config: Training, folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    checkpoint = last_checkpoint(folder)
    done = 0 if checkpoint is None else int(checkpoint.name.rsplit("-", 1)[1])
    if done < config.train.steps:
        with redirect_stdout(sys.stderr):
            trainer = make_trainer(config, folder)
            trainer.add_callback(_progress(config.train.steps))
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
            if record:
                record["config"] = config.model_dump(mode="json")
                write_atomically(folder / RECORD, json.dumps(record, indent=1).encode())
    return outcome(folder, config)


def _rotation() -> Any:
    """The callback that removes old checkpoints, by their steps: the trainer's own would go by their dates,
    and where the clock was set back take the newest for the oldest."""
    from transformers import TrainerCallback

    class Rotation(TrainerCallback):
        """Runs after the state is saved, which makes the new checkpoint whole."""

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            del control
            if state.is_world_process_zero:
                keep_newest(Path(args.output_dir), KEPT)

    return Rotation()


def _progress(steps: int) -> Any:
    from transformers import TrainerCallback

    from acute.progress import tracked

    class Progress(TrainerCallback):
        """acute's bar in place of the trainer's."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            del args, control
            self.bar = tracked("train", steps)
            self.tracker = self.bar.__enter__()
            self.tracker.advance(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            del args, state, control
            self.tracker.advance()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            del args, state, control
            self.bar.__exit__(None, None, None)

    return Progress()


def outcome(folder: Path, config: Training) -> dict[str, Any]:
    """Steps done, the last checkpoint, and pass@1 and pass@k of the first and of the last step's rollouts."""
    rows = read_log(folder)
    newest = last_checkpoint(folder)

    def success(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in row if name.startswith("pass@")}

    return {
        "run": str(folder),
        "steps": rows[-1]["step"] + 1,
        "checkpoint": None if newest is None else str(newest),
        "objective": config.train.objective,
        "mitigation": config.train.mitigation,
        "first": success(rows[0]),
        "last": success(rows[-1]),
    }
