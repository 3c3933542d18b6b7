"""Reviews: who a caller is to the server, and what the caller may do.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Callable
from typing import Any

from sandbox.kubernetes import manifest, rbac
from sandbox.kubernetes.refusals import Document, now
from sandbox.kubernetes.state import KubernetesApi


def access(api: KubernetesApi, user: str, body: bytes) -> Document:
    """Answer a SelfSubjectAccessReview, which is what `kubectl auth can-i` sends."""
    review = manifest.parse(body, "SelfSubjectAccessReview", "authorization.k8s.io/v1")
    attributes: dict[str, Any] = review.get("spec", {}).get("resourceAttributes") or {}
    resource = "secrets" if attributes.get("resource") == "*" else attributes.get("resource", "")
    place = (attributes.get("namespace", ""), attributes.get("name", ""))
    allowed = rbac.allows(api, rbac.AccessRequest(user, attributes.get("verb", ""), resource, *place))
    return {**review, "metadata": {"creationTimestamp": None}, "status": {"allowed": allowed}}


def self(api: KubernetesApi, user: str, body: bytes) -> Document:
    """Answer a SelfSubjectReview, which is what `kubectl auth whoami` sends."""
    review = manifest.parse(body, "SelfSubjectReview", "authentication.k8s.io/v1")
    groups = ["system:masters"] if user == api.administrator else []
    info = {"username": user, "groups": [*groups, "system:authenticated"]}
    return {**review, "metadata": {"creationTimestamp": now()}, "status": {"userInfo": info}}


REVIEWS: dict[str, Callable[[KubernetesApi, str, bytes], Document]] = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": access,
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": self,
}
