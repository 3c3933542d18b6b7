"""Labels and annotations by which controllers mark the objects that they own, or the copies that they make.

According to each project's sources or documentation in 2026. A controller overwrites or deletes what has its mark, so
`delivery/owners.py` finds owners by these names, and the settings refuse them.
"""

from collections.abc import Mapping

TRACKING_ID = "argocd.argoproj.io/tracking-id"
OWNER_ANNOTATIONS: Mapping[str, str] = {
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
OWNER_LABELS: Mapping[str, str] = {
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
COPY_ANNOTATIONS: Mapping[str, str] = {
    "reflector.v1.k8s.emberstack.com/reflects": "reflector",
    "replicator.v1.mittwald.de/replicate-from": "kubernetes-replicator",
    "replicator.v1.mittwald.de/replicated-from-version": "kubernetes-replicator",
    "kubed.appscode.com/origin": "config-syncer (kubed)",
}
COPY_LABELS: Mapping[str, str] = {"generate.kyverno.io/source-kind": "Kyverno"}
_COPIERS = {**COPY_ANNOTATIONS, **COPY_LABELS}
_OWNERS = {**OWNER_ANNOTATIONS, **OWNER_LABELS, TRACKING_ID: "Argo CD application"}


def meaning(name: str) -> str | None:
    """What a label or annotation of this name says of an object; None if it is no controller's mark."""
    if name in _COPIERS:
        return f"a copy, which {_COPIERS[name]} would overwrite"
    if name in _OWNERS:
        return f"what has another owner ({_OWNERS[name]}), which may overwrite or delete it"
    return None
