"""Output of the master as errors quote it: what explains the failure stays, and no value does."""

import base64

import pytest

from rotator.delivery.ssh import remote_output
from rotator.redaction import SecretText

# What a refusal may repeat of the manifest: values in clear and encoded, a SAS's signature without its name

VALUES = ["Tr0ub4dor&3", "b25seSBoZXJlIQ==", "YWJj", "MDEyMzQ1Njc4OWFiY2Rl", "pa55", "sv=2018-03-28", "n0t-a-word"]
REFUSALS = [
    'Error from server: admission webhook "policy.example.com" denied the request: value {} is weak',
    'Error from server (Forbidden): admission webhook "policy.example.com" denied the request: map[password:{}]',
    'error: You must be logged in to the server (admission webhook "policy.example.com" denied the request: {})',
    'The request is invalid: admission webhook "policy.example.com" denied the request: {{"p": "{}"}}',
    "Error from server (Forbidden): secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied "
    "request: failed expression: object.data.p != '{}'",
    'Error from server (InternalError): Internal error occurred: failed calling webhook "policy.example.com": an error '
    'on the server ("boom {{\\"p\\": \\"{}\\"}}") has prevented the request from succeeding',
    'Error from server (BadRequest): Secret in version "v1" cannot be handled as a Secret: v1.Secret.Data: illegal '
    'base64 data at input byte 7, error found in #10 byte of ...|"{}","q":"c3dv|..., bigger context ...|"p":"{}"|...',
    'The Secret "a" is invalid: metadata.labels: Invalid value: "{}": a valid label must be an empty string',
    'The Secret "a" is invalid: metadata.labels: Invalid value: {}: a valid label must be an empty string',
    'Error from server (Forbidden): secrets "a" is forbidden: {} is not what we like',
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_quoted_without_what_the_manifest_held(refusal: str, value: str) -> None:
    quoted = remote_output.quote(refusal.format(value, value))
    assert value not in quoted
    assert remote_output.quote(refusal).partition(" ")[0] in quoted
    assert "[…]" in quoted


def test_a_value_of_several_words_is_left_out_where_it_is_quoted() -> None:
    words = 'admission webhook "policy.example.com" denied the request: "correct horse battery" has no digits'
    assert remote_output.quote(words) == (
        'admission webhook "policy.example.com" denied the request: […] has no digits'
    )


@pytest.mark.parametrize(
    "words",
    [
        'admission webhook "policy.example.com" denied the request: Secrets need an owner',
        'admission webhook "validate.kyverno.svc-fail" denied the request: resource Secret/default/storage-sas was '
        "blocked due to the following policies require-labels: check-team: 'validation error: label team is required. "
        "rule check-team failed at path /metadata/labels/team/'",
        'admission webhook "policy.example.com" denied the request: label "team" is needed, RFC and HTTP 422',
        'Error from server (InternalError): Internal error occurred: failed calling webhook "policy.example.com": Post '
        '"https://127.0.0.1:8443/?timeout=3s": dial tcp 127.0.0.1:8443: connect: connection refused',
    ],
)
def test_what_tells_why_is_kept(words: str) -> None:
    assert remote_output.quote(words) == words


def test_quote_masks_what_the_server_echoes_of_the_manifest() -> None:
    echo = base64.b64encode(b'{"data": {"secretKey": "somebody else his value"}}').decode()
    assert remote_output.quote(f'illegal base64 data: "{echo}"\n  at input byte 3') == (
        'illegal base64 data: "[secret]" at input byte 3'
    )


def test_quote_masks_living_secrets_and_unknown_sas() -> None:
    secret = SecretText("hunter2-hunter2")
    assert remote_output.quote("bad value hunter2-hunter2 and sv=2018-03-28&sig=Zm9v") == (
        "bad value [secret] and sv=2018-03-28&sig=[secret]"
    )
    assert secret.reveal() == "hunter2-hunter2"


def test_quote_is_short() -> None:
    quoted = remote_output.quote("very many words " * 100)
    assert len(quoted) == 401
    assert quoted.endswith("…")


def test_a_secret_at_the_edge_of_what_is_cut_off_is_not_quoted_in_part() -> None:
    secret = SecretText("hunter2-" * 4)
    for before in range(8 * 1024 - 40, 8 * 1024):
        assert "unter" not in remote_output.quote(" " * before + secret.reveal() + " " * 20_000)
