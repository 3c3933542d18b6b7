"""The viewer's settings: environment variables, all checked at the start and all problems told at once."""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from viewer import names

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CONTAINER = re.compile(r"\$root|\$web|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
ENCODINGS = ("raw", "base64")


class SettingsError(Exception):
    """One line per setting that is wrong; none of them repeats a value that could hold a SAS."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the pictures are, where the SAS is, and where the viewer listens."""

    endpoint: str
    container: str
    picture: str
    sas_file: Path
    encoding: str
    host: str
    port: int
    refresh_seconds: int


def read(environment: Mapping[str, str]) -> Settings:
    """The settings; SettingsError names each one that is missing or wrong."""
    given = {name: text.strip() for name, text in environment.items()}
    problems: list[str] = []
    settings = Settings(
        endpoint=_endpoint(given.get("STORAGE_BLOB_ENDPOINT", ""), problems),
        container=_container(given.get("CONTAINER", ""), problems),
        picture=_picture(given.get("PICTURE", ""), problems),
        sas_file=Path(given.get("SAS_FILE") or "/var/run/secrets/storage/secretKey"),
        encoding=_encoding(given.get("SAS_ENCODING") or ENCODINGS[0], problems),
        host=given.get("HOST") or "127.0.0.1",
        port=_number("PORT", given.get("PORT") or "8080", range(1, 65536), problems),
        refresh_seconds=_number("REFRESH_SECONDS", given.get("REFRESH_SECONDS") or "15", range(1, 3601), problems),
    )
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _endpoint(text: str, problems: list[str]) -> str:
    try:
        url = urllib.parse.urlsplit(text)
        right = url.scheme == "https" and bool(url.hostname) and (url.port or 443) > 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        right = False
    if not right or url.query or url.fragment or url.username is not None:
        problems.append(
            "STORAGE_BLOB_ENDPOINT must be an https URL and nothing behind it, "
            "for example https://myaccount.blob.core.windows.net"
        )
    return text.rstrip("/")


def _container(text: str, problems: list[str]) -> str:
    if not _CONTAINER.fullmatch(text):
        problems.append("CONTAINER must be a container's name, for example pictures")
    return text


def _picture(text: str, problems: list[str]) -> str:
    if not names.is_blob_name(text):
        problems.append("PICTURE must be a blob's name within the container, for example hello.png")
    return text


def _encoding(text: str, problems: list[str]) -> str:
    if text not in ENCODINGS:
        problems.append(f"SAS_ENCODING must be {' or '.join(ENCODINGS)}")
    return text


def _number(name: str, text: str, allowed: range, problems: list[str]) -> int:
    if text.isascii() and text.isdigit() and int(text) in allowed:
        return int(text)
    problems.append(f"{name} must be a number from {allowed.start} to {allowed.stop - 1}")
    return 0
