"""The journal of a sandbox that runs for days: it forgets, and says so."""

import gc
import weakref

import pytest

from sandbox.server import journal


def test_memory_is_bounded_whatever_the_number_of_requests() -> None:
    record = journal.Journal()
    seen: list[weakref.ref[journal.Event]] = []
    record.subscribe(lambda event: seen.append(weakref.ref(event)))
    for _ in range(journal.MOST_EVENTS + 2):
        record.record("blob", "get-blob")
    gc.collect()
    assert [ref() is None for ref in seen[:3]] == [True, True, False]


def test_events_are_not_counted_among_too_few() -> None:
    record = journal.Journal()
    for number in range(journal.MOST_EVENTS):
        record.record("blob", "get-blob", str(number))
    assert len(record.events("blob")) == journal.MOST_EVENTS
    record.record("blob", "get-blob")
    with pytest.raises(LookupError, match=f"the last {journal.MOST_EVENTS} of {journal.MOST_EVENTS + 1} events"):
        record.events()
