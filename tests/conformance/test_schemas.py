"""The configuration files, as the JSON schemas of those who read them have them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import yaml

from tests.conformance import data

ROOT = data.ROOT
FILES = {
    "azure.yaml": "azd-azure.yaml-v1.0.json",
    "host.json": "host.json",
    "local.settings.json.example": "local.settings.json",
    ".devcontainer/devcontainer.json": "devContainer.base.json",
    **{f".github/workflows/{path.name}": "github-workflow.json" for path in (ROOT / ".github/workflows").iterdir()},
}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = data.read(data.folder("schemas") / name)
    return found


def problems(name: str, value: Any) -> list[str]:
    # What a schema takes from elsewhere on the internet is not looked at.
    elsewhere = referencing.Registry(retrieve=lambda _: referencing.Resource.opaque(True))  # type: ignore[call-arg]
    validator = jsonschema.validators.validator_for(schema(name))(schema(name), registry=elsewhere)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def read(path: Path) -> Any:
    # YAML's `on` is a boolean, but a workflow's key.
    text = path.read_text()
    return yaml.load(text, Loader=_Loader) if path.suffix in (".yml", ".yaml") else json.loads(text)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, as those who read these files have them."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", yaml.SafeLoader.yaml_implicit_resolvers["t"][0][1], list("tf"))


@pytest.mark.parametrize("file", FILES)
def test_a_configuration_file_is_as_its_schema_says(file: str) -> None:
    assert problems(FILES[file], read(ROOT / file)) == []


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("azure.yaml", lambda value: value["services"].update(rotator={"language": "cobol"})),
        ("host.json", lambda value: value.update(version="3.0")),
        ("host.json", lambda value: value.update(functionTimeout=600)),
        ("local.settings.json.example", lambda value: value.update(Values=["A=B"])),
        (".devcontainer/devcontainer.json", lambda value: value.update(features=["azd"])),
        (".github/workflows/ci.yml", lambda value: value["jobs"]["test"].pop("runs-on")),
        (".github/workflows/deploy.yml", lambda value: value.pop("on")),
    ],
)
def test_a_schema_finds_what_is_wrong(file: str, spoil: Any) -> None:
    value = read(ROOT / file)
    spoil(value)
    assert problems(FILES[file], value)
