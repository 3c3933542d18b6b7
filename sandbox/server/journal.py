"""A record of the requests to the sandbox's services, in order, whose subscribers can act at a chosen one."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping

MOST_EVENTS = 100_000  # some 20 MB; every request is two, and a sandbox may run for days


@dataclasses.dataclass(frozen=True)
class Event:
    """One request to a service: `phase` is "before" it was carried out or "after" it, before the answer left."""

    service: str
    action: str
    detail: str = ""
    phase: str = "before"
    at: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One HTTP request to a service and its answer, as they went over the wire; `target` is path and query."""

    service: str
    method: str
    target: str
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    body: bytes = dataclasses.field(repr=False)
    status: int
    answer_headers: Mapping[str, str] = dataclasses.field(repr=False)
    answer: bytes = dataclasses.field(repr=False)


class Journal:
    """A thread-safe record of events; subscribers run at once, in the service's thread, and may end a process.

    Everything before the newest MOST_EVENTS is forgotten.
    With `exchanges` a list, every exchange with one of Azure's services is added to it, secrets and all.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] | None = None
        self._events: collections.deque[Event] = collections.deque(maxlen=MOST_EVENTS)
        self._recorded = 0
        self._subscribers: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()

    def record(self, service: str, action: str, detail: str = "", phase: str = "before") -> None:
        """Add an event and show it to the subscribers. `detail` never holds a secret value."""
        event = Event(service, action, detail, phase)
        with self._lock:
            self._events.append(event)
            self._recorded += 1
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber(event)

    def record_exchange(self, exchange: Exchange) -> None:
        """Keep an exchange, if they are kept."""
        if self.exchanges is not None:
            self.exchanges.append(exchange)

    def events(self, service: str | None = None) -> list[Event]:
        """All events so far, or those of one service; raises LookupError once the first ones are forgotten.

        Who counts them before and after something would otherwise find too few, or none.
        """
        with self._lock:
            if self._recorded > MOST_EVENTS:
                raise LookupError(f"the journal has only the last {MOST_EVENTS} of {self._recorded} events")
            return [event for event in self._events if service in (None, event.service)]

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call `subscriber` for each event from now on; returns what ends that."""
        with self._lock:
            self._subscribers.append(subscriber)

        def cancel() -> None:
            with self._lock:
                self._subscribers.remove(subscriber)

        return cancel
