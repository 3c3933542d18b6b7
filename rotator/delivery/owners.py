"""Who else keeps a Secret: the marks that controllers leave on what they write, and would write back.

Looked up in each project's sources or documentation, as of 2026. Marks that a consumer puts on a Secret of ours, such
as reflector's `reflection-allowed`, name no keeper: only the copy has one.
"""

import re
from collections.abc import Mapping
from typing import Any

from rotator import untrusted

_MANAGED_BY = "app.kubernetes.io/managed-by"
_OURS = "rotator"

# Marks of copies, with the controller. The copy's source decides what is in it, whoever else writes it.
_COPIES = {
    "reflector.v1.k8s.emberstack.com/reflects": "reflector",
    "replicator.v1.mittwald.de/replicate-from": "kubernetes-replicator",
    "replicator.v1.mittwald.de/replicated-from-version": "kubernetes-replicator",
    "kubed.appscode.com/origin": "config-syncer (kubed)",
}
_COPY_LABELS = {"generate.kyverno.io/source-kind": "Kyverno"}
_ANNOTATIONS = {
    "meta.helm.sh/release-name": "Helm release",
    "reconcile.external-secrets.io/data-hash": "External Secrets",
    "sealedsecrets.bitnami.com/managed": "sealed-secrets",
    "sealedsecrets.bitnami.com/patch": "sealed-secrets",
    "secrets.infisical.com/version": "the Infisical operator",
    "operator.1password.io/item-path": "the 1Password operator",
    "cert-manager.io/certificate-name": "cert-manager's Certificate",
    "configsync.gke.io/resource-id": "Config Sync",
    "objectset.rio.cattle.io/id": "Fleet or k3s",
    "kapp.k14s.io/identity": "kapp",
}
_LABELS = {
    "argocd.argoproj.io/instance": "Argo CD application",
    "kustomize.toolkit.fluxcd.io/name": "Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "Flux HelmRelease",
    "resourceset.fluxcd.controlplane.io/name": "Flux ResourceSet",
    "reconcile.external-secrets.io/managed": "External Secrets",
    "reconcile.external-secrets.io/created-by": "External Secrets",
    "secrets.hashicorp.com/vso-ownerRefUID": "the Vault Secrets Operator",
    "secrets-store.csi.k8s.io/managed": "the Secrets Store CSI driver",
    "generate.kyverno.io/policy-name": "Kyverno policy",
    "objectset.rio.cattle.io/hash": "Fleet or k3s",
    "kapp.k14s.io/app": "kapp",
}
_NAMED = {"Helm release", "Argo CD application", "Flux Kustomization", "Flux HelmRelease", "Flux ResourceSet"}
_NAMED |= {"Kyverno policy", "cert-manager's Certificate"}
_TRACKING_ID = "argocd.argoproj.io/tracking-id"
# What stops Flux from writing an object that it once wrote, by what the mark, or the field manager, says of it:
# https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
_FLUX_SWITCHES = {
    "kustomize.toolkit.fluxcd.io/reconcile": ("Flux Kustomization", "kustomize-controller", {"disabled"}),
    "kustomize.toolkit.fluxcd.io/ssa": ("Flux Kustomization", "kustomize-controller", {"ignore", "ifnotpresent"}),
    "fluxcd.controlplane.io/reconcile": ("Flux ResourceSet", "flux-operator", {"disabled"}),
}
# Field managers that write a Secret's data from somewhere else. What people and pipelines write with is not in it.
_MANAGERS = re.compile(
    r"(?i)(controller|operator)\b|^(argocd|flux|external-?secrets|reflector|replicator|vault-secrets|"
    r"secrets-store-csi|config-?sync|fleet|kapp|kyverno|crossplane)"
)

Metadata = Mapping[str, Any]


def copied(metadata: Metadata) -> str | None:
    """Name what keeps the Secret as a copy of another one, whatever else is written on it; None if nothing does."""
    for name, text in untrusted.texts(metadata.get("annotations")).items():
        if name in _COPIES and text:
            source = f" of {untrusted.one_line(text)}" if re.fullmatch(r"[^/{}]+/[^/{}]+", text) else ""
            return f"{_COPIES[name]}, as a copy{source}"
    labels = untrusted.texts(metadata.get("labels"))
    return next((f"{who}, as a copy" for label, who in _COPY_LABELS.items() if labels.get(label)), None)


def keeper(metadata: Metadata) -> str | None:
    """Name the owner or controller that keeps the Secret and would write it back; None without a sign of one."""
    found = (look(metadata) for look in (copied, _reference, _managed_by, _marked, _tracked, _field_manager))
    name = next(filter(None, found), None)
    return untrusted.one_line(name) if name else None


def _reference(metadata: Metadata) -> str | None:
    for each in untrusted.records(metadata.get("ownerReferences")):
        return f"{each.get('kind')} {each.get('name')}"
    return None


def _managed_by(metadata: Metadata) -> str | None:
    label = untrusted.texts(metadata.get("labels")).get(_MANAGED_BY)
    return None if label in (None, "", _OURS) else label


def _marked(metadata: Metadata) -> str | None:
    annotations, labels = untrusted.texts(metadata.get("annotations")), untrusted.texts(metadata.get("labels"))
    idle = _switched_off(metadata)
    for texts, marks in ((labels, _LABELS), (annotations, _ANNOTATIONS)):
        for name, text in texts.items():
            known = marks.get(name)
            if not known or text in ("", "false") or known in idle:
                continue
            return f"{known} {text}" if known in _NAMED else known
    return None


def _switched_off(metadata: Metadata) -> set[str]:
    """Name those of Flux that leave this object alone, as their marks and as field managers."""
    texts = untrusted.texts(metadata.get("labels")) | untrusted.texts(metadata.get("annotations"))
    found = (names for switch, (*names, off) in _FLUX_SWITCHES.items() if texts.get(switch, "").lower() in off)
    return {name for names in found for name in names}


def _tracked(metadata: Metadata) -> str | None:
    """Argo CD heeds a tracking id only on the very object that it names.

    https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    """
    text = untrusted.texts(metadata.get("annotations")).get(_TRACKING_ID, "")
    application, _, named = text.partition(":")
    tracked = named == f"/Secret:{metadata.get('namespace')}/{metadata.get('name')}"
    return f"Argo CD application {application}" if tracked else None


def _field_manager(metadata: Metadata) -> str | None:
    idle = _switched_off(metadata)
    for each in untrusted.records(metadata.get("managedFields")):
        name, fields = each.get("manager"), each.get("fieldsV1")
        writes_data = isinstance(fields, dict) and "f:data" in fields
        if writes_data and isinstance(name, str) and name not in idle and _MANAGERS.search(name[:128]):
            return f"{name[:128]}, by its field manager"
    return None
