"""The tables of the engines that sample: each belongs to one value of `sampling.backend`."""

from typing import Literal

from pydantic import Field

from acute.config.tables import Section


class ServerConfig(Section):
    """The server that samples where `sampling.backend = "openai"`."""

    url: str = Field(min_length=1, pattern="^https?://", description="as http://localhost:8000/v1")
    model: str | None = Field(None, min_length=1, description="its name there; absent: model.name")
    kind: Literal["vllm", "sglang", "llama.cpp", "openai"] = Field(
        "vllm", description="whose extensions it knows: defaults that bend sampling are switched off by them"
    )
    api: Literal["completions", "chat"] = Field("completions", description="chat: it renders the messages")
    key_variable: str = Field("OPENAI_API_KEY", description="environment variable that holds the key, if any")
    n_at_once: int = Field(16, ge=1, description="responses asked for in one request")
    concurrency: int = Field(8, ge=1, le=1024, description="requests under way at once")
    timeout: float = Field(600, gt=0, le=86400, description="seconds for one whole reply")
    retries: int = Field(6, ge=0, le=100, description="further attempts at a request")


class VllmConfig(Section):
    """vLLM's engine, where `sampling.backend = "vllm"` or Ray's actors run it."""

    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share one copy of the model")
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="share of a GPU's memory that it may take; absent: vLLM's own default"
    )


class RayConfig(Section):
    """The Ray cluster that samples and verifies where `sampling.backend = "ray"`."""

    address: str | None = Field(
        None, min_length=1, description="auto, or host:port of a cluster's head; absent: one on this machine"
    )
    engine: Literal["transformers", "vllm"] = Field("transformers", description="what its actors sample with")
    samplers: int = Field(0, ge=0, description="most actors that sample; 0: as many as there is room for")
    deadline: float = Field(
        3600, gt=0, description="seconds in which one more batch must be done; beyond, the run ends"
    )
