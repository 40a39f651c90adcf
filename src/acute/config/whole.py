"""The configuration of a run as a whole: its tables, and what they rule out together."""

from pydantic import Field, model_validator

from acute.config.engines import RayConfig, ServerConfig, VllmConfig
from acute.config.tables import (
    UNKNOWN_MODEL,
    AnalyseConfig,
    ImportedConfig,
    ModelConfig,
    PromptsConfig,
    SamplingConfig,
    ScoreConfig,
    Section,
    VerifyConfig,
)


class Config(Section):
    """One run, from prompts to report."""

    seed: int = Field(0, ge=0, lt=2**63, description="seeds sampling and sketch")
    control: str | None = Field(
        None, description="path of another configuration, run beside this one in the subfolder control"
    )
    model: ModelConfig
    prompts: PromptsConfig
    sampling: SamplingConfig = SamplingConfig()
    verify: VerifyConfig = VerifyConfig()
    score: ScoreConfig = ScoreConfig()
    analyse: AnalyseConfig = AnalyseConfig()
    server: ServerConfig | None = Field(None, description='needed where sampling.backend = "openai"')
    vllm: VllmConfig | None = Field(None, description="of the backend vllm, or of ray.engine = vllm")
    ray: RayConfig | None = Field(None, description="of the backend ray")
    imported: ImportedConfig | None = Field(None, description="set by acute import alone")

    @property
    def counts_only(self) -> bool:
        """Whether no model is known that gradients could be taken of."""
        return self.model.name == UNKNOWN_MODEL

    @model_validator(mode="after")
    def _server_is_asked(self) -> "Config":
        if (self.sampling.backend == "openai") != (self.server is not None):
            raise ValueError('sampling.backend = "openai" and a section [server] belong together')
        if self.server is None:
            return self
        if self.sampling.stop and self.server.kind not in ("vllm", "sglang"):
            raise ValueError(
                f"wanted no sampling.stop with server.kind = {self.server.kind!r}: it cuts the stop text "
                f"off, and with it tokens that were drawn"
            )
        if self.counts_only and self.server.model is None:
            raise ValueError('server.model: wanted its name at the server, as model.name = "unknown"')
        return self

    @property
    def uses_vllm(self) -> bool:
        """Whether vLLM samples: here, or in Ray's actors."""
        return self.sampling.backend == "vllm" or (self.ray is not None and self.ray.engine == "vllm")

    @model_validator(mode="after")
    def _engines_have_their_tables(self) -> "Config":
        if self.ray is not None and self.sampling.backend != "ray":
            raise ValueError(f'[ray] is for sampling.backend = "ray", found {self.sampling.backend!r}')
        if not self.uses_vllm and self.vllm is not None:
            raise ValueError('[vllm] is for sampling.backend = "vllm" or ray.engine = "vllm", found neither')
        if self.uses_vllm and self.model.dtype == "float64":
            raise ValueError("wanted model.dtype float32 or bfloat16: vLLM has no float64")
        if self.uses_vllm and self.sampling.temperature < 0.01:
            raise ValueError(
                f"wanted sampling.temperature ≥ 0.01 with vLLM, which raises lower ones to it, found "
                f"{self.sampling.temperature}"
            )
        return self

    @model_validator(mode="after")
    def _folds_reach_k(self) -> "Config":
        if self.model.dtype == "bfloat16" and self.sampling.top_p < 1:
            raise ValueError(
                "wanted top_p = 1 with model.dtype = bfloat16: its rounding moves tokens in and out of the "
                "nucleus between sampler and scorer; use float32, or sample at top_p = 1"
            )
        if self.counts_only and self.analyse.held_out is not None:
            raise ValueError("analyse.held_out needs gradients, and so a model: found model.name = unknown")
        smallest, k = self.sampling.n // self.score.folds, max(2, *self.analyse.k)
        if smallest < k and not self.counts_only:
            raise ValueError(
                f"wanted sampling.n / score.folds ≥ 2 and the largest analyse.k (products pair folds), "
                f"found {self.sampling.n} / {self.score.folds} = {smallest} < {k}: "
                f"raise sampling.n to {k * self.score.folds}, or ask for k ≤ {smallest}"
            )
        return self
