"""The types of the settings that say what a Secret has: its data, type, labels and annotations.

As in `setting_types`, a validator takes its own result too, and raises ValueError with a rule.
Kubernetes' rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from typing import Annotated

from pydantic import PlainValidator

from rotator.plan import secret_builtin_types, secret_owners, secret_template, text_mapping
from rotator.plan.frozen_mapping import FrozenMapping
from rotator.plan.secret_template import Template
from rotator.plan.setting_types import DATA_KEY, DATA_KEY_RULE

Templates = FrozenMapping[Template]
Texts = FrozenMapping[str]

_WORD = r"(?=.{1,63}$)[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX = rf"(?=.{{1,253}}$){_PART}(\.{_PART})*"
_MOST_BYTES_OF_ANNOTATIONS = 256 * 1024  # of all annotations together, names and values
_OURS = ("app.kubernetes.io/managed-by", "kubectl.kubernetes.io/last-applied-configuration")
_OUR_PREFIX = "rotator"
# Of all values together: MaxSecretSize in Kubernetes' pkg/apis/core.
_MOST_BYTES_OF_DATA = 1024 * 1024


def _data(written: object) -> Templates | None:
    if written is None or isinstance(written, FrozenMapping):
        return written
    found = text_mapping.parse(written)
    if not found:
        raise ValueError("it has no data key")
    templates = FrozenMapping({name: _template(name, text) for name, text in found.items()})
    if sum(each.least_bytes for each in templates.values()) > _MOST_BYTES_OF_DATA:
        raise ValueError(f"it is longer than {_MOST_BYTES_OF_DATA} bytes, the most that Kubernetes takes in a Secret")
    return templates


def _template(name: str, text: str) -> Template:
    if not re.fullmatch(DATA_KEY, name):
        raise ValueError(f"{_quoted(name)} is no data key: {DATA_KEY_RULE}")
    try:
        return secret_template.parse(text)
    except ValueError as error:
        raise ValueError(f"in {_quoted(name)}, {error}") from None


def _labels(written: object) -> Texts:
    found = _metadata(written)
    for name, text in found.items():
        if text and not re.fullmatch(_WORD, text):
            raise ValueError(
                f"the value of the label {_quoted(name)} must be empty, or at most 63 letters, digits, -, _ and ., "
                "with a letter or digit at both ends"
            )
    return FrozenMapping(found)


def _annotations(written: object) -> Texts:
    found = _metadata(written)
    if sum(len(f"{name}{text}".encode()) for name, text in found.items()) > _MOST_BYTES_OF_ANNOTATIONS:
        raise ValueError(f"all annotations together must not be longer than {_MOST_BYTES_OF_ANNOTATIONS} bytes")
    return FrozenMapping(found)


def _metadata(written: object) -> dict[str, str]:
    found = text_mapping.parse(written)
    for name in found:
        _check_name(name)
    return found


def _check_name(name: str) -> None:
    prefix, slash, word = name.rpartition("/")
    if not re.fullmatch(_WORD, word) or (slash and not re.fullmatch(_PREFIX, prefix)):
        raise ValueError(
            f"{_quoted(name)} is no name: Kubernetes wants at most 63 letters, digits, -, _ and ., with a letter or "
            "digit at both ends, and in front of it, if anything, a domain and /"
        )
    if name in _OURS or prefix == _OUR_PREFIX:
        raise ValueError(f"{name} is written by the rotator itself: leave it out")
    marked = secret_owners.meaning(name)
    if marked:
        raise ValueError(f"{name} marks {marked}: leave it out")


def _secret_type(written: object) -> str | None:
    if written is None:
        return None
    text = str(written)
    if meant := secret_builtin_types.in_right_case(text):
        raise ValueError(f"did you mean {meant}")
    prefix, slash, word = text.rpartition("/")
    if not re.fullmatch(_WORD, word) or (slash and not re.fullmatch(_PREFIX, prefix)):
        raise ValueError("it must be a Secret's type, such as Opaque or example.com/sas")
    if text == secret_builtin_types.SERVICE_ACCOUNT_TOKEN:
        raise ValueError("Kubernetes itself writes the Secrets of that type")
    return text


def _quoted(name: str) -> str:
    """A name in a message: short, as a value may have been written in its place."""
    return repr(name if len(name) <= 80 else f"{name[:20]}…")  # noqa: PLR2004  # a line's width


DataTemplates = Annotated[FrozenMapping[Template] | None, PlainValidator(_data)]
SecretType = Annotated[str | None, PlainValidator(_secret_type)]
Labels = Annotated[FrozenMapping[str], PlainValidator(_labels)]
Annotations = Annotated[FrozenMapping[str], PlainValidator(_annotations)]
