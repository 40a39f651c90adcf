"""Run by torchrun: two processes train a LoRA, checking their own advantages, then run `acute train`.

two_processes.py MODEL FOLDER CONFIG OUT. One script for both: most of the time goes into its imports.
"""

import sys
from pathlib import Path

import torch

from acute.cli.main import app
from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out
from acute.train.trl import PassKTrainer
from tests.train.trainers import reward, trainer


class Checked(PassKTrainer):
    """Recomputes the advantages of this process's responses from their texts."""

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        spoken = [
            ids[mask.bool()] for ids, mask in zip(out["completion_ids"], out["completion_mask"], strict=True)
        ]
        texts = self.processing_class.batch_decode(spoken, skip_special_tokens=True)
        own = torch.tensor(reward(texts, [row["answer"] for row in inputs]), dtype=torch.float64)
        wanted = pass_at_k_leave_one_out(own.reshape(-1, 8), 4).reshape(-1)
        torch.testing.assert_close(out["advantages"].double(), wanted, atol=1e-5, rtol=1e-5)
        return out


model, folder, config, out = map(Path, sys.argv[1:])
of = trainer(
    model, folder, kind=Checked, objective="pass@4", measure_every=1, lora=True,
    config={"ddp_backend": "gloo", "gradient_accumulation_steps": 1},
)  # fmt: skip
assert of.accelerator.num_processes == 2
of.train()
weights = torch.cat([p.detach().flatten() for p in of.model.parameters() if p.requires_grad])
both = of.accelerator.gather(weights[None])
assert torch.equal(both[0], both[1])  # the processes did not part
app(["train", str(config), "--out", str(out), "--json"], standalone_mode=False)
assert not torch.distributed.is_initialized()  # or the exit may abort with gloo's threads alive
