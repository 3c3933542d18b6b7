"""`python -m bench`: which parts it takes. Only a part that starts nothing is measured here."""

import os
import re

import pytest

from bench import __main__, parts


def test_part_that_is_named_is_measured_alone_and_load_and_cores_stand_beside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    __main__.main(["redaction", "--rounds", "1"])
    shown = capsys.readouterr().out
    titles = re.findall(r"^\S.*", shown, re.MULTILINE)
    assert [title.split()[0] for title in titles] == ["Scrubbing"]
    cores = len(os.sched_getaffinity(0))
    assert re.fullmatch(rf"  load average [\d.]+ before, [\d.]+ after, on {cores} cores", shown.splitlines()[-1])


def test_unknown_part_is_a_usage_error_that_lists_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(["redaction", "deliverance"])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert f"there is no part deliverance; the parts are {', '.join(parts.PARTS)}" in printed.err
