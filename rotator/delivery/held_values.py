"""What a Secret holds of ours: the values that the last delivery wrote, and the SAS and account keys in them.

A value may be a SAS, or any text with a SAS in it: a URL, a connection string, a file of variables; or its base64.
"""

import base64
import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from rotator import errors, sas
from rotator.azure.account_keys import AccountKeys
from rotator.delivery import live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from rotator.sas import Sas, Scope

# The fields of a SAS, of every kind: s…, rsc? (response headers), tn, epk and erk (tables).
# https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
# A signature is the base64 of 32 bytes, so that what follows it is not taken for a part of it.
_SIGNATURE = r"sig=(?:[A-Za-z0-9+/]|%2[BFbf]){43}(?:=|%3[Dd])"
_FIELD = rf"(?:spr=https,http|{_SIGNATURE}|(?:s[a-z]{{1,7}}|rsc[a-z]|tn|e[pr]k)=[\w%.~:/+*-]*={{0,2}})"
# Any character may stand before the first field, which is therefore known by its whole name. No name ends with another.
_FIRST = "(?=(?:s[vsetpri]|srt|sip|spr|sig|sdd|ses|sk[tesv]|skoid|sktid|scid|saoid|suoid|[se][pr]k|tn|rsc[cdelt])=)"
_FIELDS = re.compile(rf"{_FIRST}{_FIELD}(?:&{_FIELD})+", re.ASCII)
# An account key: the base64 of 64 bytes.
_ACCOUNT_KEY = re.compile(r"[A-Za-z0-9+/]{86}==")
_DIGESTS = re.compile(r"[-._a-zA-Z0-9]+=sha256:[0-9a-f]{64}(?: [-._a-zA-Z0-9]+=sha256:[0-9a-f]{64})*")


def text_of_digests(digests: Mapping[str, str]) -> str:
    """The digests of several data keys as their annotation has them."""
    return " ".join(f"{name}={digests[name]}" for name in sorted(digests))


def recorded(held: LiveSecret) -> dict[str, str]:
    """The digest of each data key that the last delivery wrote, by the Secret's annotations.

    The list of several counts only if `rotator/digest` is its digest: an earlier version of the rotator, which writes
    one data key, leaves it as it was.
    """
    digest, listed = held.annotations.get(live_secret.DIGEST), held.annotations.get(live_secret.DATA_DIGESTS, "")
    if _DIGESTS.fullmatch(listed) and live_secret.digest_of_text(listed) == digest:
        return dict(each.split("=", 1) for each in listed.split(" "))
    name = held.annotations.get(live_secret.DATA_KEY)
    return {name: digest} if name and digest else {}


def is_of_several(held: LiveSecret) -> bool:
    """Whether the last delivery wrote the Secret by templates."""
    return live_secret.DATA_KEY not in held.annotations and live_secret.FORM in held.annotations


def unchanged(held: LiveSecret) -> frozenset[str]:
    """The data keys that the last delivery wrote and that nobody changed since.

    Of a single one its SAS is looked for too, as the annotation with its name may have been edited.
    """
    if not held.ours:
        return frozenset()
    found = frozenset(name for name in recorded(held) if is_written(held, name))
    return found if is_of_several(held) else frozenset(name for name in found if has_sas(held, name))


def is_written(held: LiveSecret, data_key: str) -> bool:
    """Whether the value is the one that the last delivery wrote, by its digest."""
    digest = held.digests.get(data_key)
    return digest is not None and recorded(held).get(data_key) == digest


def is_unchanged(held: LiveSecret) -> bool:
    """Whether each value is there that the last delivery wrote."""
    return bool(recorded(held)) and all(is_written(held, name) for name in recorded(held))


def of_others(held: LiveSecret) -> tuple[str, ...]:
    """The data keys of a Secret of ours that the last delivery did not write.

    None where the annotations do not say what it wrote. What they name is ours, and so is what has the digest of it.
    """
    written = recorded(held)
    named = {*written, *_named(held)}
    others = (name for name, digest in held.digests.items() if name not in named and digest not in written.values())
    return tuple(others) if written else ()


def digest_for(held: LiveSecret, target: Target) -> str | None:
    """The digest of what the Secret holds in place of the target's data; None if it holds nothing there."""
    if not target.form.templates:
        return held.digests.get(target.data_key)
    names = recorded(held) or target.data_keys
    found = {name: held.digests[name] for name in names if name in held.digests}
    return live_secret.digest_of_text(text_of_digests(found)) if found else None


