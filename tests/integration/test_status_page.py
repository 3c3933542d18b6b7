"""Chromium shows the status page: its style applies, nothing is refused, and it fits every screen."""

import asyncio
import contextlib
import dataclasses
import datetime
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator.plan.timer import Timer
from rotator.reporting import status_page
from rotator.reporting.report import Failed
from rotator.reporting.status import State, Status, TargetStatus
from rotator.reporting.status_page import Page
from tests.viewer import browser

pytestmark = pytest.mark.real

NOW = datetime.datetime(2026, 7, 1, 14, 5, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
RUN = "20260701T135312Z-0d1e2f"
LABEL = "blobrwu4hours@e995dd1560ef"
DARK, LIGHT = "dark", "light"
WALL, SMALL_WALL, PORTRAIT, PHONE = (1920, 1080), (1280, 720), (1080, 1920), (360, 740)

FITS = "document.documentElement.scrollWidth <= innerWidth"
HEIGHT = "document.documentElement.scrollHeight"
NOTE_VIOLATIONS = """
    window.violations = [];
    addEventListener("securitypolicyviolation", event => violations.push(event.effectiveDirective), true);
"""
VIOLATIONS = "window.violations"


def colour(selector: str, which: str = "backgroundColor") -> str:
    """JavaScript for the colour that an element has in the end."""
    return f"getComputedStyle(document.querySelector('{selector}')).{which}"


def target(name: str, state: State = State.FRESH, **values: Any) -> TargetStatus:
    known = TargetStatus(name, state, "why", NOW + 3 * HOUR, NOW - HOUR, "key1", LABEL, RUN)
    return dataclasses.replace(known, **values)


SILENT = Timer(NOW - 30 * HOUR, NOW - 29 * HOUR, tuple(NOW - hours * HOUR for hours in range(29, 0, -1)))


def page(*targets: TargetStatus, warnings: tuple[str, ...] = (), timer: Timer | None = None) -> Page:
    return status_page.render(Status(NOW, NOW + 18 * MINUTE, 30 * MINUTE, targets, warnings, timer))


FAILURE = Failed("UnreachableError", "nothing answers; " * 40, f"https://{'a' * 300}")
ALL_FRESH = page(target("default/storage-sas@10.0.0.4"))
EACH_STATE = page(*[target(f"default/storage-sas@10.0.0.{place}", state) for place, state in enumerate(State)])
SIX = page(*[target(f"shop/upload-credential@10.0.0.{number}", State.LATE) for number in range(6)])
THIRTY = page(*[target(f"team-{number}/storage-sas@10.0.1.{number}") for number in range(30)])
UNKNOWN = page(TargetStatus("media/storage-sas@10.0.0.9", State.UNKNOWN, "why", failure=FAILURE))
UNBREAKABLE = page(
    *[target(f"{'n' * 253}/{'s' * 253}@{'h' * 253}", text="t" * 700, definition="d" * 102, run="r" * 80)] * 12,
    target("m", State.UNKNOWN, signing_key="k" * 60, failure=Failed("E" * 200, "m" * 700, "r" * 700)),
    warnings=("w" * 700,),
)
TIMER_SILENT = page(
    target("default/storage-sas@10.0.0.4"), warnings=(f"the timer {SILENT.missed_text(NOW)}",), timer=SILENT
)
NO_STATUS = status_page.render_failure(FAILURE, NOW)


@dataclasses.dataclass
class Site:
    """A page at an address, and the requests that came for anything, with the Referer header of each.

    Tests change what is `served` and its `status`, 0 for no answer.
    """

    url: str
    served: Page
    status: int = 200
    requests: list[tuple[str, str | None]] = dataclasses.field(default_factory=list)


HOSTS_OWN = Page("<html><body>Service Unavailable</body></html>", {"Content-Type": "text/html"})


def hasty(served: Page) -> Page:
    """The page as it is, but that it looks for the next status four times a second."""
    return Page(served.body.replace('data-every="60"', 'data-every="0.25"'), served.headers)


@contextlib.contextmanager
def serving(served: Page) -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append((self.path, self.headers.get("Referer")))
            if site.status == 0:
                return  # the connection is closed without an answer
            self.send_response(site.status)
            for name, value in site.served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(site.served.body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}/api/status?format=html&code=key", served)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


async def show(tab: browser.Tab, url: str, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    await tab.open("about:blank")
    await tab.call("Page.addScriptToEvaluateOnNewDocument", source=NOTE_VIOLATIONS)
    await tab.call("Emulation.setDeviceMetricsOverride", **screen)
    await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await tab.call("Page.navigate", url=url)
    await tab.until("location.protocol === 'http:' && document.readyState === 'complete'")


async def ask(url: str, directory: Path, size: tuple[int, int], scheme: str, expressions: tuple[str, ...]) -> list[Any]:
    async with browser.tab(browser.require_chromium(), directory / "profile") as tab:
        await show(tab, url, size, scheme)
        return [await tab.evaluate(expression) for expression in expressions]


def look(
    served: Page, directory: Path, *expressions: str, size: tuple[int, int] = WALL, scheme: str = DARK
) -> list[Any]:
    """What these JavaScript expressions give once a page is shown."""
    with serving(served) as site:
        return asyncio.run(ask(site.url, directory, size, scheme, expressions))


def test_the_style_applies_and_nothing_is_refused(tmp_path: Path) -> None:
    asked = (VIOLATIONS, colour("body"), colour("header"), colour(".state b"), colour("caption", "display"))
    assert look(ALL_FRESH, tmp_path, *asked) == [
        [],
        "rgb(14, 18, 23)",
        "rgb(18, 74, 46)",
        "rgb(18, 74, 46)",
        "table-caption",
    ]


def test_a_silent_timer_has_the_colours_of_what_is_late(tmp_path: Path) -> None:
    asked = (colour(".facts .late"), colour(".facts .late", "color"), colour(".notes", "borderLeftColor"))
    assert look(TIMER_SILENT, tmp_path, *asked) == ["rgb(255, 194, 51)", "rgb(28, 20, 0)", "rgb(255, 194, 51)"]


def test_a_screen_that_prefers_light_gets_it(tmp_path: Path) -> None:
    asked = (colour("body"), colour("header"), colour("h1", "color"))
    expected = ["rgb(238, 241, 245)", "rgb(205, 238, 218)", "rgb(10, 74, 38)"]
    assert look(ALL_FRESH, tmp_path, *asked, scheme=LIGHT) == expected


def test_another_style_than_the_announced_one_is_refused(tmp_path: Path) -> None:
    other = Page(ALL_FRESH.body.replace("#0e1217", "#ffffff"), ALL_FRESH.headers)
    violations, ground = look(other, tmp_path, VIOLATIONS, colour("body"))
    assert violations == ["style-src-elem"]
    assert ground == "rgba(0, 0, 0, 0)"


def test_nothing_else_is_fetched(tmp_path: Path) -> None:
    with serving(EACH_STATE) as site:
        asyncio.run(ask(site.url, tmp_path, WALL, DARK, ()))
        assert site.requests == [("/api/status?format=html&code=key", None)]


def test_a_reload_keeps_the_address_and_tells_it_to_nobody(tmp_path: Path) -> None:
    with serving(hasty(ALL_FRESH)) as site:
        asyncio.run(reloaded(site, tmp_path))
        assert set(site.requests) == {("/api/status?format=html&code=key", None)}


async def reloaded(site: Site, directory: Path) -> None:
    async with browser.tab(browser.require_chromium(), directory / "profile") as tab, asyncio.timeout(20):
        await show(tab, site.url, WALL, DARK)
        while len(site.requests) < 3:
            await asyncio.sleep(0.05)


def test_a_page_that_does_not_reload_covers_its_verdict_after_three_minutes(tmp_path: Path) -> None:
    visible = colour(".stale", "visibility")
    after = "document.getAnimations()[0].currentTime = {}; {}"
    covers = (
        "(() => { const [cover, head] = ['.stale', 'header'].map(name => document.querySelector(name)"
        ".getBoundingClientRect()); return cover.top <= head.top && cover.bottom >= head.bottom })()"
    )
    asked = (visible, after.format(179_000, visible), after.format(180_000, visible), covers)
    assert look(ALL_FRESH, tmp_path, *asked) == ["hidden", "hidden", "visible", True]


HEADLINE = "document.querySelector('h1').innerText"
PROBLEM = "document.querySelector('.problem').textContent"
NEVER_LEFT = "window.here === true"


async def comes_back(site: Site, directory: Path) -> None:
    """What a wall screen shows while the host is away in each way, and afterwards."""
    async with browser.tab(browser.require_chromium(), directory / "profile") as tab, asyncio.timeout(60):
        await show(tab, site.url, WALL, DARK)
        await tab.evaluate("window.here = true")
        for status, words in ((503, "the host answers 503"), (0, "the host cannot be reached"), (401, "answers 401")):
            site.served, site.status = HOSTS_OWN, status
            await tab.until(f"{PROBLEM}.includes('{words}')")
            assert await tab.evaluate(HEADLINE) == "All fresh"
        age = "parseInt(document.querySelector('.age').textContent.match(/\\((\\d+) s ago\\)/)?.[1]) >= 2"
        await tab.until(age)
        site.served, site.status = hasty(NO_STATUS), 500  # the rotator's own, which is one to be shown
        await tab.until(f"{HEADLINE} === 'The status is not known'")
        assert await tab.evaluate(VIOLATIONS) == []
        newer = hasty(EACH_STATE).body.replace("#0e1217", "#010203")
        site.served, site.status = Page(newer, EACH_STATE.headers), 200
        await tab.until(f"{HEADLINE} === '5 of 6 targets need attention' && {PROBLEM} === ''")
        assert await tab.evaluate(colour("body")) == "rgb(1, 2, 3)"  # of a version that came meanwhile
        assert await tab.evaluate("document.title") == "5 of 6 targets need attention \N{EN DASH} rotator"
        assert await tab.evaluate(NEVER_LEFT)


def test_a_wall_screen_comes_back_by_itself_and_says_how_old_it_is(tmp_path: Path) -> None:
    with serving(hasty(ALL_FRESH)) as site:
        asyncio.run(comes_back(site, tmp_path))
        assert {referer for _, referer in site.requests} == {None}


@pytest.mark.parametrize("size", [WALL, SMALL_WALL, PORTRAIT, PHONE])
@pytest.mark.parametrize("served", [EACH_STATE, THIRTY, UNKNOWN, UNBREAKABLE, TIMER_SILENT, NO_STATUS])
def test_no_page_scrolls_sideways(served: Page, size: tuple[int, int], tmp_path: Path) -> None:
    assert look(served, tmp_path, FITS, VIOLATIONS, size=size) == [True, []]


@pytest.mark.parametrize("size", [WALL, SMALL_WALL])
@pytest.mark.parametrize("served", [EACH_STATE, SIX, THIRTY])
def test_a_wall_screen_shows_it_without_scrolling(served: Page, size: tuple[int, int], tmp_path: Path) -> None:
    [height] = look(served, tmp_path, HEIGHT, size=size)
    assert height <= size[1]


def test_no_cell_runs_into_the_next(tmp_path: Path) -> None:
    overflowing = "[...document.querySelectorAll('th, td')].filter(cell => cell.scrollWidth > cell.clientWidth).length"
    for size in (WALL, SMALL_WALL, PHONE):
        assert look(EACH_STATE, tmp_path / str(size[0]), overflowing, size=size) == [0]


def test_thirty_targets_are_legible(tmp_path: Path) -> None:
    sizes = "[...document.querySelectorAll('td, th, td *')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    name = "parseFloat(getComputedStyle(document.querySelector('tbody th')).fontSize)"
    for screen, least, least_of_name in ((WALL, 15, 17), (PHONE, 13, 16)):
        smallest, named = look(THIRTY, tmp_path / str(screen[0]), f"Math.min(...{sizes})", name, size=screen)
        assert (smallest >= least, named >= least_of_name) == (True, True)


def test_direction_and_control_signs_of_a_foreign_text_are_seen_not_obeyed(tmp_path: Path) -> None:
    served = page(target("default/\u202esas@m", State.DRIFT, text="<b id='x'>\u0000"))
    asked = (
        "document.querySelector('tbody th').innerText",
        "document.querySelector('.why').innerText",
        "document.getElementById('x')",
    )
    assert look(served, tmp_path, *asked) == ["default/[U+202E]sas@m", "<b id='x'>[U+0000]", None]


def test_the_browser_tab_tells_the_verdict(tmp_path: Path) -> None:
    assert look(EACH_STATE, tmp_path, "document.title") == ["5 of 6 targets need attention \N{EN DASH} rotator"]


def test_it_is_shown_within_a_second(tmp_path: Path) -> None:
    [taken] = look(THIRTY, tmp_path, "performance.getEntriesByType('navigation')[0].domComplete")
    assert 0 < taken < 1000
