"""What `PassKTrainer` and `acute train` can be told, and refusal of everything else."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from acute.train.mitigate import MITIGATIONS, NEED_K, NEED_NO_CONFLICT


class Options(BaseModel):
    """Objective, mitigation and measurement of a training."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    objective: str = Field(
        "pass@8", description="pass@K, log@T, mixture@S,K, …, or an estimator as pkpo-loo-1@8"
    )
    mitigation: str = Field("none", description=", ".join(MITIGATIONS))
    measure_every: int = Field(
        0, ge=0, description="steps from one measurement of conflict to the next; 0: never"
    )
    margin: float = Field(0.0, ge=0, le=1, description="least rise of pass@1, as a share of ‖∇J_1‖²")
    level: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="mitigate only where conflict is significant at this level; absent: always",
    )
    about: str = Field(
        "distribution",
        pattern="^(distribution|prompts)$",
        description="whose pass@1 is kept: see docs/statistics.md",
    )
    folds: int = Field(2, ge=2, description='independent parts of a group, for about = "prompts"')
    memory: float = Field(
        0.0, ge=0, lt=1, description="share of the former inner products kept in the new ones"
    )
    parameters: str = Field("trainable", description="as score.parameters; the gradients that are compared")
    sketch_size: int = Field(16384, ge=64, description="numbers kept of each gradient; cosines ± 1/√size")
    tokens_at_once: int = Field(1024, ge=1, description="tokens in one forward pass of the measurement")

    @model_validator(mode="after")
    def _possible(self) -> "Options":
        if self.mitigation not in MITIGATIONS:
            raise ValueError(f"mitigation: wanted one of {', '.join(MITIGATIONS)}, found {self.mitigation!r}")
        measures = self.mitigation not in NEED_NO_CONFLICT
        if measures and not self.measure_every:
            raise ValueError(
                f"mitigation {self.mitigation!r} needs measurements: wanted measure_every ≥ 1, found 0"
            )
        if self.mitigation in NEED_K and "@" not in self.objective:
            raise ValueError(f"mitigation {self.mitigation!r} changes k: wanted an objective with @k")
        if self.level is not None and not measures:
            raise ValueError(f"level has no meaning with mitigation = {self.mitigation!r}: leave it out")
        return self
