"""What every unit test leaves as it found it."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def log_records_are_made_as_before() -> Iterator[None]:
    """`redaction.install()` is for the whole process; a test that ran it must not change the next one."""
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
