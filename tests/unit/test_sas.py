import base64
import contextlib
import datetime
import string

import hypothesis
import pytest
from hypothesis import strategies as st

from rotator import errors, sas
from rotator.issuers import sas_check
from rotator.plan.account import Grant
from rotator.redaction import SecretText
from tests.fakes.examples import DEFINITION, FINGERPRINT, NOW, TOKEN, token

SIGNATURE = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"


def test_token_is_parsed_into_what_it_grants() -> None:
    found = sas.parse(SecretText(TOKEN))
    assert found.version == "2018-03-28"
    assert (found.services, found.resource_types, found.permissions) == ("b", "sco", "rwu")
    assert found.protocol == "https"
    assert found.start is None
    assert found.expiry == datetime.datetime(2026, 7, 1, 16, 0, 0, tzinfo=datetime.UTC)
    assert found.fingerprint == FINGERPRINT


@pytest.mark.parametrize("text", [f"?{TOKEN}", f"  {TOKEN}\n", f" ?{TOKEN} "])
def test_leading_question_mark_and_white_space_are_dropped(text: str) -> None:
    found = sas.parse(SecretText(text))
    assert found.token.reveal() == TOKEN
    assert found.issued.reveal() == text.strip()


def test_sas_as_azure_was_recorded_to_write_it_is_parsed() -> None:
    text = (
        "?sv=2018-03-28&ss=bqtf&srt=sco&sp=rwdlacup&se=2022-01-19T10:36:16Z&spr=https"
        "&sig=nYwoPkbnpRMTEf50tl8spSaDKndnp3Nm4lrumquJdDA%3D"
    )
    found = sas.parse(SecretText(text))
    assert (found.token.reveal(), found.issued.reveal()) == (text[1:], text)
    assert found.expiry == datetime.datetime(2022, 1, 19, 10, 36, 16, tzinfo=datetime.UTC)
    everything = Grant(name="all", services="bfqt", permissions="rwdlacup")
    sas_check.check(found, everything, datetime.datetime(2022, 1, 19, 6, 36, 16, tzinfo=datetime.UTC))


def test_sas_shows_fingerprint_and_expiry_but_never_its_token() -> None:
    found = sas.parse(SecretText(TOKEN))
    assert str(found) == repr(found) == f"{found}" == "SAS 3eb1bd439947eb76 until 2026-07-01T16:00:00Z"
    assert SIGNATURE not in f"{found!r} {found!s} {vars(found)}"


def test_missing_protocol_means_that_http_is_allowed_too() -> None:
    assert sas.parse(SecretText(token(spr=None))).protocol == "https,http"


def test_time_without_zone_and_date_alone_are_utc() -> None:
    assert sas.parse(SecretText(token(se="2026-07-01T16:00"))).expiry.isoformat() == "2026-07-01T16:00:00+00:00"
    assert sas.parse(SecretText(token(se="2026-07-02"))).expiry.isoformat() == "2026-07-02T00:00:00+00:00"


def test_time_with_an_offset_is_shown_in_utc() -> None:
    found = sas.parse(SecretText(token(se="2026-07-01T18:00:00+02:00")))
    assert str(found) == "SAS 3eb1bd439947eb76 until 2026-07-01T16:00:00Z"


@pytest.mark.parametrize("name", ["sv", "ss", "srt", "sp", "se", "sig"])
def test_token_without_a_field_is_refused_by_the_fields_name(name: str) -> None:
    for text in (token(**{name: None}), token(**{name: ""})):
        with pytest.raises(errors.SasError, match=f"lacks {name}"):
            sas.parse(SecretText(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{TOKEN}&sp=r", "is not a query string"),
        (f"{TOKEN}&", "is not a query string"),
        (f"??{TOKEN}", "lacks sv"),
        ("not a token at all", "is not a query string"),
        ("", "lacks sv, ss, srt, sp, se, sig"),
        ("https://mystorage.blob.core.windows.net/?" + TOKEN, "lacks sv"),
        (token(se="tomorrow"), "malformed time in se"),
        (token(se="2026-13-01T00:00:00Z"), "malformed time in se"),
        (token(st="soon"), "malformed time in st"),
        (token(st=""), "malformed time in st"),
        (token(sig="not base64"), "malformed signature"),
        (token(sig="MDEy*"), "malformed signature"),
        (token(sig="MDEyM"), "malformed signature"),
    ],
)
def test_malformed_token_is_refused_without_being_quoted(text: str, problem: str) -> None:
    with pytest.raises(errors.SasError, match=problem) as caught:
        sas.parse(SecretText(text))
    assert SIGNATURE not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_signature_that_is_not_ascii_is_refused_as_malformed() -> None:
    with pytest.raises(errors.SasError, match="malformed signature"):
        sas.parse(SecretText(token(sig="é")))


@hypothesis.settings(deadline=None)
@hypothesis.given(st.text() | st.text("?&=%sevrtpig0123456789-:TZ ", max_size=80))
def test_any_text_is_a_sas_or_a_sas_error(text: str) -> None:
    DEFINITION.same_template(text)
    try:
        found = sas.parse(SecretText(text))
    except errors.SasError:
        return
    assert found.token.reveal() in text


@hypothesis.settings(deadline=None)
@hypothesis.given(st.sampled_from(["sv", "ss", "srt", "sp", "st", "se", "spr", "sip", "sig"]), st.text(max_size=40))
def test_any_value_of_a_field_is_parsed_and_checked_or_a_sas_error(name: str, value: str) -> None:
    with contextlib.suppress(errors.SasError):
        sas_check.check(sas.parse(SecretText(token(**{name: value}))), DEFINITION, NOW)


def test_endless_text_takes_no_time() -> None:
    for text in ("&".join(f"a{number}=" for number in range(50_000)), "=" * 500_000, "%" * 500_000):
        with pytest.raises(errors.SasError):
            sas.parse(SecretText(text))
        assert not DEFINITION.same_template(text)


_LETTERS = st.text("rwdlacup", min_size=1, max_size=8).map(lambda text: "".join(dict.fromkeys(text)))
_TIMES = st.datetimes(
    datetime.datetime(2020, 1, 1),  # noqa: DTZ001  # hypothesis wants its bounds naive
    datetime.datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(datetime.UTC),
).map(lambda time: time.replace(microsecond=0))


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(permissions=_LETTERS, expiry=_TIMES, start=_TIMES, signature=st.binary(min_size=32, max_size=32))
def test_what_a_service_writes_is_what_is_parsed(
    permissions: str, expiry: datetime.datetime, start: datetime.datetime, signature: bytes
) -> None:
    fields = {
        "sp": permissions,
        "se": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
        "st": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "sig": base64.b64encode(signature).decode(),
    }
    found = sas.parse(SecretText(token(**fields)))
    assert (found.permissions, found.expiry, found.start) == (permissions, expiry, start)
    assert len(found.fingerprint) == 16
    assert set(found.fingerprint) <= set(string.hexdigits.lower())
