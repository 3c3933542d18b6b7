"""README, the example of local settings and the template know each setting as the models have it."""

import datetime
import enum
import json
import re
import shlex

import isodate
import pytest

from rotator.plan import loader, settings
from tests.documents.test_documents import section, text
from tests.infra.deployments import parameter

# The rows of README's table, by setting: meaning, and default.
ROWS = {
    name: (meaning, default)
    for names, meaning, defaults in re.findall(
        r"(?m)^\| (`.+?`) \| (.*?) ?\| (.+) \|$", section("README.md", "Settings")
    )
    for name, default in zip(
        re.findall(r"`(\w+)`", names),
        defaults.split(", ") if "`, `" in defaults else [defaults] * names.count("`"),
        strict=False,
    )
}
LOCAL: dict[str, str] = json.loads(text("local.settings.json.example"))["Values"]
PARAMETERS = dict(re.findall(r"(?m)^param (\w+) string = '(.+)'$", text("infra/main.bicep")))


def as_written(value: object) -> str:
    """A value as an operator writes it."""
    if isinstance(value, datetime.timedelta):
        return str(isodate.duration_isoformat(value))
    if isinstance(value, tuple):
        return shlex.join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.value if isinstance(value, enum.Enum) else str(value)


def test_the_table_has_each_setting_and_no_other() -> None:
    assert set(ROWS) == set(settings.ALL)


@pytest.mark.parametrize("name", settings.ALL)
def test_the_table_says_what_each_setting_means_and_what_holds_without_it(name: str) -> None:
    (meaning, default), each = ROWS[name], settings.ALL[name]
    assert meaning
    if each.required:
        assert default == "required"
    elif each.default in (None, ""):
        assert default not in ("", "required")
    else:
        assert default == f"`{as_written(each.default)}`"


def test_the_local_example_has_what_is_required_and_is_a_plan() -> None:
    assert LOCAL.keys() - {"FUNCTIONS_WORKER_RUNTIME"} <= settings.ALL.keys()
    assert {name for name, each in settings.ALL.items() if each.required} <= LOCAL.keys()
    assert loader.load(LOCAL).warnings == ()


@pytest.mark.parametrize("name", [name for name in settings.ALL if name in LOCAL])
def test_the_local_example_has_defaults_or_examples(name: str) -> None:
    each = settings.ALL[name]
    assert LOCAL[name] == (each.setting.example if each.default in (None, "") else as_written(each.default))


def test_the_templates_own_defaults_are_the_settings_defaults_or_examples() -> None:
    found = {name: PARAMETERS[key] for name in settings.ALL for key in PARAMETERS if parameter(name) == key.lower()}
    assert found
    for name, value in found.items():
        each = settings.ALL[name]
        assert value == (as_written(each.default) if each.default else each.setting.example), name
