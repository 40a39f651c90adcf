"""From two measurements of a stage, a first and a larger one, to what a whole run takes.

In the first one things happen that happen once: imports, loading, the first pass. The second gives the pace.
"""

from typing import NamedTuple


class Took(NamedTuple):
    """Seconds by the clock, and those of processors."""

    seconds: float
    cpu: float

    def plus(self, other: "Took") -> "Took":
        """Both, one after the other.

        >>> Took(1.0, 2.0).plus(Took(0.5, 0.5))
        Took(seconds=1.5, cpu=2.5)
        """
        return Took(self.seconds + other.seconds, self.cpu + other.cpu)

    def without(self, other: "Took") -> "Took":
        """What is left of it, nothing at the least.

        >>> Took(1.0, 2.0).without(Took(0.5, 2.5))
        Took(seconds=0.5, cpu=0.0)
        """
        return Took(max(self.seconds - other.seconds, 0.0), max(self.cpu - other.cpu, 0.0))


class Measured(NamedTuple):
    """What an amount of work took. Any unit of work will do, if it is the same in all that are compared."""

    work: float
    took: Took


def whole(first: Measured, more: Measured, work: float, again: Measured | None = None) -> Took:
    """What `work` takes: once + pace · work, with once = first - pace · first.work, never below 0.

    The pace is more.took / more.work; or, where what is fixed in each measurement is no small part of it, the
    slope from `again`, the first amount measured once more, to `more`.

    >>> whole(Measured(1, Took(3.0, 3.0)), Measured(4, Took(4.0, 6.0)), 10)
    Took(seconds=12.0, cpu=16.5)
    >>> whole(Measured(1, Took(3.0, 3.0)), Measured(4, Took(4.0, 4.0)), 10, Measured(1, Took(2.5, 1.0)))
    Took(seconds=7.5, cpu=12.0)
    """

    def line(cold: float, warm: float, same: float | None) -> float:
        slope = None if same is None else max(warm - same, 0.0) / (more.work - first.work)
        pace = warm / more.work if slope is None else slope
        return max(cold - pace * first.work, 0.0) + pace * work

    same = (None, None) if again is None else again.took
    return Took(*map(line, first.took, more.took, same))
