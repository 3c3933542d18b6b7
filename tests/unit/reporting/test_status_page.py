"""The status page's words, order, headers and colours; how Chromium shows it is another test's."""

import base64
import dataclasses
import datetime
import hashlib
import re
import subprocess
import sys
import time

import pytest

from rotator.plan.timer import Timer
from rotator.reporting import status_page
from rotator.reporting.report import Failed
from rotator.reporting.status import LastKnown, State, Status, TargetStatus
from tests.fakes.examples import LABEL, NOW

HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
RUN = "20260701T114800Z-0d1e2f"
FRESH = TargetStatus(
    target="default/storage-sas@m",
    state=State.FRESH,
    text="its SAS is fresh",
    expires=NOW + 3 * HOUR + 12 * MINUTE,
    rotated=NOW - 12 * MINUTE,
    signing_key="key1",
    definition=LABEL,
    run=RUN,
)
FAILURE = Failed("UnreachableError", "nothing answers at m:22", "Check KUBERNETES_DNS.")
UNKNOWN = TargetStatus("media/sas@n", State.UNKNOWN, "the cluster could not be read", failure=FAILURE)
DASH = '<span role="img" aria-label="unknown">\N{EN DASH}</span>'


def of(state: State, target: str = "default/storage-sas@m", text: str = "why it is so") -> TargetStatus:
    return TargetStatus(target, state, text)


def status(
    *targets: TargetStatus, next_run: datetime.datetime = NOW + 18 * MINUTE, warnings: tuple[str, ...] = ()
) -> Status:
    return Status(NOW, next_run, 30 * MINUTE, targets, warnings)


def body(*targets: TargetStatus) -> str:
    return status_page.render(status(*targets)).body


