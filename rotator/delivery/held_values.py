"""What a Secret holds of ours: the values that the last delivery wrote, and the SAS and account keys in them.

A value may be a SAS, or any text with a SAS in it: a URL, a connection string, a file of variables; or its base64.
"""

import base64
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping

from rotator import errors, sas
from rotator.delivery import live_secret
from rotator.delivery.live_secret import LiveSecret
from rotator.plan.plan import Target
from rotator.redaction import SecretText
from rotator.sas import Sas

# The fields of a SAS, of every kind: s…, rsc? (response headers), tn, epk and erk (tables).
# https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
# A signature is the base64 of 32 bytes, so that what follows it is not taken for a part of it.
_SIGNATURE = r"sig=(?:[A-Za-z0-9+/]|%2[BFbf]){43}(?:=|%3[Dd])"
_FIELD = rf"(?:spr=https,http|{_SIGNATURE}|(?:s[a-z]{{1,7}}|rsc[a-z]|tn|e[pr]k)=[\w%.~:/+*-]*={{0,2}})"
_TOKEN = re.compile(rf"(?<![\w.-]){_FIELD}(?:&{_FIELD})+", re.ASCII)
# An account key: the base64 of 64 bytes.
_ACCOUNT_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])")
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
    found = frozenset(name for name, digest in recorded(held).items() if held.digests.get(name) == digest)
    return found if is_of_several(held) else frozenset(name for name in found if has_sas(held, name))


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
    listed = (each.partition("=")[0] for each in held.annotations.get(live_secret.DATA_DIGESTS, "").split(" "))
    named = (*recorded(held), held.annotations.get(live_secret.DATA_KEY, ""), *listed, *target.data_keys)
    return tuple(dict.fromkeys(filter(None, named)))


def has_sas(held: LiveSecret, data_key: str) -> bool:
    """Whether there is a SAS in this value."""
    return bool(_sas_in(held, data_key))


def all_sas(held: LiveSecret, target: Target) -> tuple[Sas, ...]:
    """Every SAS in our values, each once; there may be a former one beside the present one."""
    found = {each.fingerprint: each for name in names(held, target) for each in _sas_in(held, name)}
    return tuple(found.values())


def held_sas(held: LiveSecret, target: Target) -> Sas | None:
    """The SAS that consumers use now: what the last delivery wrote, or else the first; None if there is none."""
    found = all_sas(held, target)
    written = held.annotations.get(live_secret.FINGERPRINT)
    return next((each for each in found if each.fingerprint == written), next(iter(found), None))


def account_keys(held: LiveSecret, target: Target) -> tuple[SecretText, ...]:
    """What looks like an account key in our values."""
    texts = filter(None, (held.value(name) for name in names(held, target)))
    return tuple(SecretText(found) for text in texts for found in dict.fromkeys(_ACCOUNT_KEY.findall(text)))


def has_account_key(held: LiveSecret) -> bool:
    """Whether the last delivery wrote an account key, by which a Secret without a SAS is as it should be."""
    return is_of_several(held) and live_secret.ACCOUNT_KEY in held.annotations


def _sas_in(held: LiveSecret, data_key: str) -> tuple[Sas, ...]:
    text, path = held.value(data_key), held.annotations.get(live_secret.RESOURCE, "")
    if text and "sig=" not in text:
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:  # no base64, or of no text
            return ()
    # As a whole, a value with a field that no SAS has is one still.
    return tuple(_parsed(_TOKEN.findall(text), path)) or tuple(_parsed([text], path)) if text else ()


def _parsed(tokens: Iterable[str], path: str) -> Iterator[Sas]:
    for token in tokens:
        with contextlib.suppress(errors.SasError):
            yield sas.parse(SecretText(token), path=path)
