"""The configuration of a run: what may be set, what it means, and refusal of everything else.

One pydantic model a TOML table. A wrong file is refused before any work, with every fault named:
the key, what was wanted, what was found.
"""

from acute.config.engines import RayConfig, ServerConfig, VllmConfig
from acute.config.reading import (
    as_json,
    beside,
    faults,
    load,
    parse,
    read_toml,
    with_paths_from,
    with_preset_verifier,
)
from acute.config.tables import (
    PRESET_VERIFIERS,
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
from acute.config.whole import Config

__all__ = [
    "PRESET_VERIFIERS",
    "UNKNOWN_MODEL",
    "AnalyseConfig",
    "Config",
    "ImportedConfig",
    "ModelConfig",
    "PromptsConfig",
    "RayConfig",
    "SamplingConfig",
    "ScoreConfig",
    "Section",
    "ServerConfig",
    "VerifyConfig",
    "VllmConfig",
    "as_json",
    "beside",
    "faults",
    "load",
    "parse",
    "read_toml",
    "with_paths_from",
    "with_preset_verifier",
]
