"""Trainers of a tiny model on sums, made in a moment."""

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig

from acute.train.trl import PassKTrainer
from tests.tiny import prompt_rows


def reward(completions, answer, **_):
    """1 for a digit of the answer's parity: neither rare nor certain under a random model."""
    return [
        float(c[:1].isdigit() and int(c[0]) % 2 == int(a) % 2)
        for c, a in zip(completions, answer, strict=True)
    ]


def settings(folder, **changes):
    plain = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 16,
        "gradient_accumulation_steps": 2,
        "num_generations": 8,
        "max_completion_length": 3,
        "max_steps": 3,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "loss_type": "dr_grpo",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "seed": 3,
    }
    return GRPOConfig(**(plain | changes))


def trainer(model, folder, kind=PassKTrainer, config=None, lora=False, **options):
    policy = AutoModelForCausalLM.from_pretrained(model)
    if lora:
        from peft import LoraConfig

        options["peft_config"] = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    return kind(
        model=policy,
        args=settings(folder, **(config or {})),
        processing_class=AutoTokenizer.from_pretrained(model),
        reward_funcs=reward,
        train_dataset=Dataset.from_list(prompt_rows(12)),
        **options,
    )


def losses(of):
    return [row["loss"] for row in of.state.log_history if "loss" in row]


def parameters(of):
    return {name: p.detach().clone() for name, p in of.model.named_parameters()}
