"""Finds the owner of a Secret: the controller, if any, that wrote it and would overwrite what the rotator writes.

Controllers are known by the labels and annotations that they set (`plan/secret_owners.py`) and by their field
managers, according to each project's sources or documentation in 2026. Annotations that a consumer adds to the
rotator's own Secret, such as reflector's `reflection-allowed`, do not count: only the copy that reflector makes has an
owner.
"""

import re
from collections.abc import Mapping
from typing import Any

from rotator import untrusted
from rotator.plan.secret_owners import (
    COPY_ANNOTATIONS,
    COPY_LABELS,
    OWNER_ANNOTATIONS,
    OWNER_LABELS,
    TRACKING_ID,
)

MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "rotator"

# Owners that the annotation's or label's value names.
_NAMED = {"Helm release", "Argo CD application", "Flux Kustomization", "Flux HelmRelease", "Flux ResourceSet"}
_NAMED |= {"Kyverno policy", "cert-manager's Certificate"}
# Labels or annotations that stop Flux from writing an object, with the owner's name here, its field manager, and the
# values that stop it:
# https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
_FLUX_SWITCHES = {
    "kustomize.toolkit.fluxcd.io/reconcile": ("Flux Kustomization", "kustomize-controller", {"disabled"}),
    "kustomize.toolkit.fluxcd.io/ssa": ("Flux Kustomization", "kustomize-controller", {"ignore", "ifnotpresent"}),
    "fluxcd.controlplane.io/reconcile": ("Flux ResourceSet", "flux-operator", {"disabled"}),
}
# Field managers of controllers; not those of tools that people and pipelines use, such as kubectl and helm.
_MANAGERS = re.compile(
    r"(?i)(controller|operator)\b|^(argocd|flux|external-?secrets|reflector|replicator|vault-secrets|"
    r"secrets-store-csi|config-?sync|fleet|kapp|kyverno|crossplane)"
)

Metadata = Mapping[str, Any]


def find_copier(metadata: Metadata) -> str | None:
    """The controller that keeps this Secret as a copy of another one, with the source if it is known; None if none."""
    for name, text in untrusted.texts(metadata.get("annotations")).items():
        if name in COPY_ANNOTATIONS and text:
            source = f" of {untrusted.one_line(text)}" if re.fullmatch(r"[^/{}]+/[^/{}]+", text) else ""
            return f"{COPY_ANNOTATIONS[name]}, as a copy{source}"
    labels = untrusted.texts(metadata.get("labels"))
    return next((f"{who}, as a copy" for label, who in COPY_LABELS.items() if labels.get(label)), None)


def find_owner(metadata: Metadata) -> str | None:
    """The owner or controller that would overwrite the Secret, in one line; None without a sign of one."""
    signs = (find_copier, _owner_reference, _managed_by, _marks, _tracking_id, _field_manager)
    name = next(filter(None, (sign(metadata) for sign in signs)), None)
    return untrusted.one_line(name) if name else None


def _owner_reference(metadata: Metadata) -> str | None:
    for each in untrusted.records(metadata.get("ownerReferences")):
        return f"{each.get('kind')} {each.get('name')}"
    return None


def _managed_by(metadata: Metadata) -> str | None:
    label = untrusted.texts(metadata.get("labels")).get(MANAGED_BY)
    return None if label in (None, "", OWNER) else label


def _marks(metadata: Metadata) -> str | None:
    annotations, labels = untrusted.texts(metadata.get("annotations")), untrusted.texts(metadata.get("labels"))
    stopped = _stopped(metadata)
    for texts, marks in ((labels, OWNER_LABELS), (annotations, OWNER_ANNOTATIONS)):
        for name, text in texts.items():
            known = marks.get(name)
            if not known or text in ("", "false") or known in stopped:
                continue
            return f"{known} {text}" if known in _NAMED else known
    return None


def _stopped(metadata: Metadata) -> set[str]:
    """The controllers of Flux that must not write this object, by their names here and their field managers."""
    texts = untrusted.texts(metadata.get("labels")) | untrusted.texts(metadata.get("annotations"))
    stopped = (names for switch, (*names, off) in _FLUX_SWITCHES.items() if texts.get(switch, "").lower() in off)
    return {name for names in stopped for name in names}


def _tracking_id(metadata: Metadata) -> str | None:
    """Argo CD ignores a tracking id that names another object, as on a copy.

    https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    """
    text = untrusted.texts(metadata.get("annotations")).get(TRACKING_ID, "")
    application, _, named = text.partition(":")
    tracked = named == f"/Secret:{metadata.get('namespace')}/{metadata.get('name')}"
    return f"Argo CD application {application}" if tracked else None


def _field_manager(metadata: Metadata) -> str | None:
    stopped = _stopped(metadata)
    for each in untrusted.records(metadata.get("managedFields")):
        name, fields = each.get("manager"), each.get("fieldsV1")
        writes_data = isinstance(fields, dict) and "f:data" in fields
        if writes_data and isinstance(name, str) and name not in stopped and _MANAGERS.search(name[:128]):
            return f"{name[:128]}, by its field manager"
    return None
