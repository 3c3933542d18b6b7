"""What kubectl and those around it say: what it means, what is shown of it, and that neither takes long."""

import dataclasses
import time

import pytest

from rotator import errors
from rotator.delivery.errors import (
    AdmissionWebhookError,
    ApiServerDownError,
    CommandFailedError,
    ConflictError,
    DryRunUnsupportedError,
    KubeconfigError,
    KubectlMissingError,
    KubercError,
    KubernetesForbiddenError,
    KubernetesUnauthorizedError,
    ManifestRejectedError,
    NamespaceMissingError,
    OwnerReferenceError,
    QuotaExceededError,
    SudoError,
)
from rotator.delivery.ssh import kubectl_errors
from rotator.plan.plan import Strategy
from tests.fakes.examples import TARGET

# What kubectl 1.20 to 1.32 and shells really say.
STDERRS: list[tuple[str, int, str, type[errors.RotatorError]]] = [
    (
        "forbidden",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: User "system:serviceaccount:shop:rotator" '
        'cannot create resource "secrets" in API group "" in the namespace "default"',
        KubernetesForbiddenError,
    ),
    (
        "unauthorized",
        1,
        "error: You must be logged in to the server (Unauthorized)",
        KubernetesUnauthorizedError,
    ),
    (
        "no credentials",
        1,
        "error: You must be logged in to the server (the server has asked for the client to provide credentials)",
        KubernetesUnauthorizedError,
    ),
    (
        "credential plugin",
        1,
        "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255",
        KubernetesUnauthorizedError,
    ),
    (
        "quota",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: exceeded quota: few, requested: '
        "count/secrets=1, used: count/secrets=1, limited: count/secrets=1",
        QuotaExceededError,
    ),
    ("namespace", 1, 'Error from server (NotFound): namespaces "shop" not found', NamespaceMissingError),
    (
        "terminating namespace",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: unable to create new content in namespace '
        "shop because it is being terminated",
        NamespaceMissingError,
    ),
    (
        "exists",
        1,
        'Error from server (AlreadyExists): secrets "storage-sas" already exists',
        ConflictError,
    ),
    (
        "conflict",
        1,
        'Error from server (Conflict): Operation cannot be fulfilled on secrets "storage-sas": the object has been '
        "modified; please apply your changes to the latest version and try again",
        ConflictError,
    ),
    (
        "refused",
        1,
        "The connection to the server 10.0.0.4:6443 was refused - did you specify the right host or port?",
        ApiServerDownError,
    ),
    (
        "dial",
        1,
        "Unable to connect to the server: dial tcp 10.0.0.4:6443: connect: connection refused",
        ApiServerDownError,
    ),
    (
        "handshake",
        1,
        "Unable to connect to the server: net/http: TLS handshake timeout",
        ApiServerDownError,
    ),
    (
        "name",
        1,
        "Unable to connect to the server: dial tcp: lookup k8s.example.com on 10.0.0.2:53: no such host",
        ApiServerDownError,
    ),
    (
        "unavailable",
        1,
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
        ApiServerDownError,
    ),
    ("etcd", 1, "Error from server: etcdserver: request timed out", ApiServerDownError),
    (
        "words in names",
        1,
        'The Secret "etcdserver" is invalid: data[Timeout]: etcdserver: i/o timeout',
        ManifestRejectedError,
    ),
    (
        "quota that others use",
        1,
        'Error from server (Conflict): Operation cannot be fulfilled on resourcequotas "few": the object has been '
        "modified; please apply your changes to the latest version and try again",
        ConflictError,
    ),
    ("tls timeout", 1, 'Get "https://10.0.0.4:6443/x": net/http: TLS handshake timeout', ApiServerDownError),
    ("no kubeconfig", 1, "error: no configuration has been provided, try setting it", KubeconfigError),
    ("request timeout", 1, "error: context deadline exceeded", ApiServerDownError),
    (
        "invalid",
        1,
        'The Secret "storage-sas" is invalid: data[a/b]: a valid config key must consist of alphanumeric characters'
        "\nError from server (Invalid)",
        ManifestRejectedError,
    ),
    (
        "bad request",
        1,
        'Error from server (BadRequest): Secret in version "v1" cannot be handled as a Secret: illegal base64 data',
        ManifestRejectedError,
    ),
    ("dash", 127, "sh: 1: kubectl: not found", KubectlMissingError),
    ("bash", 127, "bash: line 1: kubectl: command not found", KubectlMissingError),
    ("env", 127, "env: 'kubectl': No such file or directory", KubectlMissingError),
    ("sudo", 1, "sudo: k3s: command not found", KubectlMissingError),
    ("not executable", 126, "sh: 1: /opt/kubectl: Permission denied", KubectlMissingError),
    ("kubeconfig missing", 1, "error: stat /etc/kubeconfig: no such file or directory", KubeconfigError),
    (
        "kubeconfig unreadable",
        1,
        'error: error loading config file "/etc/kubernetes/admin.conf": open /etc/kubernetes/admin.conf: permission '
        "denied",
        KubeconfigError,
    ),
    ("kubeconfig without context", 1, 'error: context "nope" does not exist', KubeconfigError),
    ("silent 127", 127, "", KubectlMissingError),
    ("silent", 1, "", CommandFailedError),
    ("old kubectl", 1, "Error: unknown flag: --raw", CommandFailedError),
    ("sudo password", 1, "sudo: a password is required", SudoError),
    (
        "sudo terminal",
        1,
        "sudo: a terminal is required to read the password; either use the -S option to read from standard input or "
        "configure an askpass helper",
        SudoError,
    ),
    (
        "sudo tty",
        1,
        "sudo: sorry, you must have a tty to run sudo",
        SudoError,
    ),
    ("sudoers", 1, "rotator is not in the sudoers file.", SudoError),
    (
        "sudo command",
        1,
        "Sorry, user rotator is not allowed to execute '/usr/bin/kubectl get' as root on master.",
        SudoError,
    ),
    ("sudo-rs password", 1, "sudo: interactive authentication is required", SudoError),
    ("sudo-rs command", 1, "sudo: I'm sorry rotator. I'm afraid I can't do that", SudoError),
    ("sudo-rs user", 1, "Sorry, user rotator may not run kubectl on master.", SudoError),
    ("sudo-rs attempts", 1, "sudo: Maximum 3 incorrect authentication attempts", SudoError),
    ("sudo-rs missing", 1, "sudo: 'k3s': command not found", KubectlMissingError),
    ("sudo-rs file", 1, "sudo: invalid configuration: syntax error", SudoError),
    ("sudo in French", 1, "sudo: il est nécessaire de saisir un mot de passe", SudoError),
    ("sudo in German", 1, "sudo: Ein Passwort ist notwendig", SudoError),
    (
        "sudo environment",
        1,
        "sudo: sorry, you are not allowed to set the following environment variables: KUBECONFIG",
        SudoError,
    ),
    ("sudo -E", 1, "sudo: sorry, you are not allowed to preserve the environment", SudoError),
    (
        "no new privileges",
        1,
        'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
        SudoError,
    ),
    ("setuid", 1, "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", SudoError),
    ("interactive", 1, "error: --interactive can not be used with --raw", KubercError),
    (
        "interactive deletion",
        0,
        "You are about to delete the following 1 resource(s):\nsecret/storage-sas\nDo you want to continue? (y/n): "
        "deletion is cancelled",
        KubercError,
    ),
    ("kuberc", 1, "error: error occurred while applying preferences", KubercError),
    (
        "snap home",
        1,
        "cannot create user data directory: /var/lib/rotator/snap/kubectl/3100: Permission denied",
        KubectlMissingError,
    ),
    (
        "snap elsewhere",
        1,
        "Sorry, home directories outside of /home needs configuration. See https://forum.snapcraft.io/t/11209 for "
        "details.",
        KubectlMissingError,
    ),
    ("snap cgroup", 1, "/user.slice/session-3.scope is not a snap cgroup", KubectlMissingError),
    (
        "microk8s",
        1,
        "Insufficient permissions to access MicroK8s. You can either try again with sudo or add the user rotator to "
        "the 'microk8s' group",
        KubeconfigError,
    ),
    (
        "expired certificate",
        1,
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not "
        "yet valid: current time 2026-11-30T09:00:00Z is after 2026-11-29T00:00:00Z",
        ApiServerDownError,
    ),
    (
        "client certificate",
        1,
        "Unable to connect to the server: remote error: tls: expired certificate",
        KubernetesUnauthorizedError,
    ),
    (
        "quota unknown",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: status unknown for quota: few, resources: '
        "count/secrets",
        QuotaExceededError,
    ),
    (
        "starting",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: not yet ready to handle request',
        ApiServerDownError,
    ),
    (
        "owner",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: cannot set blockOwnerDeletion if an '
        "ownerReference refers to a resource you can't set finalizers on: , <nil>",
        OwnerReferenceError,
    ),
    (
        "other admission",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: node may not write it',
        ManifestRejectedError,
    ),
    (
        "policy",
        1,
        "Error from server (Forbidden): secrets \"storage-sas\" is forbidden: ValidatingAdmissionPolicy 'team' "
        "with binding 'team' denied request: a team label is needed",
        ManifestRejectedError,
    ),
    (
        "dry run",
        1,
        'Error from server (BadRequest): admission webhook "policy.example.com" does not support dry run',
        DryRunUnsupportedError,
    ),
    (
        "webhook",
        1,
        'Error from server (InternalError): Internal error occurred: failed calling webhook "policy.example.com": '
        'failed to call webhook: Post "https://policy.kyverno.svc:443/validate?timeout=10s": no endpoints available '
        'for service "policy"',
        AdmissionWebhookError,
    ),
    (
        "webhook's certificate",
        1,
        'Error from server (InternalError): Internal error occurred: failed calling webhook "policy.example.com": Post '
        '"https://10.0.0.7:8443/?timeout=3s": x509: certificate has expired or is not yet valid: current time',
        AdmissionWebhookError,
    ),
    (
        "webhook that says unauthorized",
        1,
        'error: You must be logged in to the server (admission webhook "policy.example.com" denied the request: no '
        "team label)",
        ManifestRejectedError,
    ),
]


