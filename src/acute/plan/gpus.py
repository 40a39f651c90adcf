"""Cards by name, with what their makers publish: dense bfloat16 and float32 rates, memory, bandwidth."""

import re
from typing import NamedTuple

from acute.errors import ConfigError


class Card(NamedTuple):
    """One card. Rates in operations a second (dense, no sparsity), memory in bytes, bandwidth in bytes/s."""

    name: str
    bfloat16: float
    float32: float
    memory: float
    bandwidth: float


_T, _G = 1e12, 1e9
CARDS = {
    card.name.lower(): card
    for card in (
        # NVIDIA A100 datasheet (SXM, 80 GB and 40 GB)
        Card("A100", 312 * _T, 19.5 * _T, 80 * _G, 2039 * _G),
        Card("A100-40GB", 312 * _T, 19.5 * _T, 40 * _G, 1555 * _G),
        # NVIDIA H100 datasheet: SXM, and PCIe
        Card("H100", 989 * _T, 67 * _T, 80 * _G, 3350 * _G),
        Card("H100-PCIe", 756 * _T, 51 * _T, 80 * _G, 2000 * _G),
        # NVIDIA H200 datasheet (SXM)
        Card("H200", 989 * _T, 67 * _T, 141 * _G, 4800 * _G),
        # NVIDIA DGX B200 datasheet, an eighth of it: 36 PFLOP/s dense FP8 / 2, 1,440 GB, 64 TB/s
        Card("B200", 2250 * _T, 75 * _T, 180 * _G, 8000 * _G),
        # NVIDIA L40S, L4, A10 datasheets; the tensor rates there are with sparsity but for A10
        Card("L40S", 362 * _T, 91.6 * _T, 48 * _G, 864 * _G),
        Card("L4", 121 * _T, 30.3 * _T, 24 * _G, 300 * _G),
        Card("A10", 125 * _T, 31.2 * _T, 24 * _G, 600 * _G),
        # NVIDIA Ada architecture whitepaper (float32 sums)
        Card("RTX4090", 165.2 * _T, 82.6 * _T, 24 * _G, 1008 * _G),
        # AMD Instinct MI300X datasheet
        Card("MI300X", 1307.4 * _T, 163.4 * _T, 192 * _G, 5300 * _G),
    )
}


def parse(text: str) -> tuple[int, Card]:
    """How many cards of which kind: "8xH200", or "H200" for one. Raises ConfigError.

    >>> parse("8xH200")[0], parse("h100")[1].name
    (8, 'H100')
    """
    found = re.fullmatch(r"(?:([1-9]\d{0,4})\s*[x×*]\s*)?([A-Za-z]\S*)", text.strip())
    card = CARDS.get(found[2].lower()) if found else None
    if found is None or card is None:
        known = ", ".join(card.name for card in CARDS.values())
        raise ConfigError(f"--gpus: wanted NxNAME as 8xH200, with a name of {known}; found {text!r}")
    return int(found[1] or 1), card
