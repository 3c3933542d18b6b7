"""The types of settings: how the text of each is validated, and what it becomes.

A validator takes its own result, too, and what YAML can hold beside a text. It raises ValueError with a rule that an
error message quotes after the setting's name, never with the value.
"""

import datetime
import ipaddress
import re
import shlex
import urllib.parse
import uuid
from typing import Annotated

import isodate
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from rotator import sas
from rotator.plan import addresses, host_keys, resource_id, schedule
from rotator.redaction import SecretText

_LONGEST_GRACE = datetime.timedelta(minutes=3)
_LONGEST_VALIDITY = datetime.timedelta(days=365_000)  # twice that before or after now is still in the calendar
_LONGEST_BLOB_NAME = 1024  # characters
_LONGEST_COMMAND = 4_000  # characters: shlex takes a time that grows with the square of the length
# A DNS label (RFC 1123), and a part of a DNS subdomain, as Kubernetes wants them for names:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#names
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# Neither . nor .., nor what begins with the latter, as a data key becomes a file.
DATA_KEY = r"(?!\.\.?$|\.\.)[-._a-zA-Z0-9]{1,253}"
DATA_KEY_RULE = "Kubernetes wants at most 253 letters, digits, -, _ and ., and neither . nor what begins with .."


def validity(text: object) -> datetime.timedelta:
    """A positive ISO 8601 duration of fixed length; raises ValueError."""
    duration = _duration(text)
    if duration <= datetime.timedelta(0):
        raise ValueError("it must be longer than nothing")
    if duration > _LONGEST_VALIDITY:
        raise ValueError(f"it must not be longer than {isodate.duration_isoformat(_LONGEST_VALIDITY)}")
    return duration


def grace(text: object) -> datetime.timedelta:
    """An ISO 8601 duration that a run can wait for, perhaps zero; raises ValueError."""
    duration = _duration(text)
    if not datetime.timedelta(0) <= duration <= _LONGEST_GRACE:
        raise ValueError("it must be between PT0S and PT3M: an HTTP request is cut off after 230 seconds")
    return duration


def _duration(text: object) -> datetime.timedelta:
    if isinstance(text, datetime.timedelta):
        return text
    try:
        duration = isodate.parse_duration(str(text))
    except (isodate.ISO8601Error, OverflowError):
        raise ValueError("it must be an ISO 8601 duration") from None
    if not isinstance(duration, datetime.timedelta):
        raise ValueError("it must not count in months or years, which differ in length")  # noqa: TRY004
    return duration


def _number(value: object) -> object:
    if isinstance(value, bool):  # which Python counts as a number
        raise ValueError("it must be a number")  # noqa: TRY004  # pydantic reports a ValueError
    return value


