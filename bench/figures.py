"""How figures are taken and printed: medians, their ratios to a baseline, and the machine's load beside them."""

import os
import statistics
import time
from collections.abc import Callable, Mapping

Way = Callable[[], object]


def medians(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Seconds of each way. Each runs once to warm up; then each round runs all, so that the machine's load hits all."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def row(name: str, seconds: float, base: float, more: str = "", *, digits: int = 0) -> None:
    """Print a figure in milliseconds and its ratio to the baseline."""
    print(f"  {name:<40}{seconds * 1000:7.{digits}f}   {seconds / base:5.2f} {more}".rstrip())


def load() -> float:
    """The load average of the last minute: how many processes ran or waited for a core."""
    return os.getloadavg()[0]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
