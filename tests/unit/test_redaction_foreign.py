"""What others keep beside our value: passwords are masked, and ordinary lines stay as they are."""

import base64
import functools
import json
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.delivery import live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.ssh import remote_output
from rotator.redaction import SecretText, scrub, scrub_quotation

SIGNATURE = "Q+a/kXm3S9dWzE0bT7uY1pV5rN2cJ8hL4fG6iK0oAsU="
SAS = (
    f"sv=2018-03-28&ss=b&srt=sco&sp=rwdl&se=2026-12-01T06%3A00%3A00Z&spr=https&sig={urllib.parse.quote_plus(SIGNATURE)}"
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def held(**data: str) -> LiveSecret:
    """A Secret whose data are these texts, in base64."""
    return held_as_is({name: encoded(text) for name, text in data.items()})


def held_as_is(data: dict[str, str]) -> LiveSecret:
    return live_secret.parse(json.dumps({"kind": "Secret", "metadata": {}, "data": data}))


@pytest.mark.parametrize(
    "form",
    [
        SIGNATURE,
        urllib.parse.quote_plus(SIGNATURE),
        urllib.parse.quote(SIGNATURE),
        urllib.parse.quote_plus(SIGNATURE).replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        encoded(SIGNATURE),
        encoded(urllib.parse.quote_plus(SIGNATURE)),
        encoded(SAS),
        encoded(f"?{SAS}"),
        encoded(f"SAS={SAS}&x=y"),
        SAS.replace("&", "\\u0026"),
        SAS.replace("&", "&amp;"),
    ],
)
@pytest.mark.parametrize("kept", ["as the token", "behind a question mark", "in a Secret", "in a Secret, in base64"])
def test_signature_of_a_living_sas_is_masked_alone_in_every_encoding(form: str, kept: str) -> None:
    ways: dict[str, Callable[[], SecretText | LiveSecret]] = {
        "as the token": functools.partial(SecretText, SAS),
        "behind a question mark": functools.partial(SecretText, f"?{SAS}"),
        "in a Secret": functools.partial(held, sas=SAS),
        "in a Secret, in base64": functools.partial(held, sas=encoded(SAS)),
    }
    living = ways[kept]()
    shown = scrub(f"denied the request: {form} is not allowed")
    assert "[secret]" in shown
    assert not any(piece in shown for piece in (SIGNATURE[5:25], form[9:-9]))
    assert living


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("Tr0ub4dor&3-and-more-of-it", "Tr0ub4dor&3-and-more-of-it"),
        ("xK9#mQ2z", "xK9#mQ2z"),
        ("postgresql://app:s3cr3t-Passw0rd-of-App@db.example.com/x", "s3cr3t-Passw0rd-of-App"),
        ("# settings\nPASSWORD=s3cr3t-Passw0rd-of-App\nDEBUG=true\n", "s3cr3t-Passw0rd-of-App"),
        ('{"auths": {"r": {"password": "s3cr3t-Passw0rd-of-App"}}}', "s3cr3t-Passw0rd-of-App"),
        (json.dumps({"auths": {"r": {"auth": encoded("me:s3cr3t-Passw0rd-of-App")}}}), "me:s3cr3t-Passw0rd-of-App"),
        (f"AccountName=a;AccountKey={SIGNATURE};EndpointSuffix=core.windows.net", SIGNATURE),
    ],
)
def test_what_can_only_be_a_password_is_masked_everywhere(value: str, quoted: str) -> None:
    living = held(other=value)
    assert quoted not in scrub(f"the server says {quoted}, and {encoded(quoted)}")
    assert encoded(quoted) not in scrub(f"the server says {quoted}, and {encoded(quoted)}")
    assert living


@pytest.mark.parametrize(
    "value",
    [
        "1", "true", "admin", "default", "password", "production", "5432", "20261201", "v1.34.2", "eastus2",
        "mystorage1",
        "db.example.com", "https://mystorage.blob.core.windows.net", "https://mystorage.blob.core.windows.net/",
        "storage-sas-token", "2026-12-01T06:00:00Z", "20261124T043505Z-ec886b", "/var/lib/rotator/config.yaml",
        "0f0e0d0c-0b0a-4908-8706-050403020100", "master.example.com:22",
    ],
)  # fmt: skip
def test_what_may_be_an_ordinary_word_is_masked_in_quotations_only(value: str) -> None:
    living = held(other=value)
    line = f"rotated {value} for {value}: it is {value}, as it was"
    assert scrub(line) == line
    if len(value) >= 3:
        assert scrub_quotation(f"denied the request: {value!r} and {value}.") == (
            "denied the request: '[secret]' and [secret]."
        )
    assert living


