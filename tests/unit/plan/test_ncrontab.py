"""What a schedule means to the Functions host: by hand, by recorded moments, and by the host's own library."""

import datetime
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator.plan import ncrontab, schedule

FACTS = Path(__file__).parents[4] / "shared" / "azure" / "ncrontab"
START = "2026-07-01T12:00:00"  # a Wednesday

# Worked out by hand from NCrontab's rules: the five moments after START. A date or time that is left out is as before.
BY_HAND = {
    "0 */30 * * * *": "2026-07-01T12:30 13:00 13:30 14:00 14:30",
    "*/20 * * * * *": "2026-07-01T12:00:20 12:00:40 12:01:00 12:01:20 12:01:40",
    "*/5 * * * *": "2026-07-01T12:05 12:10 12:15 12:20 12:25",  # five fields begin with the minute
    "  0  0   6 * * *  ": "2026-07-02T06:00 2026-07-03 2026-07-04 2026-07-05 2026-07-06",
    # A range that runs backwards is swapped: Sunday and Monday only.
    "0 0 6 * * MON-SUN": "2026-07-05T06:00 2026-07-06 2026-07-12 2026-07-13 2026-07-19",
    "0 0 6 * * SAT-MON": "2026-07-02T06:00 2026-07-03 2026-07-04 2026-07-06 2026-07-07",  # Monday to Saturday
    "0 0 6 * * FRI-TUE": "2026-07-02T06:00 2026-07-03 2026-07-07 2026-07-08 2026-07-09",  # Tuesday to Friday
    "0 0 6 * * 6-0": "2026-07-02T06:00 2026-07-03 2026-07-04 2026-07-05 2026-07-06",
    "0 0 6 1 NOV-FEB *": "2026-08-01T06:00 2026-09-01 2026-10-01 2026-11-01 2027-02-01",
    "0 0 6 1 12-1 *": "2026-08-01T06:00 2026-09-01 2026-10-01 2026-11-01 2026-12-01",
    "0 0 20-8 * * *": "2026-07-01T13:00 14:00 15:00 16:00 17:00",  # 8 to 20
    "0 0 20-8/3 * * *": "2026-07-01T14:00 17:00 20:00 2026-07-02T08:00 11:00",
    "0 50-5/15 * * * *": "2026-07-01T12:05 12:20 12:35 12:50 13:05",
    "0 0 6 28-3 * *": "2026-07-03T06:00 2026-07-04 2026-07-05 2026-07-06 2026-07-07",  # 3 to 28
    # A range of one value is that value.
    "0 0 6 * * SUN-SUN": "2026-07-05T06:00 2026-07-12 2026-07-19 2026-07-26 2026-08-02",
    "0 0 6 * * T-T": "2026-07-07T06:00 2026-07-14 2026-07-21 2026-07-28 2026-08-04",
    "0 0 6 1-1 * *": "2026-08-01T06:00 2026-09-01 2026-10-01 2026-11-01 2026-12-01",
    "0 0 8-8/15 * * *": "2026-07-02T08:00 2026-07-03 2026-07-04 2026-07-05 2026-07-06",
    # Any beginning of a name, and the first name that begins so.
    "0 0 6 * * Monday-Friday": "2026-07-02T06:00 2026-07-03 2026-07-06 2026-07-07 2026-07-08",
    "0 0 6 * * Tues": "2026-07-07T06:00 2026-07-14 2026-07-21 2026-07-28 2026-08-04",
    "0 0 6 * * S": "2026-07-05T06:00 2026-07-12 2026-07-19 2026-07-26 2026-08-02",  # Sunday
    "0 0 6 * * thurs,sAt": "2026-07-02T06:00 2026-07-04 2026-07-09 2026-07-11 2026-07-16",
    "0 0 6 1 January *": "2027-01-01T06:00 2028-01-01 2029-01-01 2030-01-01 2031-01-01",
    "0 0 6 1 Ju *": "2027-06-01T06:00 2028-06-01 2029-06-01 2030-06-01 2031-06-01",  # June
    "0 0 6 1 M *": "2027-03-01T06:00 2028-03-01 2029-03-01 2030-03-01 2031-03-01",  # March
    "0 0 6 1 Sept *": "2026-09-01T06:00 2027-09-01 2028-09-01 2029-09-01 2030-09-01",
    # value/step goes on to the field's end; a step below one is one, and one beyond the field leaves its first value.
    "0 0 6 * * 1/2": "2026-07-03T06:00 2026-07-06 2026-07-08 2026-07-10 2026-07-13",  # Monday, Wednesday, Friday
    "0 0 6 * * MON/3": "2026-07-02T06:00 2026-07-06 2026-07-09 2026-07-13 2026-07-16",
    "0 40/15 * * * *": "2026-07-01T12:40 12:55 13:40 13:55 14:40",
    "0 0 5/7 * * *": "2026-07-01T19:00 2026-07-02T05:00 12:00 19:00 2026-07-03T05:00",
    "0 */0 * * * *": "2026-07-01T12:01 12:02 12:03 12:04 12:05",
    "0 */-1 * * * *": "2026-07-01T12:01 12:02 12:03 12:04 12:05",
    "0 */60 * * * *": "2026-07-01T13:00 14:00 15:00 16:00 17:00",
    "0 59/5 23 */10 * *": "2026-07-01T23:59 2026-07-11 2026-07-21 2026-07-31 2026-08-01",
    "0 0 6 1 2/3 *": "2026-08-01T06:00 2026-11-01 2027-02-01 2027-05-01 2027-08-01",
    "0 0 6 * * 6,0,6": "2026-07-04T06:00 2026-07-05 2026-07-11 2026-07-12 2026-07-18",
    "0 *,*/5 007 * * *": "2026-07-02T07:00 07:01 07:02 07:03 07:04",
    # The day of the month and the day of the week must both match.
    "0 0 6 13 * FRI": "2026-11-13T06:00 2027-08-13 2028-10-13 2029-04-13 2029-07-13",
    "0 0 6 1-7 * MON": "2026-07-06T06:00 2026-08-03 2026-09-07 2026-10-05 2026-11-02",
    "0 0 6 29 2 MON": "2044-02-29T06:00 2072-02-29 2112-02-29 2140-02-29 2168-02-29",
    "0 0 6 31 * *": "2026-07-31T06:00 2026-08-31 2026-10-31 2026-12-31 2027-01-31",
    "0 0 0 30 * *": "2026-07-30T00:00 2026-08-30 2026-09-30 2026-10-30 2026-11-30",
    "0 0 0 29,30,31 2 *": "2028-02-29T00:00 2032-02-29 2036-02-29 2040-02-29 2044-02-29",
    "59 59 23 31 12 *": "2026-12-31T23:59:59 2027-12-31 2028-12-31 2029-12-31 2030-12-31",
}


