"""The template is sound as far as a parser and its own declarations tell; no compiler runs here."""

from collections.abc import Callable

import pytest

from tests.infra import soundness
from tests.infra.bicep import Template
from tests.infra.edits import edited

Check = Callable[[Template], list[str]]


@pytest.mark.parametrize(
    "check",
    [
        soundness.syntax_errors,
        soundness.unknown_names,
        soundness.declared_twice,
        soundness.unused,
        soundness.module_faults,
        soundness.unguarded_modules,
        soundness.unknown_types,
        soundness.unknown_keys,
    ],
)
def test_the_template_has_no_fault(check: Check, template: Template) -> None:
    assert check(template) == []


@pytest.mark.parametrize(
    ("check", "file", "old", "new", "fault"),
    [
        (soundness.syntax_errors, "app/vault.bicep", "  properties: {", "  properties: ", "app/vault.bicep:"),
        (
            soundness.unknown_names,
            "main.bicep",
            "identityId: identity.",
            "identityId: identty.",
            "identty is not declared",
        ),
        (soundness.unknown_names, "app/alerts.bicep", "alert.severity", "alarm.severity", "alarm is not declared"),
        (soundness.unknown_names, "app/roles.bicep", "name: guid(", "name: giud(", "giud() is not a known function"),
        (
            soundness.declared_twice,
            "app/rotated.bicep",
            "param tags object",
            "param tags object\nvar name = 'a'",
            "name is",
        ),
        (
            soundness.unused,
            "app/rotated.bicep",
            "param tags object",
            "param tags object\nparam spare bool",
            "spare is not",
        ),
        (soundness.unused, "app/vault-policies.bicep", "parent: vault\n", "", "vault is not"),
        (
            soundness.module_faults,
            "main.bicep",
            "'app/identity.bicep'",
            "'app/idendity.bicep'",
            "there is no app/idendity",
        ),
        (soundness.module_faults, "main.bicep", "recover: recoverKeyVault", "recovers: true", "does not take recovers"),
        (soundness.module_faults, "main.bicep", "groupId: 'blob'", "", "needs groupId"),
        (
            soundness.module_faults,
            "main.bicep",
            "identity.outputs.clientId",
            "identity.outputs.client",
            "no output client",
        ),
        (soundness.unguarded_modules, "main.bicep", "network!.outputs.id", "network.outputs.id", "network.outputs"),
        (
            soundness.unguarded_modules,
            "main.bicep",
            "module storage 'app/storage.bicep' = {",
            "module storage 'app/storage.bicep' = if (vnetEnabled) {",
            "storage.outputs",
        ),
        (soundness.unknown_keys, "app/vault.bicep", "tags: tags", "tag: tags", "has no tag"),
        (soundness.unknown_types, "app/vault.bicep", "vaults@2026-02-01", "vaults@2026-13-01", "2026-13-01"),
    ],
)
def test_a_fault_is_noticed(check: Check, file: str, old: str, new: str, fault: str) -> None:
    faults = check(edited(file, old, new))
    assert any(fault in each for each in faults), faults
