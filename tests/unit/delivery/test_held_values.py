"""What a Secret holds of ours: SAS and account keys in any text, and what annotations say of the data keys."""

import base64
import dataclasses
import json

import pytest

from rotator.azure.account_keys import AccountKey, AccountKeys
from rotator.delivery import held_values, live_secret
from rotator.plan import secret_template
from rotator.plan.frozen_mapping import FrozenMapping
from rotator.redaction import SecretText
from tests.fakes.examples import DIGEST, FINGERPRINT, LONG_AGO, TARGET, TOKEN, delivered, document, held, token

KEY = "a2V5" * 21 + "aw=="
KEYS = AccountKeys(
    "mystorage",
    (AccountKey("key1", SecretText(f"{'a' * 85}A=="), LONG_AGO), AccountKey("key2", SecretText(KEY), LONG_AGO)),
)
OTHER = token(sig="b3RoZXIgc2lnbmF0dXJlIG9mIGJ5dGVzLCB0byB3aXQ=", se="2026-07-01T18:00:00Z")


def in_value(text: str) -> list[str]:
    found = held_values.all_sas(held(document({"secretKey": text})), TARGET)
    return [each.token.reveal() for each in found]


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "?{}",
        "  {}\n",
        "https://mystorage.blob.core.windows.net/?{}",
        "https://mystorage.blob.core.windows.net/pictures?{}",
        "https://mystorage.blob.core.windows.net/pictures?{}&restype=container",
        "https://mystorage.blob.core.windows.net/pictures?restype=container&comp=list&{}",
        "AccountName=a;EndpointSuffix=core.windows.net;SharedAccessSignature={}",
        "SharedAccessSignature={};AccountName=a",
        "AZURE_STORAGE_ACCOUNT=a\nAZURE_STORAGE_SAS_TOKEN={}\nOTHER=x\n",
        "export SAS='{}'",
        "token=?{}",
        '{{"sas": "{}", "account": "a"}}',
        "sas: {}\naccount: a",
        "a,{},b",
        "<sas>{}</sas>",
        "{}/path",
        "({}).",
        "[azure]\nsas_url = https://a.blob.core.windows.net/c?{}\n",
        "x{}",
        "s{}",
        "AZURE-{}",
        "mystorage.{}",
        "mystorage{}",
        "pre_{}_post",
        "sig={}",
        "sp={}",
        "st={}",
        "sv=2018-03-28&{}",
        "{}&sv=2018-03-28",
        "{}&sig=none",
        "{}=",
        "{}sv=2018-03-28",
    ],
)
@pytest.mark.parametrize("written", [TOKEN, TOKEN.replace("https&", "https,http&"), TOKEN.replace("%3D", "=")])
def test_sas_is_found_in_any_text(around: str, written: str) -> None:
    text = around.format(written)
    assert in_value(text) == [written]
    assert in_value(base64.b64encode(text.encode()).decode()) == [written]


@pytest.mark.parametrize("around", ["{}", "{}&sr=c", "sr=c&{}", "{}&restype=container&sp=l", "sp=l&sv=1&{}"])
def test_sas_has_none_of_its_fields_twice(around: str) -> None:
    for_container = token(ss=None, srt=None, sr="c", sig=None) + f"&{TOKEN.rpartition('&')[2]}"
    assert in_value(around.format(for_container)) == [for_container]


@pytest.mark.parametrize("between", ["\nBEFORE=", "", "&", ";", ",", "x", "_"])
def test_each_of_several_sas_is_found_once(between: str) -> None:
    assert in_value(between.join([TOKEN, OTHER, TOKEN])) == [TOKEN, OTHER]


def test_sas_beside_an_account_key_is_the_present_one_only_if_the_last_delivery_wrote_it() -> None:
    annotations = {"rotator/account-key": "key1", "rotator/template": "0123", "rotator/fingerprint": FINGERPRINT}
    for text, expected in ((TOKEN, True), (OTHER, False)):
        found = held(document({"secretKey": text}, annotations=annotations))
        assert (held_values.held_sas(found, TARGET) is not None) is expected


