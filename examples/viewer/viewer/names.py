"""Blob names that the viewer takes from a browser: those that cannot lead out of their container."""

import urllib.parse

MOST_CHARACTERS = 1024


def is_blob_name(name: str) -> bool:
    """Whether this is one blob's name; segments such as `..` are not, as a URL with them may mean another container."""
    if not 0 < len(name) <= MOST_CHARACTERS or "\\" in name or not name.isprintable():
        return False
    return all(segment.strip(". ") for segment in name.split("/"))


def picture_path(name: str) -> str:
    """The path under which the viewer serves a picture."""
    return f"/pictures/{urllib.parse.quote(name)}"