def names(held: LiveSecret, target: Target) -> tuple[str, ...]:
    """The data keys that may hold what the rotator wrote: those of the last delivery, and the target's.

    Nobody is harmed by reading one too many, so that annotations count here even if they do not fit to each other.
    """
    return tuple(dict.fromkeys((*recorded(held), *_named(held), *target.data_keys)))


def _named(held: LiveSecret) -> Iterator[str]:
    """Return the data keys that annotations name, whether or not they fit to each other."""
    listed = (each.partition("=")[0] for each in held.annotations.get(live_secret.DATA_DIGESTS, "").split(" "))
    return filter(None, (held.annotations.get(live_secret.DATA_KEY, ""), *listed))


def has_sas(held: LiveSecret, data_key: str) -> bool:
    """Whether there is a SAS in this value."""
    return bool(_sas_in(held, data_key))


def all_sas(held: LiveSecret, target: Target) -> tuple[Sas, ...]:
    """Every SAS in our values, each once; there may be a former one beside the present one."""
    found = {each.fingerprint: each for name in names(held, target) for each in _sas_in(held, name)}
    return tuple(found.values())


def held_sas(held: LiveSecret, target: Target) -> Sas | None:
    """The SAS that consumers use now: what the last delivery wrote, or else the first; None if there is none.

    Beside an account key only the former one may be there, which is not the first.
    """
    found = all_sas(held, target)
    written = held.annotations.get(live_secret.FINGERPRINT)
    first = None if has_account_key(held) else next(iter(found), None)
    return next((each for each in found if each.fingerprint == written), first)


def account_keys(held: LiveSecret, target: Target, keys: AccountKeys) -> tuple[str, ...]:
    """The names of those of the account's keys that stand in our values, whatever stands around them."""
    texts = tuple(text for name in names(held, target) for text in _texts(held, name))
    return tuple(key.name for key in keys.keys if any(key.is_in(text) for text in texts))


def has_like_account_key(held: LiveSecret, target: Target) -> bool:
    """Whether there is something in our values that looks like an account key, of whatever account."""
    return any(_ACCOUNT_KEY.search(text) for name in names(held, target) for text in _texts(held, name))


def has_account_key(held: LiveSecret) -> bool:
    """Whether the last delivery wrote an account key, by which a Secret without a SAS is as it should be."""
    return is_of_several(held) and live_secret.ACCOUNT_KEY in held.annotations


def _texts(held: LiveSecret, data_key: str) -> Iterator[str]:
    """Return the value as it is and, if it is base64 of a text, decoded."""
    text = held.value(data_key)
    if text:
        yield text
        with contextlib.suppress(ValueError):  # no base64, or of no text
            yield base64.b64decode(text, validate=True).decode()


def _sas_in(held: LiveSecret, data_key: str) -> tuple[Sas, ...]:
    texts = tuple(_texts(held, data_key))
    # As a whole, a value with a field that no SAS has is one still.
    found = tuple(_parsed(token for text in texts for token in _tokens(text))) or tuple(_parsed(texts))
    return tuple(dataclasses.replace(each, path=_path(held, data_key, each)) for each in found)


def _path(held: LiveSecret, data_key: str, found: Sas) -> str:
    """Return what the SAS is for, which is known of those that the last delivery wrote; else ""."""
    by_us = is_written(held, data_key) or found.fingerprint == held.annotations.get(live_secret.FINGERPRINT)
    return held.annotations.get(live_secret.RESOURCE, "") if by_us and found.scope is not Scope.ACCOUNT else ""


def _tokens(text: str) -> Iterator[str]:
    """Return each SAS in a text: the fields around each signature, up to the first one whose name is there already."""
    for fields in (found.split("&") for found in _FIELDS.findall(text)):
        named = [each.partition("=")[0] for each in fields]
        for at in (at for at, name in enumerate(named) if name == "sig"):
            first, end = at, at + 1
            while first and named[first - 1] not in named[first:end]:
                first -= 1
            while end < len(named) and named[end] not in named[first:end]:
                end += 1
            yield "&".join(fields[first:end])


def _parsed(tokens: Iterable[str]) -> Iterator[Sas]:
    for token in tokens:
        with contextlib.suppress(errors.SasError):
            yield sas.parse(SecretText(token))
