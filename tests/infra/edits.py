"""Edits of the template, to show that a check notices them."""

from tests.infra import bicep


def edited(file: str, old: str, new: str) -> bicep.Template:
    """The template with one piece of text replaced everywhere in one file; it must be there."""
    sources = bicep.texts()
    assert old in sources[file], f"{file} holds no {old!r}"
    return bicep.parse(sources | {file: sources[file].replace(old, new)})