def next_times(expression: str, start: str, count: int) -> list[str]:
    """The next moments after one another, in the form of the recorded ones."""
    now = datetime.datetime.fromisoformat(start).replace(tzinfo=datetime.UTC)
    found = []
    for _ in range(count):
        now = schedule.following(expression, now)
        found.append(now.strftime("%Y-%m-%dT%H:%M:%S"))
    return found


def complete(text: str) -> list[str]:
    """The moments of the table above, with date and time for each."""
    date = time = ""
    found = []
    for word in text.split():
        if "-" in word:
            date = word.partition("T")[0]
        if ":" in word:
            time = word.rpartition("T")[2]
        found.append(f"{date}T{time if time.count(':') == 2 else f'{time}:00'}")
    return found


@pytest.mark.parametrize("expression", BY_HAND)
def test_next_five_moments_are_those_that_were_worked_out_by_hand(expression: str) -> None:
    assert next_times(expression, START, 5) == complete(BY_HAND[expression])


@pytest.mark.parametrize(
    ("expression", "instead"),
    [
        ("0 0 6 * * 7", "Sunday is 0 or SUN"),
        ("0 0 6 * * 1-7", "for all days write *"),
        ("0 0 24 * * *", "midnight is 0"),
        ("0 0 6 0 * *", "the day of the month is 1 to 31"),
        ("0 0 6 1 Juli *", "English names, JAN to DEC"),
        ("0 0 6 * * Sonntag", "English names, SUN to SAT"),
        ("0 MON * * * *", "write *, a value"),
        ("0 0 6 * * ?", "write *"),
        ("0 0 6 L * *", "write 28"),
        ("0 0 6 * * FRI#3", "write 15-21 as the day of the month and FRI here"),
        ("0 5-* * * * *", "a range up to 59"),
        ("0 */ * * * *", "must be a number"),
        ("0 1, * * * *", "leave out the comma"),
        ("0 1/2/3 * * * *", "must be a number"),
        ("0 99999999999 * * * *", "no more than two digits"),
        ("@daily", "for @daily write 0 0 0 * * *"),
        ("%SCHEDULE%", "write the schedule itself"),
        ("0 0 6 * * MON, FRI", "no blanks in a list"),
        ("0 0 6 * * * 2026", "no field for the year"),
        ("0\t0\t6\t*\t*\t*", "plain spaces"),
        ("0\xa00 6 * * *", "plain spaces"),
        ("0 0 6 * * MON\n", "plain spaces"),
        ("00:05:00", "as 0 */5 * * * *"),
        (" 6:00 ", "as 0 0 */6 * * *"),
        ("24:00:00", "24:00:00 is 24 days"),
        ("5", "5 is five days"),
        ("0 0 6 30 2 *", "it never fires, because its months have no day 30: write a day that they have"),
        ("0 0 6 31 4,6,9,11 *", "it never fires"),
    ],
)
def test_what_the_host_does_not_run_as_a_schedule_is_refused_with_what_to_write(expression: str, instead: str) -> None:
    with pytest.raises(ValueError, match=re.escape(instead)):
        ncrontab.parse(expression)


