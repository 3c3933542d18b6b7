import datetime

import pytest

from rotator import errors, sas
from rotator.issuers import sas_check
from rotator.plan.account import Grant
from rotator.redaction import SecretText
from tests.fakes.examples import DEFINITION, NOW, token

HTTP_TOO = Grant(protocol="https,http")
SHORT = Grant(name="short", validity=datetime.timedelta(minutes=8))


def check(text: str, definition: Grant = DEFINITION) -> None:
    sas_check.check(sas.parse(SecretText(text)), definition, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sp": "urw"},
        {"srt": "ocs"},
        {"st": "2026-07-01T11:55:00Z"},
        {"st": "2026-07-01T12:00:00Z"},
        {"sv": "2015-04-05"},
        {"se": "2026-07-01T15:55:00Z"},
        {"se": "2026-07-01T16:05:00Z"},
    ],
)
def test_sas_that_is_what_was_asked_for_is_accepted_in_any_order_and_within_clock_skew(changes: dict[str, str]) -> None:
    check(token(**changes))


@pytest.mark.parametrize("changes", [{"spr": None}, {"spr": "https,http"}, {"spr": "http,https"}])
def test_missing_protocol_is_what_a_definition_for_both_protocols_asks_for(changes: dict[str, str | None]) -> None:
    check(token(**changes), HTTP_TOO)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ss": "bf"}, "services are 'bf' instead of 'b'"),
        ({"srt": "s"}, "resource types are 's' instead of 'sco'"),
        ({"sp": "rw"}, "permissions are 'rw' instead of 'rwu'"),
        ({"sp": "rwdu"}, "permissions are 'rwdu' instead of 'rwu'"),
        ({"spr": None}, "protocol is 'https,http' instead of 'https'"),
        ({"spr": "http"}, "protocol is 'http' instead of 'https'"),
        ({"sv": "2018-11-09"}, "version 2018-11-09 is later than 2018-03-28, which Key Vault cannot sign"),
        ({"sv": "2026-02-06"}, "version 2026-02-06 is later than 2018-03-28"),
        ({"sip": "203.0.113.9"}, "it has the fields sip, which are not in the definition"),
        ({"sip": "203.0.113.9", "ses": "scope"}, "it has the fields sip, ses"),
        ({"new thing": "MDEyMzQ1"}, "it has the fields an unknown one"),
        ({"st": "2026-07-01T12:05:01Z"}, "not valid before 2026-07-01T12:05:01Z"),
        ({"se": "2026-07-01T11:59:59Z"}, "expired at 2026-07-01T11:59:59Z"),
        ({"se": "2026-07-01T12:00:00Z"}, "expired at 2026-07-01T12:00:00Z"),
        ({"se": "2026-07-01T15:54:59Z"}, "is valid for 3:54:59 instead of 4:00:00"),
        ({"se": "2026-07-01T16:05:01Z"}, "is valid for 4:05:01, longer than 4:00:00"),
    ],
)
def test_sas_that_is_not_what_was_asked_for_is_refused_with_what_differs(
    changes: dict[str, str | None], problem: str
) -> None:
    with pytest.raises(errors.SasError) as caught:
        check(token(**changes))
    assert problem in str(caught.value)
    assert "the issued SAS (3eb1bd439947eb76) is not what was asked for" in str(caught.value)


def test_all_that_differs_is_told_at_once() -> None:
    with pytest.raises(errors.SasError) as caught:
        check(token(sp="r", ss="q", se="2026-07-01T13:00:00Z"))
    assert "services are 'q'" in str(caught.value)
    assert "permissions are 'r'" in str(caught.value)
    assert "is valid for 1:00:00" in str(caught.value)


def test_tolerance_of_a_short_sas_is_a_quarter_of_its_life() -> None:
    check(token(se="2026-07-01T12:06:00Z"), SHORT)
    with pytest.raises(errors.SasError, match="is valid for 0:05:59 instead of 0:08:00"):
        check(token(se="2026-07-01T12:05:59Z"), SHORT)


def test_error_never_quotes_the_token() -> None:
    with pytest.raises(errors.SasError) as caught:
        check(token(sp="r"))
    assert "MDEyMzQ1" not in str(caught.value)