@pytest.mark.parametrize(("status", "words", "kind"), [each[1:] for each in STDERRS], ids=[each[0] for each in STDERRS])
def test_kubectls_failure_is_named_and_reported_in_its_own_words(
    status: int, words: str, kind: type[errors.RotatorError]
) -> None:
    error = kubectl_errors.explain(status, f"{words}\n", TARGET, "nothing was changed")
    assert type(error) is kind
    assert " ".join(words.split()) in str(error)
    assert str(error).endswith("; nothing was changed")
    assert error.remedy or kind is ManifestRejectedError


@pytest.mark.parametrize(
    ("words", "named", "remedy"),
    [
        (
            'failed calling webhook "policy.example.com": EOF',
            "webhook policy.example.com does not answer",
            "Repair that",
        ),
        ('admission webhook "a.b" denied the request: no', "webhook a.b refuses default/storage-sas", "apply"),
        (
            "ValidatingAdmissionPolicy 'team' with binding 'x' denied request: no",
            "admission policy team refuses",
            "apply",
        ),
        ("cannot set blockOwnerDeletion", "kubectl failed", "Run kubectl"),
        ("secrets is forbidden: cannot set blockOwnerDeletion if", "with its owner reference", "STRATEGY=apply"),
        ("webhook does not support dry run", "supports no dry run", "STRATEGY=apply"),
        ("x509: certificate has expired or is not", "the certificate of the API server has expired", "kubeadm certs"),
        (
            "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026",
            "is not valid yet",
            "clock",
        ),
        ("x509: certificate signed by unknown authority", "does not trust", "certificate-authority-data"),
        ("x509: certificate is valid for 10.0.0.1, not 10.0.0.2", "for other names", "tls-server-name"),
        ("sorry, you are not allowed to set the following environment variables: A", "sudo", "SETENV"),
        ('The "no new privileges" flag is set', "sudo", "NoNewPrivileges"),
        ("deletion is cancelled", "uses defaults of its user", "env_keep"),
        ("cannot create user data directory: /x", "snap does not run kubectl for rotator", "/home"),
    ],
)
def test_what_fails_is_named_with_its_own_remedy(words: str, named: str, remedy: str) -> None:
    error = kubectl_errors.explain(1, words, TARGET, "nothing was changed")
    assert named in str(error)
    assert remedy in error.remedy