@pytest.mark.parametrize(
    ("expression", "ranges"),
    [
        ("0 0 6 * * MON-SUN", ("MON-SUN",)),
        ("0 6 1 NOV-FEB SAT-mon", ("NOV-FEB", "SAT-mon")),
        ("0 50-5/15,1-2 20-8 * * *", ("50-5/15", "20-8")),
        ("0 0 8-20 1-1 JAN-FEB SUN-SAT", ()),
    ],
)
def test_backward_ranges_are_found(expression: str, ranges: tuple[str, ...]) -> None:
    assert ncrontab.backward_ranges(expression) == ranges


def test_long_list_takes_no_time() -> None:
    ncrontab.parse(f"0 {','.join(['*/2'] * 20_000)} * * * *")
    with pytest.raises(ValueError, match="minute"):
        ncrontab.parse("0 " + "1-" * 50_000 + " * * * *")


def test_what_may_be_a_secret_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="an entry in the minute"):
        ncrontab.parse("0 hunter2hunter2hunter2hunter2 * * * *")


# Recorded from the host's own timer extension.


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    file = FACTS / "moments.json"
    if not file.exists():
        pytest.skip(f"the recorded moments are missing ({file})")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def test_recorded_schedules_fire_at_the_recorded_moments(recorded: dict[str, Any]) -> None:
    firing = [each for each in recorded["schedules"] if each["kind"] == "cron" and each["moments"][0]]
    assert len(firing) > 400
    for each in firing:
        for start, expected in zip(recorded["starts"], each["moments"], strict=True):
            assert next_times(each["schedule"], start, 3) == expected[:3], each["schedule"]


def test_recorded_intervals_refusals_and_what_never_fires_are_refused(recorded: dict[str, Any]) -> None:
    others = [each for each in recorded["schedules"] if each["kind"] != "cron" or not each["moments"][0]]
    assert len(others) > 100
    for each in others:
        with pytest.raises(ValueError, match=r"fields|range|support|number|empty|fires|long|resolve"):
            ncrontab.parse(each["schedule"])


