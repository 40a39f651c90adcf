"""A number never travels without its error."""

from dataclasses import dataclass
from math import floor, isfinite, log10


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval; a member is None where it cannot be had."""

    value: float
    se: float | None
    lo: float | None
    hi: float | None

    def __post_init__(self) -> None:
        for name in ("value", "se", "lo", "hi"):
            member = getattr(self, name)
            if member is not None and not isfinite(member):
                raise ValueError(
                    f"{name} of an estimate must be finite, or None where unknown; found {member}"
                )

    def as_json(self) -> dict[str, float | None]:
        """The form that analysis.json holds."""
        return {"value": self.value, "se": self.se, "lo": self.lo, "hi": self.hi}

    def __str__(self) -> str:
        """Two digits of the error, the value to the same place, the interval.

        >>> print(Estimate(0.123456, 0.00789, 0.108, 0.139))
        0.1235 ± 0.0079 [0.1080, 0.1390]
        >>> print(Estimate(0.123456, None, None, None))
        0.1235 ± ?
        """
        if not self.se:
            return f"{self.value:.4g} ± ?"
        places = max(0, 1 - floor(log10(self.se)))
        ends = [("?" if end is None else f"{end:.{places}f}") for end in (self.lo, self.hi)]
        return f"{self.value:.{places}f} ± {self.se:.{places}f} [{', '.join(ends)}]"

    def _repr_html_(self) -> str:
        """What a notebook shows: numbers alone, so nothing to escape."""
        return f"<span>{self}</span>"
