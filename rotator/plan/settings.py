"""All app settings, found in the models, so that each is written down once; and how their texts become a model.

The texts are arranged as the models are, so that pydantic validates them all at once. Where in the models a problem is
says which setting has it.
"""

import dataclasses
import difflib
import enum
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import pydantic

from rotator import errors
from rotator.plan import problems, setting
from rotator.plan.host_storage import HostStorageSettings
from rotator.plan.model import CONFIG, Model
from rotator.plan.plan import Plan
from rotator.plan.setting import Setting

_M = TypeVar("_M", bound=Model)
_SIMILARITY = 0.8  # difflib's ratio
_LONGEST_COMPARED = 40  # characters: difflib takes a time that grows with the square of the length


@dataclasses.dataclass(frozen=True)
class FieldSetting:
    """A setting, and the field of a model that it fills; `kind` is its type, and a required one has no `default`."""

    model: type[Model]
    field: str
    setting: Setting
    kind: Any
    required: bool
    default: Any


def of(*roots: type[Model]) -> Mapping[str, FieldSetting]:
    """The settings of these models and the models in them, by name, in the order of reports: first those required."""
    found = [each for root in roots for each in _walk(root)]
    return {each.setting.name: each for each in sorted(found, key=lambda each: not each.required)}


def read(root: type[_M], texts: Mapping[str, str]) -> _M:
    """The model that these settings describe; raises SettingsError with every problem in it."""
    try:
        return root(**_arranged(root, texts))
    except pydantic.ValidationError as error:
        found = {
            _setting_at(root, problem["loc"]): problems.reason(problem)
            for problem in error.errors(include_url=False, include_input=False)
        }
    raise errors.SettingsError(  # not chained: the error has the values
        [
            problems.explain(name, each.setting, texts.get(name), _with_suggestion(each, texts.get(name), found[name]))
            for name, each in of(root).items()
            if name in found
        ]
    )


def find(model: type[Model], field: str) -> FieldSetting:
    """The setting of this field; raises KeyError if it has none."""
    return {each.field: each for each in of(model).values() if each.model is model}[field]


def value(entry: FieldSetting, texts: Mapping[str, str]) -> Any:
    """The value of one setting, or its default; raises ValueError for a wrong one, and KeyError for a missing one."""
    if entry.setting.name in texts or entry.required:
        return pydantic.TypeAdapter(entry.kind, config=CONFIG).validate_python(texts[entry.setting.name])
    return entry.default


def read_one(entry: FieldSetting, texts: Mapping[str, str]) -> Any:
    """The value of one setting that is not required, or its default; raises SettingsError for a wrong one."""
    try:
        return value(entry, texts)
    except pydantic.ValidationError as error:
        reason = problems.reason(error.errors(include_url=False, include_input=False)[0])
    name = entry.setting.name
    raise errors.SettingsError(
        [problems.explain(name, entry.setting, texts[name], _with_suggestion(entry, texts[name], reason))]
    )  # not chained, as above


def _with_suggestion(entry: FieldSetting, text: str | None, reason: str) -> str:
    """The reason, with the value that is meant where the setting's type is an enum and has a similar one."""
    wrong = (text or "")[:_LONGEST_COMPARED].lower()
    meant = difflib.get_close_matches(wrong, _members(entry.kind), n=1, cutoff=_SIMILARITY)
    return f"{reason}; did you mean {meant[0]}" if meant else reason


def _members(kind: Any) -> list[str]:
    """The values of the enums in a type, which may be optional, annotated or both."""
    if isinstance(kind, enum.EnumMeta):
        return [str(each.value) for each in kind]  # type: ignore[var-annotated]
    return [member for inner in typing.get_args(kind) for member in _members(inner)]


def _walk(model: type[Model]) -> Iterator[FieldSetting]:
    for inner in _models_in(model).values():
        yield from _walk(inner)
    for field in dataclasses.fields(model):
        found = setting.of(field)
        if found:
            required = field.default is dataclasses.MISSING
            yield FieldSetting(model, field.name, found, field.type, required, None if required else field.default)


def _arranged(model: type[Model], texts: Mapping[str, str]) -> dict[str, Any]:
    """The texts as the model's fields, one of each where the model has many."""
    named = {field.name: found.name for field in dataclasses.fields(model) if (found := setting.of(field))}
    own = {field: texts[name] for field, name in named.items() if name in texts}
    inner = {field: _arranged(kind, texts) for field, kind in _models_in(model).items()}
    return own | {field: [each] if _holds_many(model, field) else each for field, each in inner.items()}


def _setting_at(model: type[Model], location: tuple[int | str, ...]) -> str:
    """The name of the setting at this place in a model, as pydantic names places."""
    field = next(step for step in location if isinstance(step, str))
    inner = _models_in(model).get(field)
    if inner:
        return _setting_at(inner, location[location.index(field) + 1 :])
    return find(model, field).setting.name


def _models_in(model: type[Model]) -> Mapping[str, type[Model]]:
    """The fields that hold models, or a tuple of them."""
    return {
        field.name: kind
        for field in dataclasses.fields(model)
        for kind in (field.type, *typing.get_args(field.type))
        if isinstance(kind, type) and issubclass(kind, Model)
    }


def _holds_many(model: type[Model], field: str) -> bool:
    kind = next(each.type for each in dataclasses.fields(model) if each.name == field)
    return typing.get_origin(kind) is tuple


ALL = of(Plan, HostStorageSettings)