def words(page: str) -> str:
    """What is to be read, with one space wherever there is any."""
    shown = page.partition("</head>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


@pytest.mark.parametrize(
    ("targets", "verdict"),
    [
        ([FRESH], "All fresh"),
        ([FRESH, FRESH, of(State.LATE)], "1 of 3 targets needs attention"),
        ([of(State.EXPIRED), FRESH, of(State.DRIFT)], "2 of 3 targets need attention"),
        ([UNKNOWN], "1 of 1 target needs attention"),
        ([], "No target is configured"),
    ],
)
def test_the_verdict_is_the_headline_and_the_browser_tab(targets: list[TargetStatus], verdict: str) -> None:
    page = body(*targets)
    assert f"<h1>{verdict}</h1>" in page
    assert f"<title>{verdict} \N{EN DASH} rotator</title>" in page


@pytest.mark.parametrize("state", State)
def test_each_state_has_its_word_its_colours_and_its_symbol(state: State) -> None:
    page = body(of(state))
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert f'<header class="{state}">' in page
    assert f'<tbody class="{state}">' in page
    assert f'<td class="state"><b>{state}</b></td>' in page
    for part in ("--fill", "--ink", "--sign"):
        assert re.search(rf"\.{state}\b[^{{}}]*{{[^}}]*{part}: |\.{state}, [^{{}}]*{{[^}}]*{part}: ", style), part


@pytest.mark.parametrize("state", [state for state in State if state is not State.FRESH])
def test_a_state_that_needs_attention_says_why(state: State) -> None:
    assert "why it is so" in words(body(of(state)))


def test_a_fresh_target_says_nothing_more_than_its_values() -> None:
    assert "its SAS is fresh" not in body(FRESH)
    expected = f"fresh default/storage-sas@m in 3 h 12 min 15:12:00 12 min ago 11:48:00 key1 {RUN} {LABEL}"
    assert expected in words(body(FRESH))


def test_an_expiry_that_was_last_known_is_shown_as_that() -> None:
    known = LastKnown(NOW + 3 * HOUR, RUN, NOW - HOUR)
    shown = words(body(dataclasses.replace(UNKNOWN, last_known=known)))
    assert "in 3 h 15:00:00 last known" in shown
    assert "last known" not in words(body(UNKNOWN))


def test_times_are_for_machines_too() -> None:
    assert '<time datetime="2026-07-01T15:12:00Z">15:12:00</time>' in body(FRESH)


def test_the_next_run_is_counted_down_in_words() -> None:
    assert "Next run in 18 min , at 12:18:00 UTC" in words(body(FRESH))


def with_timer(timer: Timer | None) -> str:
    return status_page.render(dataclasses.replace(status(FRESH), timer=timer)).body


def test_when_the_timer_fired_stands_beside_the_next_run() -> None:
    page = with_timer(Timer(NOW - 12 * MINUTE, NOW + 18 * MINUTE))
    assert "at 12:18:00 UTC Timer fired 12 min ago , at 11:48:00 UTC 1 fresh" in words(page)
    assert '<p class="late">' not in page


def test_a_timer_that_never_fired_is_said_to() -> None:
    assert "Timer has not fired yet 1 fresh" in words(with_timer(Timer(None, NOW + 18 * MINUTE)))


def test_a_silent_timer_stands_out_as_what_is_late() -> None:
    page = with_timer(Timer(NOW - 3 * HOUR, NOW - 2.5 * HOUR, (NOW - 2.5 * HOUR,)))
    assert '<p class="late">Timer fired <b>3 h ago</b>' in page
    assert '<header class="fresh">' in page


def test_of_a_timer_that_is_not_known_nothing_is_shown() -> None:
    assert "Timer" not in words(with_timer(None))


def test_it_says_when_it_was_made_and_reloads_itself() -> None:
    page = body(FRESH)
    assert "as of 12:00:00 UTC" in words(page)
    assert 'data-every="60"' in page
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in page
    assert "01 July 2026; times are UTC" in page


def test_a_page_that_stays_without_reload_says_so() -> None:
    assert "Out of date: this page is as of 12:00:00 UTC and has not reloaded since" in words(body(FRESH))


@pytest.mark.parametrize(
    ("away", "shown"),
    [
        (datetime.timedelta(), "now"),
        (datetime.timedelta(seconds=1), "in 1 s"),
        (datetime.timedelta(seconds=59.4), "in 59 s"),
        (datetime.timedelta(seconds=59.6), "in 1 min"),
        (datetime.timedelta(minutes=59, seconds=59), "in 59 min"),
        (HOUR, "in 1 h"),
        (3 * HOUR + 12 * MINUTE, "in 3 h 12 min"),
        (48 * HOUR + 5 * MINUTE, "in 2 d"),
        (51 * HOUR, "in 2 d 3 h"),
        (-datetime.timedelta(seconds=30), "30 s ago"),
        (-26 * HOUR, "1 d 2 h ago"),
    ],
)
def test_a_distance_has_its_two_largest_units(away: datetime.timedelta, shown: str) -> None:
    page = status_page.render(status(FRESH, next_run=NOW + away)).body
    assert f"Next run <b>{shown}</b>" in page


def test_a_time_of_another_day_is_told_with_its_day() -> None:
    page = status_page.render(status(FRESH, next_run=NOW + 13 * HOUR)).body
    assert "at 02 Jul 01:00:00 UTC" in words(page)


def test_a_time_of_another_zone_is_shown_in_utc() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=9))
    page = status_page.render(status(FRESH, next_run=(NOW + HOUR).astimezone(zone))).body
    assert '<time datetime="2026-07-01T13:00:00Z">13:00:00</time>' in page


def test_the_worst_come_first_and_otherwise_the_order_stays() -> None:
    worst_first = ["expired", "missing", "drift", "unknown", "late", "fresh"]
    page = body(*[of(state, f"{name}/s@m") for state in State for name in ("b", "a")])
    shown = re.findall(r'class="state"><b>(\w+)</b></td><th scope="row">(\w)/', page)
    assert shown == [(state, name) for state in worst_first for name in ("b", "a")]
    assert "2 expired, 2 missing, 2 drift, 2 unknown, 2 late, 2 fresh" in page


def test_what_is_not_known_is_a_dash_that_is_read_out() -> None:
    assert body(UNKNOWN).count(DASH) == 5


def test_a_failure_is_told_with_its_remedy() -> None:
    text = "the cluster could not be read UnreachableError: nothing answers at m:22 Remedy: Check KUBERNETES_DNS."
    assert text in words(body(UNKNOWN))


def test_a_failure_that_is_the_reason_is_told_once() -> None:
    page = body(dataclasses.replace(UNKNOWN, text=FAILURE.message))
    assert page.count(FAILURE.message) == 1


