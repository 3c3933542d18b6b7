"""The lease that lets one run work at a time: its holder, and the fence before each step that cannot be undone."""

import dataclasses
import datetime
import urllib.parse
from collections.abc import Mapping
from typing import Protocol, Self

from rotator import errors, timestamps, untrusted

_ENDED = "ended"
_EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Holder:
    """The run that holds the lease, what started it, its host, and since when it holds it."""

    run: str
    trigger: str
    host: str
    since: datetime.datetime

    def __str__(self) -> str:
        return f"{self.name} since {timestamps.text(self.since)}"

    @property
    def name(self) -> str:
        """The run in one printable line; what another run wrote about itself is untrusted."""
        run, trigger, host = map(untrusted.one_line, (self.run, self.trigger, self.host))
        return f"run {run} ({trigger}) on host {host}"

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        run, trigger, host = map(untrusted.one_line, (self.run, self.trigger, self.host))
        return {"run": run, "trigger": trigger, "host": host, "since": timestamps.text(self.since)}

    def as_metadata(self) -> dict[str, str]:
        """Return it as a blob's metadata, percent-encoded, as metadata are HTTP headers."""
        texts = {"run": self.run, "trigger": self.trigger, "host": self.host, "since": timestamps.text(self.since)}
        return {name: urllib.parse.quote(text, safe=":") for name, text in texts.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self | None:
        """Read what `as_metadata` wrote; None for anything else. A service may change the case of the names."""
        texts = _texts(metadata)
        since = untrusted.iso_time(texts.get("since"))
        if since is None or since < _EARLIEST or not {"run", "trigger", "host"} <= texts.keys():
            return None
        return cls(texts["run"], texts["trigger"], texts["host"], since)


def ended_as_metadata(ended: datetime.datetime | None) -> dict[str, str]:
    """Return as a blob's metadata when the last run ended that did what the schedule wants."""
    return {_ENDED: timestamps.text(ended)} if ended else {}


def ended_from_metadata(metadata: Mapping[str, str]) -> datetime.datetime | None:
    """Read what `ended_as_metadata` wrote; None for anything else."""
    found = untrusted.iso_time(_texts(metadata).get(_ENDED))
    return found if found and found >= _EARLIEST else None


def _texts(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): urllib.parse.unquote(text) for name, text in metadata.items()}


def busy_error(holder: Holder | None) -> errors.BusyError:
    """Make the error with which a second run is refused."""
    if holder is None:
        return errors.BusyError("a run is in progress; which one is not known")
    return errors.BusyError(f"a run is in progress: {holder}", holder=holder.name, since=timestamps.text(holder.since))


class Lease(Protocol):
    """What a run calls before each step that cannot be undone, and when it has done what the schedule wants."""

    def fence(self) -> None:
        """Raise LeaseLostError unless this run still holds the lease."""

    def completed(self) -> None:
        """Note that this run visited the targets: the schedule's time is covered."""


class NoLease:
    """For runs without storage: another run may work at the same time."""

    def fence(self) -> None:
        """Do nothing."""

    def completed(self) -> None:
        """Do nothing."""
