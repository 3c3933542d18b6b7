"""What Resource Manager says of a function app, read from its answers: none of them is trusted to be complete."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Self

from rotator import redaction, untrusted
from rotator.plan import addresses

_MOST_ERRORS = 10
_LONGEST_ERROR = 4_000  # characters
_VERSION = re.compile(r"(\d{1,2})\.(\d{1,3})")
_PYTHON = "python"


@dataclasses.dataclass(frozen=True)
class SiteFacts:
    """The app's URL, without a slash at the end, and its version of Python; None where that is not known."""

    url: str | None
    python: tuple[int, int] | None

    @classmethod
    def from_answer(cls, site: Mapping[str, Any]) -> Self:
        """Read a site, as https://learn.microsoft.com/rest/api/appservice/web-apps/get has it.

        On Flex Consumption the runtime is in `functionAppConfig`, on other plans in `linuxFxVersion`: PYTHON|3.11.
        """
        properties = untrusted.mapping(site.get("properties"))
        runtime = untrusted.mapping(untrusted.mapping(properties.get("functionAppConfig")).get("runtime"))
        name, version = str(runtime.get("name")), runtime.get("version")
        if not runtime:
            name, _, version = str(untrusted.mapping(properties.get("siteConfig")).get("linuxFxVersion")).partition("|")
        return cls(_url(properties.get("defaultHostName")), _version(version) if name.lower() == _PYTHON else None)


@dataclasses.dataclass(frozen=True)
class Function:
    """A function that the platform lists."""

    name: str
    disabled: bool

    @classmethod
    def from_answer(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of https://learn.microsoft.com/rest/api/appservice/web-apps/list-functions."""
        properties = untrusted.mapping(entry.get("properties"))
        name = properties.get("name") or str(entry.get("name", "")).rpartition("/")[2]
        return cls(untrusted.one_line(name), properties.get("isDisabled") is True)


@dataclasses.dataclass(frozen=True)
class HostStatus:
    """The state of the Functions host, such as Running or Error, and its errors, without secrets."""

    state: str
    errors: tuple[str, ...] = ()

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Read the answer of the host's /admin/host/status."""
        texts = untrusted.strings(answer.get("errors"))
        errors = (redaction.scrub_quotation(text)[:_LONGEST_ERROR] for text in texts[:_MOST_ERRORS])
        return cls(untrusted.one_line(answer.get("state") or "unknown"), tuple(errors))


def _url(host: object) -> str | None:
    try:
        return addresses.service_url(f"https://{host}") if isinstance(host, str) else None
    except ValueError:
        return None


def _version(text: object) -> tuple[int, int] | None:
    found = _VERSION.match(str(text))
    return (int(found[1]), int(found[2])) if found else None