# Asked of the library itself.


class Host:
    """The program that asks NCrontab as the host does."""

    def __init__(self, program: Path) -> None:
        self._program = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def next_times(self, expression: str, start: str, count: int) -> list[str] | None:
        """The next moments; None for an interval, and for what the host does not run."""
        assert self._program.stdin
        assert self._program.stdout
        print(count, start, expression, sep="\t", file=self._program.stdin, flush=True)
        kind, _, rest = self._program.stdout.readline().rstrip("\n").partition("\t")
        return rest.split() if kind == "cron" else None

    def close(self) -> None:
        self._program.communicate()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    program = FACTS / "ncrontab"
    if not program.exists():
        pytest.skip(f"the program that asks NCrontab is missing ({program})")
    found = Host(program)
    yield found
    found.close()


MONTHS = ["January", "FEB", "mar", "Ap", "May", "J", "Jul", "August", "sept", "O", "Nov", "D"]
WEEKDAYS = ["S", "Mon", "tues", "W", "Thursday", "f", "SAT"]


def entries(least: int, most: int, names: list[str]) -> st.SearchStrategy[str]:
    """A field's entries, now and then one that is none."""
    number = st.integers(least, most).map(str) | st.integers(least, most).map(str) | st.integers(0, most + 2).map(str)
    value = number | st.sampled_from(names) if names else number
    span = st.just("*") | value | st.tuples(value, value).map("-".join)
    stepped = st.tuples(span, st.integers(-1, most + 2).map(str)).map("/".join)
    odd = st.text("0123456789*,-/+?#LW%JANMOSU\t", max_size=6)
    entry = st.one_of(span, span, span, stepped, stepped, odd)
    return st.just("*") | st.lists(entry, min_size=1, max_size=3).map(",".join)


FIELDS = [
    entries(0, 59, []),
    entries(0, 59, []),
    entries(0, 23, []),
    entries(1, 31, []),
    entries(1, 12, MONTHS),
    entries(0, 6, WEEKDAYS),
]
EXPRESSIONS = st.tuples(*FIELDS).map(" ".join) | st.tuples(*FIELDS[1:]).map(" ".join)
ANYTHING = EXPRESSIONS | st.text("0123456789*,-/+?#LW%JANMONSU\t:. ", max_size=24)
TIMES = st.integers(0, 7 * 365 * 86_400).map(
    lambda passed: (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=passed)).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )
)


def refused(expression: str) -> bool:
    try:
        ncrontab.parse(expression)
    except ValueError:
        return True
    return False


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(ANYTHING, TIMES)
def test_a_schedule_fires_when_the_host_fires_it_or_is_refused(host: Host, expression: str, start: str) -> None:
    asked = host.next_times(expression, start, 4)
    if refused(expression):
        # What the host runs all the same: a tab that it skips around a number, and a step of ten digits.
        assert not asked or re.search(r"\t|[0-9]{10}", expression)
    else:
        assert next_times(expression, start, 4) == asked


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(EXPRESSIONS.filter(lambda expression: not refused(expression)))
def test_gaps_between_the_hosts_firings_are_within_the_intervals(host: Host, expression: str) -> None:
    shortest, longest = schedule.intervals(expression)
    firings = [
        datetime.datetime.fromisoformat(each) for each in host.next_times(expression, "2026-11-30T00:00:00", 50) or []
    ]
    assert all(shortest <= later - earlier <= longest for earlier, later in itertools.pairwise(firings))


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(st.text(max_size=40) | ANYTHING)
def test_nothing_but_a_value_error_comes_of_any_text(expression: str) -> None:
    if refused(expression):
        with pytest.raises(ValueError, match=r"fields|range|support|number|empty|fires|long|resolve"):
            schedule.intervals(expression)
    else:
        shortest, longest = schedule.intervals(expression)
        assert datetime.timedelta(seconds=1) <= shortest <= longest
