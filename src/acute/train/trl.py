"""`PassKTrainer`: TRL's GRPOTrainer with any objective's advantages, conflict measured and mitigated.

    from acute.train.trl import PassKTrainer

    trainer = PassKTrainer(objective="pass@8", mitigation="projection", measure_every=8, model=..., ...)

Everything else is TRL's: models, PEFT, reward functions, loggers, checkpoints. What is replaced is the
advantages, after TRL has made its own. Private methods of TRL are overridden, since it has no hook for
advantages; `check_trl` compares their signatures and names the version that was tried.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback
from trl import GRPOTrainer, __version__
from trl.trainer.utils import RepeatSampler

from acute.errors import ConfigError, OutsideError
from acute.train.advantages import Batch, advantages, success
from acute.train.measure import Conflict, conflict, gradient_sums
from acute.train.options import Options
from acute.train.rolled import Rolled, Row, Tokens, family_of, grouped, key_of
from acute.train.settings import check_measurable, check_settings
from acute.train.state import State, append_log, cut_log
from acute.train.target import target

TRIED = "1.16.0"
LOGGED = ("inner", "cosine_k", "k_dagger", "lambda", "k", "mended")  # of a step, as acute/NAME
OVERRIDDEN = {
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "_generate_and_score_completions": ["self", "inputs"],
    "_get_train_sampler": ["self", "dataset"],
    "_load_optimizer_and_scheduler": ["self", "checkpoint"],
}


def check_trl(trainer: type = GRPOTrainer) -> None:
    """OutsideError where the installed TRL's private methods are not those that were tried."""
    for name, wanted in OVERRIDDEN.items():
        method = getattr(trainer, name, None)
        found = None if method is None else list(inspect.signature(method).parameters)
        if found != wanted:
            raise OutsideError(
                f"TRL {__version__}: GRPOTrainer.{name} has the parameters {found}, wanted {wanted} as in "
                f"TRL {TRIED}: install trl=={TRIED}"
            )


class SamplerByEpoch(RepeatSampler):
    """TRL's order of prompts, with each epoch's shuffle seeded by the epoch.

    TRL's own draws every epoch from one generator, which a resumed training starts anew: from the second
    epoch on it would see other prompts than the unbroken one.
    """

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        if self.shuffle:
            self.generator.manual_seed(self.seed + epoch)