@pytest.mark.parametrize(
    "text", ["", "hunter2", "sig=", f"x{TOKEN}"[:60], "a=b&sig=c", "sv=1&sig=c", "sig=" * 10_000, "sv=a&" * 10_000]
)
def test_what_is_no_sas_is_none(text: str) -> None:
    assert in_value(text) == []


def test_present_sas_is_the_one_of_the_last_delivery_wherever_it_is() -> None:
    text = f"BEFORE={OTHER}\nNOW={TOKEN}"
    annotated = held(document({"secretKey": text}, annotations={"rotator/fingerprint": FINGERPRINT}))
    for found, expected in ((annotated, TOKEN), (held(document({"secretKey": text})), OTHER)):
        present = held_values.held_sas(found, TARGET)
        assert present
        assert present.token.reveal() == expected


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "AccountName=a;AccountKey={};X=y",
        "KEY={}\nB=c",
        '{{"key": "{}"}}',
        "smb://a/{}",
        "x{}",
        "+{}",
        "{}=",
        "{}{{",
    ],
)
def test_account_key_is_found_in_any_text(around: str) -> None:
    text = around.format(KEY)
    for found in (held(document({"secretKey": each})) for each in (text, base64.b64encode(text.encode()).decode())):
        assert held_values.account_keys(found, TARGET, KEYS) == ("key2",)
        assert held_values.has_like_account_key(found, TARGET)


@pytest.mark.parametrize("text", ["", TOKEN, KEY[:-4] + "==", base64.b64encode(b"x" * 60).decode()])
def test_what_is_no_account_key_is_none(text: str) -> None:
    found = held(document({"secretKey": text}))
    assert held_values.account_keys(found, TARGET, KEYS) == ()
    assert not held_values.has_like_account_key(found, TARGET)


def test_digests_of_several_data_keys_count_only_with_the_digest_of_them_all() -> None:
    digests = {"cloud": DIGEST, "a.url": f"sha256:{'0' * 64}"}
    listed = held_values.text_of_digests(digests)
    assert listed == f"a.url=sha256:{'0' * 64} cloud={DIGEST}"
    annotations = {"rotator/data-digests": listed, "rotator/digest": live_secret.digest_of_text(listed)}
    assert held_values.recorded(held(document({}, annotations=annotations))) == digests
    for edited in ({"rotator/data-digests": f"{listed} x={DIGEST}"}, {"rotator/digest": DIGEST}):
        assert held_values.recorded(held(document({}, annotations=annotations | edited))) == {}


@pytest.mark.parametrize(
    "text", ["", " ", "a", "a=b", f"a={DIGEST} ", f"a b={DIGEST}", f"a={DIGEST}\n", f"a/b={DIGEST}"]
)
def test_list_of_digests_that_nobody_of_us_wrote_is_none(text: str) -> None:
    annotations = {"rotator/data-digests": text, "rotator/digest": live_secret.digest_of_text(text)}
    assert held_values.recorded(held(document({}, annotations=annotations))) == {}


def test_list_that_an_earlier_version_left_beside_its_own_annotations_is_ignored() -> None:
    found = held(delivered(**{"rotator/data-digests": f"cloud=sha256:{'0' * 64}", "rotator/template": "0123"}))
    assert held_values.recorded(found) == {"secretKey": DIGEST}
    assert not held_values.is_of_several(found)
    assert held_values.unchanged(found) == {"secretKey"}


def test_data_keys_to_look_into_are_those_of_the_annotations_and_of_the_target() -> None:
    data = FrozenMapping({"url": secret_template.parse("{url}")})
    target = dataclasses.replace(TARGET, data=data)
    assert held_values.names(held(delivered()), target) == ("secretKey", "url")
    listed = {"rotator/data-digests": f"a={DIGEST} b=x", "rotator/data-key": None}
    assert held_values.names(held(delivered(**listed)), target) == ("a", "b", "url")


def test_value_that_is_no_text_holds_nothing() -> None:
    found = document({})
    found["data"] = {"secretKey": base64.b64encode(b"\xff\xfe sv=1&sig=x").decode()}
    parsed = live_secret.parse(json.dumps(found))
    assert parsed.value("secretKey") is None
    assert held_values.all_sas(parsed, TARGET) == ()
    assert held_values.account_keys(parsed, TARGET, KEYS) == ()