def _pattern(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


def letters_rule(known: str) -> str:
    """The rule for a text of such letters."""
    return f"it may hold each of the letters {known} once"


def _letters(known: str) -> AfterValidator:
    """Each of the known letters at most once, in any order; returned in the order of `known`, which a SAS needs."""

    def check(text: str) -> str:
        if set(text) - set(known) or len(set(text)) != len(text):
            raise ValueError(letters_rule(known))
        return "".join(letter for letter in known if letter in text)

    return AfterValidator(check)


def _protocol(text: str) -> str:
    protocol = ",".join(sorted(text.split(","), reverse=True))
    if protocol not in sas.PROTOCOLS:
        raise ValueError(f"it must be one of {' and '.join(sas.PROTOCOLS)}")
    return protocol


def _schedule(text: str) -> str:
    schedule.intervals(text)  # raises ValueError
    return text


def _pins(written: object) -> tuple[host_keys.Pin, ...]:
    each = written if isinstance(written, list | tuple) else [written]
    return host_keys.parse(",".join(map(str, each)))


def _command_line(text: object) -> tuple[str, ...]:
    """Split a text as a shell does. What only a shell could do is refused: the words are quoted on the master."""
    words = tuple(map(str, text)) if isinstance(text, list | tuple) else _split(str(text))
    if not words:
        raise ValueError("it is empty")
    if any(set(word) & set(";|&<>`$\n") for word in words):
        raise ValueError("it must be a plain command line, without shell operators")
    if "=" in words[0]:
        raise ValueError("a variable in front is not a command; write `env NAME=value kubectl`")
    return words


def _split(text: str) -> tuple[str, ...]:
    if len(text) > _LONGEST_COMMAND:
        raise ValueError(f"it is longer than {_LONGEST_COMMAND} characters")
    return tuple(shlex.split(text))  # raises ValueError for an open quote


def _blob_name(text: str) -> str:
    """A blob's name or a directory's, without slashes around it."""
    name = text.strip("/")
    if not 1 <= len(name) <= _LONGEST_BLOB_NAME or "//" in name or re.search(r"[\x00-\x1f\x7f]", name):
        raise ValueError(f"it must be a blob's or directory's name, of at most {_LONGEST_BLOB_NAME} characters")
    return name


def _ip_range(text: str) -> str:
    """One address, or two with a hyphen between them: https://learn.microsoft.com/rest/api/storageservices/create-service-sas."""
    try:
        addresses = [ipaddress.IPv4Address(each.strip()) for each in text.split("-")]
    except ValueError:
        addresses = []
    if len(addresses) not in (1, 2) or addresses != sorted(addresses):
        raise ValueError("it must be an IPv4 address, or the first and the last of a range with a hyphen between")
    return "-".join(map(str, addresses))


def _storage_account_id(text: str) -> str:
    return resource_id.ResourceId.parse(text, resource_id.STORAGE_ACCOUNT).text  # raises ValueError


def _client_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("it must be a client id, which is a GUID") from None


def _webhook_url(text: object) -> SecretText | None:
    """A secret, as whoever has the URL can post. None for what is no https:// URL, so that no rotation fails for it."""
    if text is None or isinstance(text, SecretText):
        return text
    try:
        parts = urllib.parse.urlsplit(str(text))
    except ValueError:
        parts = urllib.parse.SplitResult("", "", "", "", "")
    return SecretText(str(text)) if parts.scheme == "https" and parts.hostname and not parts.username else None


Duration = Annotated[datetime.timedelta, BeforeValidator(validity)]
Grace = Annotated[datetime.timedelta, BeforeValidator(grace)]
Schedule = Annotated[str, AfterValidator(_schedule)]

Host = Annotated[str, AfterValidator(addresses.host)]
Port = Annotated[int, BeforeValidator(_number), Field(ge=1, le=65535)]
ServiceUrl = Annotated[str, AfterValidator(addresses.service_url)]
BlobUrl = Annotated[str, AfterValidator(addresses.blob_url)]
WebhookUrl = Annotated[SecretText | None, PlainValidator(_webhook_url)]

# Azure's names: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_VAULT_NAME_RULE = "Key Vault allows letters and digits only here"
VaultName = Annotated[str, _pattern(r"[0-9a-zA-Z]{1,127}", _VAULT_NAME_RULE)]
ManagedAccountName = Annotated[str, _pattern(r"[0-9a-zA-Z]{0,127}", _VAULT_NAME_RULE)]  # empty with other issuers
VaultSecretName = Annotated[str, _pattern(r"[0-9a-zA-Z-]{1,127}", "it must be the name of a vault secret")]
StorageAccountName = Annotated[str, _pattern(r"[a-z0-9]{3,24}", "it must be a storage account's name")]
ContainerName = Annotated[str, _pattern(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", "it must be a blob container's name")]
SasContainer = Annotated[
    str,
    _pattern(r"\$root|\$web|\$logs|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", "it must be a blob container's name"),
]
BlobName = Annotated[str, AfterValidator(_blob_name)]
StorageAccountId = Annotated[str, AfterValidator(_storage_account_id)]
ClientId = Annotated[str, AfterValidator(_client_id)]

SasServices = Annotated[str, _letters(sas.SERVICES)]
SasResourceTypes = Annotated[str, _letters(sas.RESOURCE_TYPES)]
SasPermissions = Annotated[str, _letters(sas.ALL_PERMISSIONS)]
SasIp = Annotated[str, AfterValidator(_ip_range)]
EncryptionScope = Annotated[
    str, _pattern(r"[a-z0-9][a-z0-9-]{2,62}", "it must be an encryption scope's name: lower-case letters, digits, -")
]
SasProtocol = Annotated[str, AfterValidator(_protocol)]

UserName = Annotated[str, _pattern(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?", "it must be a user name")]
Pins = Annotated[tuple[host_keys.Pin, ...], BeforeValidator(_pins)]
CommandLine = Annotated[tuple[str, ...], BeforeValidator(_command_line)]

Namespace = Annotated[str, _pattern(_LABEL, "Kubernetes wants at most 63 lower-case letters, digits and -")]
SecretName = Annotated[
    str,
    _pattern(
        rf"(?=.{{1,253}}$){_PART}(\.{_PART})*", "Kubernetes wants at most 253 lower-case letters, digits, - and ."
    ),
]
DataKey = Annotated[str, _pattern(DATA_KEY, DATA_KEY_RULE)]