def test_a_lack_of_verbs_is_only_what_the_authorizer_says() -> None:
    denied = 'secrets "a" is forbidden: {}'
    rbac = denied.format('User "a" cannot create resource "secrets" in API group "" in the namespace "default"')
    kinds = {
        type(kubectl_errors.explain(1, f"Error from server (Forbidden): {words}", TARGET, "x"))
        for words in (rbac, "no")
    }
    assert kinds == {KubernetesForbiddenError}


@pytest.mark.parametrize(
    "words",
    [
        'admission webhook "a.b" denied the request: no',
        'admission webhook "a.b" does not support dry run',
        "is forbidden: cannot set blockOwnerDeletion",
    ],
)
def test_with_apply_the_remedy_of_a_refusal_does_not_advise_it(words: str) -> None:
    apply = dataclasses.replace(TARGET, strategy=Strategy.APPLY)
    assert "apply" not in kubectl_errors.explain(1, words, apply, "x").remedy


@pytest.mark.parametrize(
    "noise",
    [
        'time="2026-11-30T09:00:00Z" level=warning msg="Unable to read /etc/rancher/k3s/k3s.yaml, please start server '
        'with --write-kubeconfig-mode or --write-kubeconfig-group to modify kube config permissions"',
        'WARNING: cannot create user data directory: cannot create "/nonexistent/snap/kubectl/3100": permission denied',
        "mkdir: cannot create directory '/run/user/1001': Permission denied",
        "Warning: v1 Secret: permission denied",
        "sudo: unable to resolve host master: Name or service not known",
        "E1130 09:00:00.123456   4711 memcache.go:265] permission denied",
        "W1130 09:00:00.123456   4711 loader.go:222] Config not found: no such file or directory",
    ],
)
def test_a_warning_beside_what_failed_is_neither_taken_for_it_nor_quoted(noise: str) -> None:
    failed = 'Error from server (Forbidden): secrets "a" is forbidden: User "b" cannot get resource "secrets"'
    error = kubectl_errors.explain(1, f"{noise}\n{failed}\n{noise}\n", TARGET, "nothing was changed")
    assert isinstance(error, KubernetesForbiddenError)
    assert "ermission denied" not in str(error)


