import base64
import dataclasses
import time

import pytest

from rotator import errors, kubectl
from rotator.redaction import Secret
from tests.unit.examples import CLUSTER, TARGET, TOKEN

MARK = "rotator-0123456789abcdef"

# What kubectl 1.20 to 1.32 and shells really say.
SAID: list[tuple[str, int, str, type[errors.RotatorError]]] = [
    (
        "forbidden",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: User "system:serviceaccount:shop:rotator" '
        'cannot create resource "secrets" in API group "" in the namespace "default"',
        errors.KubernetesForbiddenError,
    ),
    (
        "unauthorized",
        1,
        "error: You must be logged in to the server (Unauthorized)",
        errors.KubernetesUnauthorizedError,
    ),
    (
        "no credentials",
        1,
        "error: You must be logged in to the server (the server has asked for the client to provide credentials)",
        errors.KubernetesUnauthorizedError,
    ),
    (
        "credential plugin",
        1,
        "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255",
        errors.KubernetesUnauthorizedError,
    ),
    (
        "quota",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: exceeded quota: few, requested: '
        "count/secrets=1, used: count/secrets=1, limited: count/secrets=1",
        errors.QuotaExceededError,
    ),
    ("namespace", 1, 'Error from server (NotFound): namespaces "shop" not found', errors.NamespaceMissingError),
    (
        "terminating namespace",
        1,
        'Error from server (Forbidden): secrets "storage-sas" is forbidden: unable to create new content in namespace '
        "shop because it is being terminated",
        errors.NamespaceMissingError,
    ),
    (
        "exists",
        1,
        'Error from server (AlreadyExists): secrets "storage-sas" already exists',
        errors.ConflictError,
    ),
    (
        "conflict",
        1,
        'Error from server (Conflict): Operation cannot be fulfilled on secrets "storage-sas": the object has been '
        "modified; please apply your changes to the latest version and try again",
        errors.ConflictError,
    ),
    (
        "refused",
        1,
        "The connection to the server 10.0.0.4:6443 was refused - did you specify the right host or port?",
        errors.ApiServerDownError,
    ),
    (
        "dial",
        1,
        "Unable to connect to the server: dial tcp 10.0.0.4:6443: connect: connection refused",
        errors.ApiServerDownError,
    ),
    (
        "handshake",
        1,
        "Unable to connect to the server: net/http: TLS handshake timeout",
        errors.ApiServerDownError,
    ),
    (
        "name",
        1,
        "Unable to connect to the server: dial tcp: lookup k8s.example.com on 10.0.0.2:53: no such host",
        errors.ApiServerDownError,
    ),
    (
        "unavailable",
        1,
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
        errors.ApiServerDownError,
    ),
    ("etcd", 1, "Error from server: etcdserver: request timed out", errors.ApiServerDownError),
    ("request timeout", 1, "error: context deadline exceeded", errors.ApiServerDownError),
    (
        "invalid",
        1,
        'The Secret "storage-sas" is invalid: data[a/b]: Invalid value: "a/b": a valid config key must consist of '
        "alphanumeric characters\nError from server (Invalid)",
        errors.ManifestRejectedError,
    ),
    (
        "bad request",
        1,
        'Error from server (BadRequest): Secret in version "v1" cannot be handled as a Secret: illegal base64 data',
        errors.ManifestRejectedError,
    ),
    ("dash", 127, "sh: 1: kubectl: not found", errors.KubectlMissingError),
    ("bash", 127, "bash: line 1: kubectl: command not found", errors.KubectlMissingError),
    ("env", 127, "env: 'kubectl': No such file or directory", errors.KubectlMissingError),
    ("sudo", 1, "sudo: k3s: command not found", errors.KubectlMissingError),
    ("not executable", 126, "sh: 1: /opt/kubectl: Permission denied", errors.KubectlMissingError),
    ("kubeconfig missing", 1, "error: stat /etc/kubeconfig: no such file or directory", errors.KubeconfigError),
    (
        "kubeconfig unreadable",
        1,
        'error: error loading config file "/etc/kubernetes/admin.conf": open /etc/kubernetes/admin.conf: permission '
        "denied",
        errors.KubeconfigError,
    ),
    ("kubeconfig without context", 1, 'error: context "nope" does not exist', errors.KubeconfigError),
    ("silent 127", 127, "", errors.KubectlMissingError),
    ("silent", 1, "", errors.CommandFailedError),
    ("old kubectl", 1, "Error: unknown flag: --raw", errors.CommandFailedError),
    ("sudo password", 1, "sudo: a password is required", errors.SudoError),
    (
        "sudo terminal",
        1,
        "sudo: a terminal is required to read the password; either use the -S option to read from standard input or "
        "configure an askpass helper",
        errors.SudoError,
    ),
    (
        "sudo tty",
        1,
        "sudo: sorry, you must have a tty to run sudo",
        errors.SudoError,
    ),
    ("sudoers", 1, "rotator is not in the sudoers file.", errors.SudoError),
    (
        "sudo command",
        1,
        "Sorry, user rotator is not allowed to execute '/usr/bin/kubectl get' as root on master.",
        errors.SudoError,
    ),
]


@pytest.mark.parametrize(("status", "words", "kind"), [each[1:] for each in SAID], ids=[each[0] for each in SAID])
def test_kubectls_failure_is_named_and_told_in_its_own_words(
    status: int, words: str, kind: type[errors.RotatorError]
) -> None:
    error = kubectl.explain(status, f"{words}\n", TARGET, "nothing was changed")
    assert type(error) is kind
    assert " ".join(words.split()) in str(error)
    assert str(error).endswith("; nothing was changed")
    assert error.remedy or kind is errors.ManifestRejectedError


