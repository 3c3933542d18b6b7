"""Host names and https URLs in settings: validated, and normalised so that they compare equal."""

import dataclasses
import ipaddress
import re
import urllib.parse

_LONGEST = 253  # characters of a host name: https://www.rfc-editor.org/rfc/rfc1035#section-3.1
# Looser than RFC 1123's rule for host names: resolvers accept underscores, too.
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_USUAL_BLOB = re.compile(r"https://(?P<account>[a-z0-9]{3,24})\.blob\.(?P<suffix>[a-z0-9.-]+)")
# Names of a storage account's other endpoints, among them zonal ones:
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_OTHER_SERVICE = re.compile(r"\.(?P<service>dfs|file|queue|table|web)\.(?:core|storage)\.")
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


@dataclasses.dataclass(frozen=True)
class UsualBlobEndpoint:
    """The parts of a blob endpoint in its usual form, https://<account>.blob.<suffix>."""

    account: str
    suffix: str


def usual_blob_endpoint(url: str) -> UsualBlobEndpoint | None:
    """The parts of a usual blob endpoint; None for another form, such as a zonal one or a domain of one's own."""
    found = _USUAL_BLOB.fullmatch(url)
    return UsualBlobEndpoint(found["account"], found["suffix"]) if found else None


def host(text: str) -> str:
    """A host name, with its final dot if it has one, or an IP address without brackets; raises ValueError."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not is_host(bare):
        raise ValueError("it must be a host name or an address, without scheme, user or port")
    return bare


def is_host(text: str) -> bool:
    """Whether a resolver or a socket accepts this as a host name or an address."""
    if ":" in text:
        return _is_address(text)
    return len(text.removesuffix(".")) <= _LONGEST and _NAME.fullmatch(text) is not None


def service_url(text: str) -> str:
    """The https URL of a service at the root of its host, so without a path; raises ValueError."""
    parts = _parsed(text)
    if parts.path.strip("/"):
        raise ValueError("it must be the service's URL alone: leave out what follows the host")
    return _normalised(parts)


def blob_url(text: str) -> str:
    """The https URL of a blob service; raises ValueError.

    The account's name is in the host, or is the path, as with Azurite:
    https://learn.microsoft.com/azure/storage/common/storage-use-azurite#connect-to-azurite-with-sdks-and-tools
    """
    parts = _parsed(text)
    if other := _OTHER_SERVICE.search(parts.hostname or ""):
        raise ValueError(f"it must be the account's blob endpoint, and this is the one of {other['service']}")
    if parts.path.strip("/") and ".blob." in (parts.hostname or ""):
        raise ValueError("it must be the account's blob endpoint alone: leave out what follows the host")
    return _normalised(parts)


def _parsed(text: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:  # not chained: its message quotes the value
        raise ValueError("it must be an https:// URL") from None
    if parts.scheme != "https" or not parts.hostname or port == 0:
        raise ValueError("it must be an https:// URL")
    if set("?#@") & set(text):
        raise ValueError("it must be a plain URL, without query, fragment or user")
    if not is_host(parts.hostname) or re.search(r"[^!-~]|\\|//", parts.path.rstrip("/")):
        raise ValueError("it must be an https:// URL of a host name or an address")
    return parts


def _normalised(parts: urllib.parse.SplitResult) -> str:
    """The URL without final slash, and without the host's final dot, which neither certificates nor challenges have."""
    name, colon, port = parts.netloc.partition(":") if "[" not in parts.netloc else (parts.netloc, "", "")
    path = parts.path.rstrip("/")
    return f"https://{name.removesuffix('.')}{colon if port else ''}{port}{path}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
