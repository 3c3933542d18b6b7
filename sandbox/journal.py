"""What the sandbox's services were asked, in order, and a way to step in at a chosen moment."""

import dataclasses
import threading
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Event:
    """One request to a service: `phase` is "before" it was carried out or "after" it, before the answer left."""

    service: str
    action: str
    detail: str = ""
    phase: str = "before"
    moment: float = dataclasses.field(default_factory=time.monotonic)


class Journal:
    """A thread-safe record of events; subscribers run at once, in the service's thread, and may end a process."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._subscribers: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()

    def record(self, service: str, action: str, detail: str = "", phase: str = "before") -> None:
        """Add an event and show it to the subscribers. `detail` never holds a secret value."""
        event = Event(service, action, detail, phase)
        with self._lock:
            self._events.append(event)
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber(event)

    def events(self, service: str | None = None) -> list[Event]:
        """All events so far, or those of one service."""
        with self._lock:
            return [event for event in self._events if service in (None, event.service)]

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call `subscriber` for each event from now on; returns what ends that."""
        with self._lock:
            self._subscribers.append(subscriber)

        def cancel() -> None:
            with self._lock:
                self._subscribers.remove(subscriber)

        return cancel
