"""Whose a Secret is, by the marks that controllers leave; what a consumer wishes for makes it nobody else's."""

import dataclasses
from typing import Any

import pytest

from rotator.delivery import manifest, owners
from rotator.delivery.errors import NotOursError
from tests.fakes.examples import TARGET, delivered, document, held

COPIES = {
    "reflector.v1.k8s.emberstack.com/reflects": "infra/storage-sas",
    "replicator.v1.mittwald.de/replicate-from": "infra/storage-sas",
    "replicator.v1.mittwald.de/replicated-from-version": "4711",
    "kubed.appscode.com/origin": '{"namespace":"infra","name":"storage-sas"}',
}
TRACKED = "shop:/Secret:default/storage-sas"
KEPT: list[tuple[str, dict[str, Any]]] = [
    (
        "reflector, as a copy of infra/storage-sas",
        {"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "infra/storage-sas"}},
    ),
    ("Argo CD application shop", {"annotations": {"argocd.argoproj.io/tracking-id": TRACKED}}),
    ("Argo CD application shop", {"labels": {"argocd.argoproj.io/instance": "shop"}}),
    ("Flux Kustomization apps", {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
    (
        "Flux Kustomization apps",
        {
            "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
            "annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Merge"},
        },
    ),
    (
        "helm-controller, by its field manager",
        {
            "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
            "managedFields": [{"manager": "helm-controller", "fieldsV1": {"f:data": {}}}],
        },
    ),
    ("Flux HelmRelease shop", {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}),
    ("External Secrets", {"labels": {"reconcile.external-secrets.io/managed": "true"}}),
    ("External Secrets", {"annotations": {"reconcile.external-secrets.io/data-hash": "51ad"}}),
    ("sealed-secrets", {"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}),
    ("SealedSecret storage-sas", {"ownerReferences": [{"kind": "SealedSecret", "name": "storage-sas"}]}),
    ("the Vault Secrets Operator", {"labels": {"secrets.hashicorp.com/vso-ownerRefUID": "0829"}}),
    ("hashicorp-vso", {"labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"}}),
    ("the Secrets Store CSI driver", {"labels": {"secrets-store.csi.k8s.io/managed": "true"}}),
    ("the Infisical operator", {"annotations": {"secrets.infisical.com/version": "W/5"}}),
    ("the 1Password operator", {"annotations": {"operator.1password.io/item-path": "vaults/a/items/b"}}),
    ("Kyverno policy sync", {"labels": {"generate.kyverno.io/policy-name": "sync"}}),
    ("Helm release shop", {"annotations": {"meta.helm.sh/release-name": "shop"}}),
    (
        "argocd-controller, by its field manager",
        {"managedFields": [{"manager": "argocd-controller", "fieldsV1": {"f:data": {}}}]},
    ),
    (
        "vault-secrets-operator, by its field manager",
        {"managedFields": [{"manager": "vault-secrets-operator", "fieldsV1": {"f:data": {}}}]},
    ),
]
# What others want of a Secret of ours, or write on it, without keeping what is in it.
FREE: list[dict[str, Any]] = [
    {},
    {"annotations": {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true"}},
    {"annotations": {"reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true"}},
    {"annotations": {"reflector.v1.k8s.emberstack.com/reflects": ""}},
    {"annotations": {"replicator.v1.mittwald.de/replicate-to": "team-*"}},
    {"annotations": {"kubed.appscode.com/sync": "app=kubed"}},
    {"annotations": {"reloader.stakater.com/match": "true"}},
    {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Secret:infra/storage-sas"}},
    {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:default/storage-sas"}},
    {"annotations": {"sealedsecrets.bitnami.com/managed": "false"}},
    {"labels": {"app.kubernetes.io/instance": "shop"}},
    {"labels": {"app.kubernetes.io/managed-by": "rotator"}},
    *(
        {
            "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
            "annotations": {f"kustomize.toolkit.fluxcd.io/{name}": text},
            "managedFields": [{"manager": "kustomize-controller", "fieldsV1": {"f:data": {"f:secretKey": {}}}}],
        }
        for name, text in (("reconcile", "disabled"), ("ssa", "Ignore"), ("ssa", "IfNotPresent"))
    ),
    {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
    {"labels": {"app.kubernetes.io/instance": "shop", "helm.sh/chart": "shop-1.2.3"}},
    {"labels": {"field.cattle.io/projectId": "p-1"}, "annotations": {"field.cattle.io/creatorId": "u-1"}},
    {"managedFields": [{"manager": "kubectl-create", "fieldsV1": {"f:data": {}}}]},
    {"managedFields": [{"manager": "some-controller", "fieldsV1": {"f:metadata": {}}}]},
    {"managedFields": [{"manager": 7, "fieldsV1": {"f:data": {}}}, {"manager": "x-controller"}, "odd", None]},
    {"managedFields": "odd", "ownerReferences": "odd", "labels": None},
]


@pytest.mark.parametrize(("owner", "metadata"), KEPT)
def test_secret_that_a_controller_keeps_is_refused_by_its_name(owner: str, metadata: dict[str, Any]) -> None:
    found = held(document({"secretKey": "old"}, **metadata))
    assert owners.find_owner(found.metadata) == owner
    with pytest.raises(NotOursError) as caught:
        manifest.check_owner(found, TARGET)
    assert f"belongs to {owner}; it was left alone" in str(caught.value)
    assert "KUBERNETES_SECRET_ADOPT=true" in caught.value.remedy
    manifest.check_owner(found, dataclasses.replace(TARGET, adopt=True))


@pytest.mark.parametrize("metadata", FREE)
def test_secret_that_nobody_keeps_is_adopted(metadata: dict[str, Any]) -> None:
    whole = document({"secretKey": "old"})
    whole["metadata"] |= metadata
    assert owners.find_owner(whole["metadata"]) is None
    if metadata.get("labels", {}) is not None:
        manifest.check_owner(held(whole), TARGET)


@pytest.mark.parametrize(("mark", "text"), COPIES.items())
def test_copy_of_a_secret_of_ours_is_not_ours_though_it_says_so(mark: str, text: str) -> None:
    copy = held(delivered(**{mark: text}))
    assert copy.ours
    with pytest.raises(NotOursError, match="as a copy"):
        manifest.check_owner(copy, TARGET)
    manifest.check_owner(copy, dataclasses.replace(TARGET, adopt=True))


def test_clone_that_kyverno_makes_of_a_secret_of_ours_is_not_ours_either() -> None:
    """Labels as Kyverno 1.11 and later write them; a Secret that it generates from other data has no source."""
    clone = delivered()
    clone["metadata"]["labels"] = {
        "app.kubernetes.io/managed-by": "kyverno",
        "generate.kyverno.io/policy-name": "sync",
        "generate.kyverno.io/source-group": "",
        "generate.kyverno.io/source-kind": "Secret",
        "generate.kyverno.io/source-namespace": "infra",
    }
    with pytest.raises(NotOursError, match="belongs to Kyverno, as a copy; it was left alone"):
        manifest.check_owner(held(clone), TARGET)
    del clone["metadata"]["labels"]["generate.kyverno.io/source-kind"]
    manifest.check_owner(held(clone), TARGET)


def test_secret_that_was_adopted_before_stays_ours_whatever_keeps_it_too() -> None:
    for _, metadata in KEPT[1:]:
        ours = delivered(**metadata.get("annotations", {}))
        ours["metadata"] |= {name: found for name, found in metadata.items() if name != "annotations"}
        manifest.check_owner(held(ours), TARGET)


def test_secret_of_ours_may_be_copied_by_others() -> None:
    for metadata in FREE:
        ours = delivered(**(metadata.get("annotations") or {}))
        manifest.check_owner(held(ours), TARGET)