@pytest.mark.parametrize("word", ["password", "rotation", "finished", "Password", "namespace123", "true", "kubectl1"])
def test_data_whose_base64_is_a_word_masks_no_line(word: str) -> None:
    living = held_as_is({"other": word.ljust(-len(word) % 4 + len(word), "=")})
    assert scrub(f"the {word} is ok") == f"the {word} is ok"
    assert living


def test_short_value_is_masked_as_a_word_of_its_own_only() -> None:
    living = held(other="ten")
    assert scrub_quotation("often a tenant has ten, or ten_more") == "often a tenant has [secret], or [secret]_more"
    assert living


def test_refusal_that_quotes_another_keys_value_or_a_bare_signature_does_not_show_it() -> None:
    living = held(password="Sesame", sas=SAS)
    words = f'admission webhook "w" denied the request: Sesame, {SIGNATURE} and c2Vz are forbidden'
    assert remote_output.quote(words) == (
        'admission webhook "w" denied the request: [secret], [secret] and […] are forbidden'
    )
    assert living


def test_values_of_a_secret_are_no_longer_masked_when_it_is_gone() -> None:
    living = held(password="Tr0ub4dor&3-and-more-of-it", word="Sesame")
    del living
    assert scrub_quotation("Tr0ub4dor&3-and-more-of-it Sesame") == "Tr0ub4dor&3-and-more-of-it Sesame"


def test_own_passphrase_is_masked_however_ordinary() -> None:
    passphrase = SecretText("sesame")
    assert scrub("open sesame") == "open [secret]"
    assert passphrase.reveal() == "sesame"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_value_is_taken_and_what_is_around_it_stays(before: str, value: str, after: str) -> None:
    living = SecretText(f"<<{value}>>, and more than sixteen letters")
    shown = scrub(f"{before} {living.reveal()} {after}")
    assert living.reveal() not in shown
    assert "[secret]" in shown


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_data_of_others_is_taken(raw: bytes) -> None:
    living = SecretText(base64.b64encode(raw).decode(), foreign=True)
    assert scrub("a line of ours") == "a line of ours"
    assert living


@pytest.mark.parametrize(
    "value",
    [
        "\n" * 300_000,
        f"a={';' * 300_000}x",
        f"{' ' * 300_000}!",
        f"{'AAAA ' * 60_000}!",
        f"a{' ' * 300_000}=x",
        "a:\n" * 90_000,
    ],
    ids=["empty lines", "closing marks", "blanks", "base64 and blanks", "blanks in a line", "names without values"],
)
def test_value_of_any_form_is_taken_in_linear_time(value: str) -> None:
    began = time.thread_time()
    SecretText(value, foreign=True)
    assert time.thread_time() - began < 20  # a quadratic pattern takes minutes and hours


@pytest.mark.parametrize(
    "kept",
    [
        "  password:\n    hunter2-hunter2-hunter2\n",
        "  password = 'hunter2-hunter2-hunter2';  \nnext=1",
        '"password": "hunter2-hunter2-hunter2",',
        "\tpassword=hunter2-hunter2-hunter2\r\n",
        "password:hunter2-hunter2-hunter2\u2028next",
        "export PASSWORD='hunter2-hunter2-hunter2'\n",
        "users:\n- password: hunter2-hunter2-hunter2\n",
    ],
)
def test_password_in_any_lines_is_masked_alone(kept: str) -> None:
    living = SecretText(kept, foreign=True)
    assert scrub("it is hunter2-hunter2-hunter2.") == "it is [secret]."
    del living


def test_each_of_very_many_lines_is_masked_as_it_stands_and_in_base64() -> None:
    lines = [f"Line{number:05}-of-Others" for number in range(5_000)]
    living = SecretText("\n".join(lines), foreign=True)
    for line in (lines[0], lines[2_500], lines[-1]):
        assert scrub(f"said: {line}, {base64.b64encode(line.encode()).decode()}.") == "said: [secret], [secret]."
    del living
