"""The lease that lets one run act at a time: who holds it, and the fence before a step that cannot be undone."""

import dataclasses
import datetime
import urllib.parse
from collections.abc import Mapping
from typing import Protocol, Self

from rotator import errors, timestamps, untrusted


@dataclasses.dataclass(frozen=True)
class Holder:
    """The run that holds the lease, what started it, where it runs and since when."""

    run: str
    trigger: str
    host: str
    since: datetime.datetime

    def __str__(self) -> str:
        return f"{self.name} since {timestamps.text(self.since)}"

    @property
    def name(self) -> str:
        """Which run it is, for a person and a log's line: another run's words about itself may hold anything."""
        run, trigger, host = map(untrusted.one_line, (self.run, self.trigger, self.host))
        return f"run {run} ({trigger}) on host {host}"

    def as_metadata(self) -> dict[str, str]:
        """Give it as a blob's metadata: text that may stand in HTTP headers."""
        texts = {"run": self.run, "trigger": self.trigger, "host": self.host, "since": timestamps.text(self.since)}
        return {name: urllib.parse.quote(text, safe=":") for name, text in texts.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self | None:
        """Read what `as_metadata` gave; None for anything else. A service may change the names' letter case."""
        texts = {name.lower(): urllib.parse.unquote(text) for name, text in metadata.items()}
        since = untrusted.moment(texts.get("since"))
        if since is None or not {"run", "trigger", "host"} <= texts.keys():
            return None
        return cls(texts["run"], texts["trigger"], texts["host"], since)


def busy(holder: Holder | None) -> errors.BusyError:
    """Word the refusal of a second run."""
    if holder is None:
        return errors.BusyError("a run is in progress; which one is not known")
    return errors.BusyError(f"a run is in progress: {holder}", holder=holder.name, since=timestamps.text(holder.since))


class Lease(Protocol):
    """What a run asks before each step that cannot be undone."""

    def fence(self) -> None:
        """Raise LeaseLostError unless this run still is the one that may act."""


class NoLease:
    """For runs without storage: nothing keeps another run from acting."""

    def fence(self) -> None:
        """Let the run go on."""