def test_a_warning_alone_is_what_failed() -> None:
    words = 'time="2026-11-30T09:00:00Z" level=warning msg="Unable to read /etc/rancher/k3s/k3s.yaml"'
    error = kubectl_errors.explain(1, words, TARGET, "nothing was changed")
    assert isinstance(error, KubeconfigError)
    assert "k3s.yaml" in str(error)


def test_throttling_api_server_is_not_reported_as_a_refused_manifest() -> None:
    words = "Error from server (TooManyRequests): the server has received too many requests, please try again later"
    assert isinstance(kubectl_errors.explain(1, words, TARGET, "nothing was changed"), ApiServerDownError)


@pytest.mark.parametrize("reason", ["", " (Forbidden)"])
def test_denial_of_an_admission_webhook_is_a_refused_manifest(reason: str) -> None:
    words = f'Error from server{reason}: admission webhook "policy.example.com" denied the request: no team label'
    assert isinstance(kubectl_errors.explain(1, words, TARGET, "nothing was changed"), ManifestRejectedError)


def test_refused_manifest_has_a_remedy() -> None:
    assert kubectl_errors.explain(1, "Error from server (Invalid): x", TARGET, "nothing was changed").remedy


def test_silent_failure_is_reported_with_its_status() -> None:
    error = kubectl_errors.explain(3, "", TARGET, "nothing was changed")
    assert isinstance(error, CommandFailedError)
    assert error.status == 3
    assert str(error) == (
        "kubectl failed on rotator@master.example.com:22: kubectl ended with status 3 and printed no error; "
        "nothing was changed"
    )


# Words without end: what is quadratic in them would take hours

MEBIBYTES = 4 * 2**20
ENDLESS = [
    "sh: ",
    "error: stat ",
    "Sorry, user ",
    'context "',
    'namespaces "',
    "sig",
    "-----BEGIN PRIVATE KEY-----",
    "a",
    "\n",
]


@pytest.mark.parametrize("words", ENDLESS)
def test_endless_words_are_explained_in_linear_time(words: str) -> None:
    began = time.monotonic()
    error = kubectl_errors.explain(1, words * (MEBIBYTES // len(words)), TARGET, "nothing was changed")
    assert time.monotonic() - began < 10
    assert len(str(error)) < 1000


def test_what_fails_at_the_end_of_many_words_is_named() -> None:
    words = "warning: something\n" * 100_000 + "Error from server (ServiceUnavailable): not now\n"
    assert isinstance(kubectl_errors.explain(1, words, TARGET, "nothing was changed"), ApiServerDownError)


@pytest.mark.parametrize(
    "stderr",
    [
        'The Secret "storage-sas" is invalid: data[tls.crt]: Required value',
        'The Secret "storage-sas" is invalid: \n* data[tls.crt]: Required value\n* data[tls.key]: Required value',
        'Error from server (Invalid): Secret "storage-sas" is invalid: data[.dockercfg]: Required value',
        'The Secret "storage-sas" is invalid: data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": x',
    ],
)
@pytest.mark.parametrize("strategy", Strategy)
def test_data_keys_that_the_type_wants_are_a_matter_of_the_type(stderr: str, strategy: Strategy) -> None:
    target = dataclasses.replace(TARGET, strategy=strategy)
    error = kubectl_errors.explain(1, stderr, target, "nothing was changed")
    assert isinstance(error, ManifestRejectedError)
    assert str(error).startswith(f"the data keys of {TARGET} do not fit its type: ")
    assert error.remedy == (
        "The API server wants certain data keys, or a certain form of them, in a Secret of its type: write them by "
        "KUBERNETES_SECRET_DATA, or set KUBERNETES_SECRET_TYPE=Opaque."
    )


def test_other_wrong_data_key_is_not_a_matter_of_the_type() -> None:
    stderr = (
        'The Secret "storage-sas" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of x'
    )
    assert "KUBERNETES_SECRET_TYPE" not in kubectl_errors.explain(1, stderr, TARGET, "nothing was changed").remedy
