"""The ready forms by themselves: names that Kubernetes takes, placeholders that there are, and what each one needs."""

import re
import string

import pytest

from rotator.plan import presets
from rotator.plan.presets import Preset

KNOWN = {
    "sas",
    "sas_query",
    "url",
    "container_url",
    "connection_string",
    "account",
    "container",
    "blob_endpoint",
    "expires",
    "previous",
    "account_key",
}
# Whose consumer takes them from the environment, by `envFrom`.
ENVIRONMENT = {Preset.BARMAN, Preset.RESTIC, Preset.WALG, Preset.RCLONE, Preset.AIRFLOW, Preset.CONNECTION_STRING}
LABEL = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9._-]*")

each = pytest.mark.parametrize("name", Preset)


def placeholders(name: Preset) -> set[str]:
    texts = presets.of(name).data.values()
    return {field for text in texts for _, field, _, _ in string.Formatter().parse(text) if field is not None}


@each
def test_data_keys_are_ones_that_kubernetes_takes(name: Preset) -> None:
    assert presets.of(name).data
    for key in presets.of(name).data:
        assert re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key), key


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_data_keys_that_become_variables_are_names_of_variables(name: Preset) -> None:
    assert all(re.fullmatch(r"[A-Z_][A-Z0-9_]*", key) for key in presets.of(name).data)


@each
def test_placeholders_are_ones_that_there_are(name: Preset) -> None:
    assert placeholders(name) <= KNOWN


@each
def test_a_form_with_the_account_key_says_that_it_needs_it_and_has_no_sas_beside(name: Preset) -> None:
    found = placeholders(name)
    assert presets.of(name).needs_key == ("account_key" in found)
    assert len(found & {"account_key", "sas", "sas_query", "url", "container_url", "connection_string"}) == 1


@each
def test_a_form_with_the_container_says_that_it_needs_one(name: Preset) -> None:
    assert presets.of(name).needs_container == bool(placeholders(name) & {"container", "container_url"})


@each
def test_a_value_ends_with_a_line_break_only_if_it_is_a_file_of_lines(name: Preset) -> None:
    for text in presets.of(name).data.values():
        assert text == text.strip() or (text.endswith("\n") and "=" in text)


@each
def test_labels_and_type_are_ones_that_kubernetes_takes(name: Preset) -> None:
    found = presets.of(name)
    assert found.type == "Opaque"
    assert all(LABEL.fullmatch(label) for label in (*found.labels, *found.annotations))


def test_cloudnativepg_reads_the_secret_again_by_its_label() -> None:
    assert presets.of(Preset.BARMAN).labels == {"cnpg.io/reload": "true"}


def test_airflow_s_connection_keeps_its_braces() -> None:
    (text,) = presets.of(Preset.AIRFLOW).data.values()
    shown = text.format(account="a", blob_endpoint="https://a", sas_query="?sv=1")
    assert shown.startswith('{"conn_type"')
    assert shown.endswith('"?sv=1"}}')
