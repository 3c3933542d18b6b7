"""Secrets are made, die and are looked for by many threads at once, in thousands."""

import base64
import gc
import logging
import signal
import threading
import time
from types import FrameType

import pytest

from rotator import redaction
from rotator.redaction import SecretText, scrub

COUNT = 10_000


def test_secrets_are_masked_while_other_threads_make_and_drop_some() -> None:
    kept = SecretText("the-secret-that-stays-0815")
    stop, raised = threading.Event(), list[BaseException]()

    def churn(thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            some = [SecretText(f"passing-{thread}-{number}-{each}") for each in range(50)]
            del some

    def look() -> None:
        try:
            while not stop.is_set():
                assert scrub("a line with the-secret-that-stays-0815 in it") == "a line with [secret] in it"
        except BaseException as error:  # noqa: BLE001  # raised again below
            raised.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(3)]
    threads += [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert raised == []
    assert kept.reveal() == "the-secret-that-stays-0815"


def test_log_lines_come_out_beside_a_thread_that_parses_a_secret_with_a_thousand_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    redaction.install()
    stop = threading.Event()
    values = [base64.b64encode(f"value {number}".encode()).decode() for number in range(1000)]

    def parse() -> None:
        while not stop.is_set():
            held = [SecretText(value, foreign=True) for value in values]
            del held

    thread = threading.Thread(target=parse)
    thread.start()
    try:
        with caplog.at_level(logging.INFO):
            for number in range(2000):
                logging.getLogger("x").info("line %d", number)
    finally:
        stop.set()
        thread.join()
    assert caplog.messages == [f"line {number}" for number in range(2000)]


def test_signal_handler_may_make_secrets_and_log_while_secrets_are_made_and_masked() -> None:
    inner: list[SecretText] = []
    shown: list[str] = []

    def handle(number: int, frame: FrameType | None) -> None:
        value = f"of-the-handler-{len(inner)}-{time.perf_counter_ns()}"  # it may be interrupted itself
        inner.append(SecretText(value))
        shown.append(scrub(value))

    before = signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    try:
        made: list[SecretText] = []
        while len(shown) < 50:
            made.append(SecretText(f"of-the-main-thread-{len(made)}-x"))
            assert scrub(f"<{made[-1].reveal()}>") == "<[secret]>"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert set(shown) == {"[secret]"}
    assert scrub(f"of-the-main-thread-{len(made) // 2}-x") == "[secret]"


def test_one_pass_finds_any_of_ten_thousand_secrets_that_begin_alike() -> None:
    many = [SecretText(f"sv=2018-03-28&ss=b&sp=rwd&number-{number:05}-of-them") for number in range(COUNT)]
    line = f"GET /?{many[7].reveal()} and {many[-1].reveal()} and sv=2018-03-28&ss=b"
    started = time.perf_counter()
    for _ in range(100):
        assert scrub(line) == "GET /?[secret] and [secret] and sv=2018-03-28&ss=b"
    assert time.perf_counter() - started < 10  # a search for each of them in each line takes minutes
    del many
    gc.collect()
    assert "number-00007" in scrub(line)


def test_long_texts_take_time_in_proportion_to_their_length() -> None:
    secret = SecretText(f"sv=2018-{'a' * 100_000}-end")
    started = time.perf_counter()
    scrub("sv=2018-" * 100_000)
    scrub("sig=" * 100_000)
    scrub("-----BEGIN " * 100_000)
    scrub("-----BEGIN " + "A " * 200_000)
    assert time.perf_counter() - started < 60  # a comparison of the whole secret at each place takes longer by far
    assert scrub(f"<{secret.reveal()}>") == "<[secret]>"


def test_long_secret_is_masked_also_where_it_is_cut_off() -> None:
    secret = SecretText("".join(f"{number:x}-" for number in range(2000)))
    assert "3e8-3e9" not in scrub(f"the server says: {secret.reveal()[:6000]}…")


def test_secrets_that_overlap_are_masked_whole() -> None:
    first, second = SecretText("abcdefgh-12345"), SecretText("12345-ijklmnop")
    assert scrub("<abcdefgh-12345-ijklmnop>") == "<[secret]>"
    assert (first.reveal(), second.reveal()) == ("abcdefgh-12345", "12345-ijklmnop")
