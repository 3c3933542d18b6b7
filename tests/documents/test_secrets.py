"""docs/secrets.md names each placeholder and each annotation, and its examples are settings."""

import json
import re

import yaml

from rotator.delivery import live_secret
from rotator.plan import secret_template, text_mapping
from rotator.plan.secret_template import Placeholder
from tests.documents.test_documents import section, text

DOCUMENT = "docs/secrets.md"


def first_cells(heading: str) -> set[str]:
    rows = re.findall(r"(?m)^\| (`.*?) \|", section(DOCUMENT, heading))
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_placeholder_is_explained_and_no_other() -> None:
    assert first_cells("Templates") == {each.written for each in Placeholder}


def test_every_annotation_is_explained_and_no_other() -> None:
    names = {value for value in vars(live_secret).values() if isinstance(value, str) and value.startswith("rotator/")}
    assert first_cells("Annotations") == names - {live_secret.KEPT}


def test_both_examples_are_the_same_data() -> None:
    in_yaml, in_json = (re.findall(rf"(?s)```{kind}\n(.*?)```", text(DOCUMENT))[0] for kind in ("yaml", "json"))
    found = text_mapping.parse(in_yaml)
    assert found == yaml.safe_load(in_yaml) == json.loads(in_json) == text_mapping.parse(in_json)
    for each in found.values():
        assert secret_template.parse(each).placeholders
