"""What docs/presets.md says of each preset, against the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.plan import presets
from rotator.plan.presets import Preset

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/presets.md").read_text()
ROWS = dict(re.findall(r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) \| (.*) \|$", PAGE, re.MULTILINE))

each = pytest.mark.parametrize("name", Preset)


def section(name: Preset) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def fragments(name: Preset) -> list[Any]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section(name), re.DOTALL)]


def test_the_table_has_the_presets_that_there_are() -> None:
    assert list(ROWS) == list(Preset)


@each
def test_a_row_has_the_data_keys_of_the_preset(name: Preset) -> None:
    cell = ROWS[name].split(" | ")[1]
    assert re.findall(r"`([^`]+)`", cell) == list(presets.of(name).data)


@each
def test_a_section_shows_the_consumer_s_own_setting_and_names_the_secret(name: Preset) -> None:
    found = fragments(name)
    assert found
    if name is not Preset.LOKI:  # which names a variable
        assert "storage-sas" in str(found)


@each
def test_a_section_says_whether_a_new_sas_is_seen_and_how_that_was_tested(name: Preset) -> None:
    assert "- Tested: " in section(name)
    assert name is Preset.CONNECTION_STRING or re.search(r"^- Sees a new (SAS|key): ", section(name), re.MULTILINE)


@each
def test_labels_of_a_preset_are_named(name: Preset) -> None:
    for label, text in presets.of(name).labels.items():
        assert f'`{label}: "{text}"`' in section(name)


@each
def test_a_section_says_which_permissions_services_and_types_a_consumer_needs(name: Preset) -> None:
    for need in presets.of(name).needs:
        assert re.search(rf"`SAS_PERMISSIONS`\s+of\s+`{need.permissions}`", section(name))
        assert need.service == "b" or f"`SAS_SERVICES` of `{need.service}`" in section(name)
    for types in re.findall(r"`SAS_RESOURCE_TYPES` of `([a-z]+)`", section(name)):
        assert [need.resource_types for need in presets.of(name).needs] == [types]


def test_who_needs_the_account_key_is_named() -> None:
    needing = [name for name in Preset if presets.of(name).needs_key]
    assert needing == [Preset.CSI_FILE]
    assert "only `csi-file` needs more than a SAS" in re.sub(r"\s+", " ", PAGE)
