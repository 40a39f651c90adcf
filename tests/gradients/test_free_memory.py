"""Free memory as the system tells it, in files made for the purpose."""

import pytest
import torch

from acute.gradients import free_memory as module
from acute.gradients.free_memory import free_memory

CPU, GIB = torch.device("cpu"), 2**30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes files of the system under a root of its own; 8 GiB are available."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("-", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))

    write(proc__meminfo=f"MemTotal: 1 kB\nMemAvailable:   {8 * 2**20} kB\n")
    return write


def group(folder, **files):
    return {f"sys__fs__cgroup__{folder}__{name}": text for name, text in files.items()}


@pytest.mark.usefixtures("system")
def test_without_control_groups_it_is_what_the_system_has():
    assert free_memory(CPU) == 8 * GIB


def test_a_group_and_those_around_it_limit_it(system):
    files = {
        "memory-max": 6 * GIB,
        "memory-current": 3 * GIB,
        "memory-stat": f"anon 5\ninactive_file {GIB}\n",
    }
    around = {"memory-max": "max", "memory-current": 7 * GIB}
    system(proc__self__cgroup="0::/job/step\n", **group("job__step", **files), **group("job", **around))
    assert free_memory(CPU) == (6 - 3 + 1) * GIB
    system(**group("job", **{"memory-max": 9 * GIB}))
    assert free_memory(CPU) == 2 * GIB


def test_the_first_version_of_groups_and_one_that_is_full(system):
    files = {"memory-limit_in_bytes": 4 * GIB, "memory-usage_in_bytes": 3 * GIB}
    system(proc__self__cgroup="5:devices:/x\n4:cpu,memory:/x\n", **group("memory__x", **files))
    assert free_memory(CPU) == GIB
    system(**group("memory__x", **{"memory-usage_in_bytes": 5 * GIB}))
    assert free_memory(CPU) == 0


@pytest.mark.usefixtures("system")
def test_ranks_of_one_machine_share_it(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert free_memory(CPU) == 2 * GIB


def test_a_system_that_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert free_memory(CPU) is None
