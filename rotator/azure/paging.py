"""Lists that Azure's services return in pages, each with a link to the next one (`nextLink`)."""

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from rotator import errors, untrusted

MOST_PAGES = 100


def records(
    path: str,
    read: Callable[[str], Mapping[str, Any]],
    url: str,
    what: str,
    unreadable: type[errors.RotatorError],
) -> list[dict[str, Any]]:
    """Read all pages of a list, the first at `path` and the others at the URLs that their links name.

    `url` is the service's: a page on another host is not read, as the token would go there too. Raises `unreadable` for
    such a link, and for more than 100 pages; `what` names the list.
    """
    found: list[dict[str, Any]] = []
    page = path
    for _ in range(MOST_PAGES):
        answer = read(page)
        found += untrusted.records(answer.get("value"))
        link = answer.get("nextLink")
        if not link:
            return found
        if not _is_at(url, link):
            raise unreadable(
                f"{url} names a next page on another host, which was not read: {untrusted.one_line(link)}",
                remedy="Check for a proxy in between that changes answers.",
            )
        page = str(link)
    raise unreadable(f"{url} lists {what} on more than {MOST_PAGES} pages")


def _is_at(url: str, link: object) -> bool:
    try:
        return _origin(str(link)) == _origin(url)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443}.get(parts.scheme)
