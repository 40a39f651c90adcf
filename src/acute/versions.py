"""What a record says of the programs that made it: versions, and the commit of acute itself."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

WATCHED = (
    "python",
    "numpy",
    "scipy",
    "pyarrow",
    "torch",
    "transformers",
    "tokenizers",
    "gguf",
    "peft",
    "vllm",
)


def installed_versions(also: tuple[str, ...] = ()) -> dict[str, str | None]:
    """Versions of everything that can change a result, and of `also`; None where it is not installed."""
    import platform

    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in (*WATCHED[1:], *also):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def commit() -> str | None:
    """The git commit that acute runs from, "-dirty" added where files differ; None outside a checkout."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