def test_throttling_api_server_is_not_told_as_a_refused_manifest() -> None:
    words = "Error from server (TooManyRequests): the server has received too many requests, please try again later"
    assert isinstance(kubectl.explain(1, words, TARGET, "nothing was changed"), errors.ApiServerDownError)


@pytest.mark.parametrize("reason", ["", " (Forbidden)"])
def test_denial_of_an_admission_webhook_is_a_refused_manifest(reason: str) -> None:
    words = f'Error from server{reason}: admission webhook "policy.example.com" denied the request: no team label'
    assert isinstance(kubectl.explain(1, words, TARGET, "nothing was changed"), errors.ManifestRejectedError)


def test_refused_manifest_has_a_remedy() -> None:
    assert kubectl.explain(1, "Error from server (Invalid): x", TARGET, "nothing was changed").remedy


def test_silent_failure_is_told_with_its_status() -> None:
    error = kubectl.explain(3, "", TARGET, "nothing was changed")
    assert isinstance(error, errors.CommandFailedError)
    assert error.status == 3
    assert str(error) == (
        "kubectl failed on rotator@master.example.com:22: kubectl ended with status 3 and said nothing; "
        "nothing was changed"
    )


def test_only_the_secret_itself_counts_as_not_found() -> None:
    assert kubectl.not_found('Error from server (NotFound): secrets "storage-sas" not found\n')
    assert not kubectl.not_found('Error from server (NotFound): namespaces "shop" not found\n')
    assert not kubectl.not_found("Error from server (NotFound): the server could not find the requested resource\n")
    assert not kubectl.not_found("")


def test_quote_masks_what_the_server_echoes_of_the_manifest() -> None:
    echo = base64.b64encode(b'{"data": {"secretKey": "somebody else his value"}}').decode()
    assert kubectl.quote(f'illegal base64 data: "{echo}"\n  at input byte 3') == (
        'illegal base64 data: "[secret]" at input byte 3'
    )


def test_quote_masks_living_secrets_and_unknown_sas() -> None:
    secret = Secret("hunter2-hunter2")
    assert kubectl.quote("bad value hunter2-hunter2 and sv=2018-03-28&sig=Zm9v") == (
        "bad value [secret] and sv=2018-03-28&sig=[secret]"
    )
    assert secret.reveal() == "hunter2-hunter2"


def test_quote_is_short() -> None:
    quoted = kubectl.quote("very many words " * 100)
    assert len(quoted) == 401
    assert quoted.endswith("…")


def test_answer_is_split_into_its_steps() -> None:
    answer = kubectl.parse(
        f"motd\n{MARK} held\nline 1\nline 2\n{MARK} ready\n{MARK} done\n{MARK} confirm\n{{}}\n", MARK
    )
    assert answer.steps == {"": "motd\n", "held": "line 1\nline 2\n", "ready": "", "done": "", "confirm": "{}\n"}
    assert answer.has("done")
    assert not answer.has("refused")


def test_mark_of_another_run_is_no_step() -> None:
    assert kubectl.parse("rotator-ffff done\n", MARK).steps == {"": "rotator-ffff done\n"}


def test_answer_shows_none_of_what_was_read() -> None:
    assert TOKEN not in repr(kubectl.parse(f"{MARK} held\n{TOKEN}\n", MARK))


def test_stdin_is_the_new_manifest_the_one_to_put_back_and_the_mark() -> None:
    assert kubectl.stdin(MARK, Secret("{new}"), Secret("{old}")).reveal() == f"{{new}}\n{{old}}\n{MARK}\n"
    assert kubectl.stdin(MARK, Secret("{new}"), None).reveal() == f"{{new}}\n\n{MARK}\n"
    assert str(kubectl.stdin(MARK, Secret("{new}"), None)) == "[secret]"


def test_observation_names_the_target_and_bounds_the_request() -> None:
    k3s = dataclasses.replace(CLUSTER, kubectl=("sudo", "/opt/my tools/k3s", "kubectl"))
    command = kubectl.observe(dataclasses.replace(TARGET, cluster=k3s, namespace="shop"))
    assert command.endswith(
        "sudo '/opt/my tools/k3s' kubectl --request-timeout=15s get --raw /api/v1/namespaces/shop/secrets/storage-sas"
    )


def test_line_ends_of_unicode_within_the_json_do_not_break_it() -> None:
    steps = kubectl.parse('m held\n{"note": "caf\u0085e \u2028"}\nm ready\n', "m").steps
    assert steps == {"held": '{"note": "caf\u0085e \u2028"}\n', "ready": ""}


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
    error = kubectl.explain(1, words * (MEBIBYTES // len(words)), TARGET, "nothing was changed")
    assert time.monotonic() - began < 10
    assert len(str(error)) < 1000


def test_what_fails_at_the_end_of_many_words_is_named() -> None:
    words = "warning: something\n" * 100_000 + "Error from server (ServiceUnavailable): not now\n"
    assert isinstance(kubectl.explain(1, words, TARGET, "nothing was changed"), errors.ApiServerDownError)


def test_a_secret_at_the_edge_of_what_is_cut_off_is_not_quoted_in_part() -> None:
    secret = Secret("hunter2-" * 4)
    for before in range(8 * 1024 - 40, 8 * 1024):
        assert "unter" not in kubectl.quote(" " * before + secret.reveal() + " " * 20_000)


@pytest.mark.parametrize("line", ["", "x", "rotator-ffff step"])
def test_an_answer_of_very_many_lines_is_split_in_linear_time(line: str) -> None:
    began = time.monotonic()
    answer = kubectl.parse(f"{line}\n" * 1_000_000, MARK)
    assert time.monotonic() - began < 10
    assert answer.steps == {"": f"{line}\n" * 1_000_000}
