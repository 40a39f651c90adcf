"""Where a model's transformer blocks stand."""

from torch import nn


def blocks_of(model: nn.Module) -> tuple[str, nn.ModuleList] | None:
    """The list of transformer blocks and its name: the longest list that stands in no other (a mixture's
    experts do); None if the model has no list."""
    lists = {str(name): m for name, m in model.named_modules() if isinstance(m, nn.ModuleList)}
    outer = {n: m for n, m in lists.items() if not any(n.startswith(f"{other}.") for other in lists)}
    return max(outer.items(), key=lambda entry: len(entry[1])) if outer else None
