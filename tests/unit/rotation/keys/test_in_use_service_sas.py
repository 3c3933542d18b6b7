"""Whether a key may be regenerated while a SAS for a container is in use, whose path its signature alone has."""

import dataclasses
import datetime

import pytest

from rotator import sas
from rotator.azure import sas_signing
from rotator.azure.account_keys import AccountKey
from rotator.azure.sas_signing import Window
from rotator.delivery.live_secret import LiveSecret
from rotator.plan.account import Grant
from rotator.redaction import SecretText
from rotator.rotation.keys import in_use
from rotator.rotation.keys.in_use import Blocker
from tests.fakes.examples import NOW, TARGET, delivered, document, held, token
from tests.unit.azure.test_account_keys import FIRST
from tests.unit.rotation.keys.test_in_use import KEY, MINUTES, UNTIL, WHO, account_state, holding

PICTURES = Grant(container="pictures", permissions="rl")
UNKNOWN_SIGNER = Blocker(WHO, "holds a SAS of which nobody can tell who signed it", UNTIL)


def for_pictures(key: AccountKey = FIRST) -> str:
    return sas_signing.with_account_key("mystorage", key, PICTURES, Window(NOW, UNTIL)).token.reveal()


def by_us(text: str, path: str | None) -> LiveSecret:
    """The Secret as a delivery left it, with another SAS for this."""
    found = delivered(
        **{
            "rotator/digest": held(document({"secretKey": text})).digests["secretKey"],
            "rotator/fingerprint": sas.parse(SecretText(text)).fingerprint,
            "rotator/resource": path,
        }
    )
    return held(found | {"data": document({"secretKey": text})["data"]})


def for_path(found: LiveSecret, *, path: str = "", key: str = "key1", now: datetime.datetime = NOW) -> Blocker | None:
    return next(iter(in_use.in_targets(key, account_state(), {TARGET: found}, now, path=path)), None)


@pytest.mark.parametrize("found", [holding(for_pictures()), by_us(for_pictures(), None)])
@pytest.mark.parametrize("key", ["key1", "key2"])
def test_service_sas_whose_path_is_not_known_may_be_signed_by_either_key(found: LiveSecret, key: str) -> None:
    assert for_path(found, key=key) == UNKNOWN_SIGNER
    assert for_path(found, key=key, path="thumbnails") == UNKNOWN_SIGNER
    assert for_path(found, key=key, now=UNTIL + 5 * MINUTES) is None


@pytest.mark.parametrize("found", [holding(for_pictures()), by_us(for_pictures(), None), by_us(for_pictures(), "x")])
def test_path_of_the_grant_is_tried_where_the_secret_has_none_or_another(found: LiveSecret) -> None:
    assert for_path(found, path="pictures") == Blocker(WHO, "holds a SAS that key1 signed", UNTIL)
    assert for_path(found, path="pictures", key="key2") is None


def test_sas_of_ours_whose_key_was_regenerated_does_not_stand_in_the_way() -> None:
    gone = dataclasses.replace(FIRST, value=SecretText(KEY))
    assert for_path(by_us(for_pictures(gone), "pictures")) is None
    assert for_path(holding(for_pictures(gone))) == UNKNOWN_SIGNER


def test_sas_that_somebody_put_into_our_secret_is_not_for_what_ours_was_for() -> None:
    found = by_us(token(), "pictures")
    other = held({**found.document, "data": document({"secretKey": for_pictures()})["data"]})
    assert for_path(other) == UNKNOWN_SIGNER