class _KeepState(TrainerCallback):
    """Writes the state into every checkpoint, after everything else; the log begins where training does."""

    def __init__(self, trainer: "PassKTrainer") -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Cuts the log to what came before the checkpoint; without one a killed process's rows go too."""
        del control
        if state.is_world_process_zero:
            cut_log(Path(args.output_dir), state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer once a checkpoint is written."""
        del control
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            self.trainer.acute_state.save(folder, state.global_step)


class PassKTrainer(GRPOTrainer):
    """GRPOTrainer that ascends `objective`; arguments that are not listed are GRPOTrainer's own.

    Rewards are summed over reward functions with their weights, and must be 0 or 1 unless the objective is an
    estimator for real-valued ones and nothing is measured. A response without a reward is left out of its
    group. ConfigError for settings that bend the prompt weight (`acute.train.settings`), for groups too small
    for the objective, and where conflict cannot be measured.
    """

    _tag_names = ("trl", "acute")
    _name = "PassK"

    def __init__(
        self,
        *args: Any,
        objective: str = "pass@8",
        mitigation: str = "none",
        measure_every: int = 0,
        options: Options | None = None,
        **trl_arguments: Any,
    ) -> None:
        check_trl()
        self.options = options or _options(
            objective=objective, mitigation=mitigation, measure_every=measure_every
        )
        self.target = target(self.options.objective)
        self.acute_state = State()
        super().__init__(*args, **trl_arguments)
        check_settings(self.args)
        _check_groups(self)
        self._given_rewards: Any = None
        self.add_callback(_KeepState(self))

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Any:
        """TRL's rewards, (global rows, functions), gathered over processes; a copy is kept."""
        self._given_rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        return self._given_rewards

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        """TRL's batch with this objective's advantages in place of TRL's."""
        out = super()._generate_and_score_completions(inputs)
        mode = "train" if self.model.training else "eval"
        rewards = self._given_rewards * self.reward_weights.to(self._given_rewards.device)
        rewards = rewards.nansum(1).where(~self._given_rewards.isnan().all(1), torch.nan).double().cpu()
        size = self.num_generations if mode == "train" else self.num_generations_eval
        rows = self._rows(inputs, out, rewards.tolist())
        groups = grouped(rows, size)
        self._note(mode, success(groups, self.target.k))
        if mode == "eval":
            return out
        found = self._measure(groups) if self._due() else None
        batch = advantages(
            rewards.reshape(-1, size).numpy(), groups, self.target, self.options, self.acute_state,
            self.state.global_step, self.state.max_steps,
        )  # fmt: skip
        given = torch.as_tensor(
            batch.advantages_R, dtype=out["advantages"].dtype, device=out["advantages"].device
        )
        self._logs["advantages"].extend(given.tolist())
        start = self.accelerator.process_index * len(inputs)
        out["advantages"] = given[start : start + len(inputs)]
        self._write(groups, batch, found)
        return out

    def _get_train_sampler(self, dataset: Any = None) -> SamplerByEpoch:
        """TRL's sampler, the same after a resume as without one."""
        of = super()._get_train_sampler(dataset)
        return SamplerByEpoch(
            data_source=of.data_source,
            mini_repeat_count=of.mini_repeat_count,
            batch_size=of.batch_size,
            repeat_count=of.repeat_count,
            shuffle=of.shuffle,
            seed=of.seed,
        )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Also takes up the state."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self.acute_state, _ = State.load(Path(checkpoint))

    # -- measuring ----------------------------------------------------------------------------------

    def _due(self) -> bool:
        every, last = self.options.measure_every, self.acute_state.measured_at
        return every > 0 and (last is None or self.state.global_step - last >= every)

    def _rows(self, inputs: Sequence[dict[str, Any]], out: Any, rewards: list[float]) -> list[Row]:
        """Every response of the batch, all processes' in their order."""
        prompts = [
            ids[mask.bool()].tolist() for ids, mask in zip(out["prompt_ids"], out["prompt_mask"], strict=True)
        ]
        responses = [
            ids[mask.bool()].tolist()
            for ids, mask in zip(out["completion_ids"], out["completion_mask"], strict=True)
        ]
        own = [
            (key_of(example), family_of(example), tuple(prompt), tuple(response))
            for example, prompt, response in zip(inputs, prompts, responses, strict=True)
        ]
        rows: list[tuple[str, str | None, Tokens, Tokens]] = gather_object(own)
        return [Row(*row, reward) for row, reward in zip(rows, rewards, strict=True)]

    def _measure(self, groups: list[Rolled]) -> Conflict:
        """Conflict on this batch; each process takes its share of the prompts."""
        options = self.options
        folds = 1 if options.about == "distribution" else options.folds
        index, count = self.accelerator.process_index, self.accelerator.num_processes
        sums = gradient_sums(
            self.accelerator.unwrap_model(self.model),
            groups[index::count],
            options.parameters,
            self.temperature,
            folds,
            options.sketch_size,
            options.tokens_at_once,
        )
        placed = dict(gather_object(list(zip(range(index, len(groups), count), sums, strict=True))))
        whole = [placed[i] for i in range(len(groups))]
        found = conflict(groups, whole, self.target, options.about, options.sketch_size)
        self.acute_state.take(found, self.state.global_step, options.memory)
        return found

    # -- logging ------------------------------------------------------------------------------------

    def _note(self, mode: str, numbers: dict[str, float | None]) -> None:
        """Numbers for TRL's loggers; what is not known is not logged."""
        for name, number in numbers.items():
            if number is not None:
                self._metrics[mode][f"acute/{name}"].append(number)

    def _write(self, groups: list[Rolled], batch: Batch, found: Conflict | None) -> None:
        """A row for acute.jsonl, and its numbers for the loggers."""
        row = batch.as_row() | ({} if found is None else found.as_row())
        scalars = {name: row.get(name) for name in LOGGED}
        for name, number in scalars.items():
            value = number["value"] if isinstance(number, dict) else number
            self._note("train", {name: None if value is None else float(value)})
        if found is not None:
            self._note("train", {f"agreement/{family}": a for family, a in found.of_family.items()})
        if self.accelerator.is_main_process:
            numbers = success(groups, self.target.k)
            append_log(Path(self.args.output_dir), {"step": self.state.global_step} | numbers | row)


def _options(**given: Any) -> Options:
    """Options from arguments; ConfigError in one line for what cannot be."""
    from pydantic import ValidationError

    from acute.config import faults

    try:
        return Options(**given)
    except ValidationError as error:
        raise ConfigError(f"PassKTrainer: {faults(error, Options)}") from None


def _check_groups(trainer: PassKTrainer) -> None:
    """Groups must be large enough for objective and measurement. ConfigError."""
    options, n = trainer.options, trainer.num_generations
    if n < trainer.target.least_n:
        raise ConfigError(
            f"objective {options.objective!r} needs num_generations of {trainer.target.least_n} or more, "
            f"found {n}"
        )
    if not options.measure_every:
        return
    check_measurable(str(trainer.accelerator.distributed_type).rsplit(".", 1)[-1])
    prompts = trainer.args.generation_batch_size // n
    if options.about == "distribution" and prompts < 2:
        raise ConfigError(
            f'about = "distribution" compares prompts: wanted 2 or more in a generation batch, found '
            f"{trainer.args.generation_batch_size} responses in groups of {n}"
        )
    if options.about == "prompts" and n // options.folds < trainer.target.least_n:
        raise ConfigError(
            f'about = "prompts" pairs folds: wanted num_generations / folds >= {trainer.target.least_n} for '
            f"{options.objective!r}, found {n} / {options.folds}; raise num_generations, or take "
            f'about = "distribution"'
        )