def test_a_failure_without_a_remedy_names_none() -> None:
    target = TargetStatus("t", State.UNKNOWN, "x", failure=Failed("E", "m", ""))
    assert "Remedy" not in body(target)


def test_warnings_are_told() -> None:
    page = status_page.render(status(FRESH, warnings=("pin the SHA256 fingerprint", "and another"))).body
    assert "Warning: pin the SHA256 fingerprint Warning: and another" in words(page)
    assert "Warning" not in body(FRESH)


def test_a_status_that_could_not_be_had_is_a_page_that_reloads_too() -> None:
    page = status_page.render_failure(FAILURE, NOW)
    assert "The status is not known as of 12:00:00 UTC" in words(page.body)
    assert "UnreachableError: nothing answers at m:22 Remedy: Check KUBERNETES_DNS." in words(page.body)
    assert 'data-every="60"' in page.body
    assert page.headers == status_page.render(status(FRESH)).headers


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", "</style><style>*{}", "\"><img src=x onerror='a'>", "{{ 7*7 }}"]
)
def test_no_text_becomes_markup(evil: str) -> None:
    failure = Failed(evil, f"{evil}.", evil)
    target = TargetStatus(evil, State.UNKNOWN, evil, NOW, NOW, evil, evil, evil, failure)
    page = status_page.render(status(target, warnings=(evil,)))
    harmless = TargetStatus("t", State.UNKNOWN, "t", NOW, NOW, "k", "d", "r", Failed("e", "m", "r"))
    plain = status_page.render(status(harmless, warnings=("w",)))
    assert re.findall(r"<[^>]*>", page.body) == re.findall(r"<[^>]*>", plain.body)
    assert page.headers == plain.headers
    assert "49" not in words(page.body)


def test_signs_that_act_instead_of_being_seen_are_spelled_out() -> None:
    page = body(of(State.DRIFT, "default/\u202esas@m", "a\x00b\x1b[31mc\u2066d\u200be\ud800f\u2028g"))
    assert "default/[U+202E]sas@m" in page
    assert "a[U+0000]b[U+001B][31mc[U+2066]d[U+200B]e[U+D800]f[U+2028]g" in page
    assert page.encode()


def test_lines_of_a_message_and_letters_of_any_language_stay() -> None:
    assert "Schlüssel fehlt:\n\t- 鍵" in body(of(State.DRIFT, text="Schlüssel fehlt:\n\t- 鍵"))


def test_a_message_without_end_is_cut() -> None:
    page = body(of(State.UNKNOWN, text="far too long " * 10_000))
    assert len(page) < 12_500
    assert "far too..." in page


def digest(page: str, element: str) -> str:
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def test_the_page_may_do_nothing_but_have_this_style_and_fetch_the_next_status() -> None:
    page = status_page.render(status(FRESH, UNKNOWN))
    style, script = digest(page.body, "style"), digest(page.body, "script")
    assert page.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def test_nothing_is_loaded_scripted_or_styled_from_elsewhere() -> None:
    page = body(FRESH, UNKNOWN)
    assert page.count("<script") == page.count("<script>") == 1
    assert not re.search(r"<link|<img|<a |\bstyle=|\bon\w+=|\bsrc=|\bhref=|url\(|@import|https?:", page)


def test_thirty_targets_are_less_than_22_kilobytes() -> None:
    page = body(*[FRESH] * 30)
    assert len(page.encode()) < 22_000
    assert '<table class="compact">' in page
    assert '<table class="compact">' not in body(*[FRESH] * 3)


def test_a_hundred_targets_are_rendered_within_a_second() -> None:
    began = time.perf_counter()
    body(*[FRESH] * 100)
    assert time.perf_counter() - began < 1


def test_the_template_engine_is_imported_only_for_a_page() -> None:
    code = "import sys, rotator.reporting.status_page; print('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted([luminance(one), luminance(other)], reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_text_has_the_contrast_of_wcag_aa_in_dark_and_light() -> None:
    dark, light = (dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in body(FRESH).split("@media")[:2])
    pairs = [(text, ground) for text in ("text", "quiet") for ground in ("ground", "card")]
    pairs += [(f"on-{fill}", fill) for fill in ("good", "warn", "bad")]
    for colours in (dark, light):
        assert set(colours) == {"line"} | {name for pair in pairs for name in pair}
        assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == []
