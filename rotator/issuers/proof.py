"""The proof of a SAS: one harmless request to blob storage that only an accepted SAS can make.

An account SAS reads the service's properties. A SAS for a container or a part of it asks for a blob that need not
exist, or where it may not read, lists one.
"""

import logging
import time
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus

import tenacity
from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from rotator.azure import bounded_http, network_errors, retries
from rotator.azure.errors import (
    BY_FIREWALL,
    StillAcceptedError,
    StorageError,
    StorageRefusedError,
    StorageUnreachableError,
)
from rotator.issuers.interface import PROOF_SECONDS
from rotator.plan.account import Account
from rotator.sas import SIGNED_VERSION, Sas, Scope

logger = logging.getLogger(__name__)

# Storage checks the signature before it looks at what the SAS grants; these codes come after that check
# (https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes).
_PERMISSION_CODES = {
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
}
_OTHER_ADDRESS = "AuthorizationSourceIPMismatch"
# `{endpoint}` is where the endpoint is written.
_REMEDIES = {
    BY_FIREWALL: "Check the storage firewall: this app's network may not be let through.",
    "KeyBasedAuthenticationNotPermitted": "Allow shared key access on the account: an account key signs the SAS.",
    _OTHER_ADDRESS: "The SAS is bound to other addresses; correct the SAS definition.",
    "AuthorizationProtocolMismatch": "Set {endpoint} to an https URL.",
}
_UNREACHABLE = "Check {endpoint}, name resolution and the storage firewall, or set ROTATION_PROVE=false."
_NO_CONTAINER = "Create the container, or correct the setting that names it."
_NO_DATA_ROLE = (
    "A user delegation SAS can do no more than the app's identity may do: assign it the role Storage Blob Data Reader "
    "(Storage Blob Data Contributor, to write) on the container, and wait some minutes."
)
_REMEDY = (
    "Check that the account's keys were not regenerated outside Key Vault where that manages them (then set them in "
    "the vault again), and that {endpoint} is the account's."
)
_DELEGATION_REMEDY = (
    "Check that {endpoint} is the account's, and that nobody revoked its user delegation keys a moment ago: then the "
    "next run gets another one."
)

_UNAUTHORIZED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REFUSALS = (*_UNAUTHORIZED, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)
# Storage caches user delegation keys, so that their revocation takes effect late, by no published time
# (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#revoke-a-user-delegation-sas).
_DELEGATION_PATIENCE = 4.0
_PROOF_BLOB = "rotator-proof"  # need not exist
_QUICK_SECONDS, _QUICK_WHOLE_SECONDS = 5.0, 10.0
_Client = PipelineClient[HttpRequest, HttpResponse]
_Try = Callable[[_Client, Sas, str], str]


class StorageProver:
    """Tries SAS on storage. An answer other than the expected one is retried for `seconds`.

    A new credential was seen to be refused for some ten seconds after it was made, and an old key to be accepted as
    long. With `quick`, a storage that does not answer is not retried, and the time limits are shorter. `whole` bounds
    one try, in seconds. `named` is where the endpoint is written, for remedies.
    """

    def __init__(
        self,
        *,
        seconds: float = PROOF_SECONDS,
        quick: bool = False,
        whole: float | None = None,
        named: str = Account.usual_origin("blob_endpoint"),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._quick = quick
        self._whole = whole
        self._named = named
        self._sleep = sleep

    def prove(self, sas: Sas, endpoint: str) -> str:
        """Return how storage accepted the SAS; raises StorageRefusedError or StorageUnreachableError."""
        return self._until(StorageRefusedError, self._try, sas, endpoint)

    def prove_refused(self, sas: Sas, endpoint: str) -> str:
        """Return how storage refused the SAS; raises StillAcceptedError or StorageUnreachableError."""
        times = _DELEGATION_PATIENCE if sas.delegated else 1.0
        return self._until(StillAcceptedError, self._try_refusal, sas, endpoint, times)

    def _until(self, again: type[StorageError], attempt: _Try, sas: Sas, endpoint: str, times: float = 1.0) -> str:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(again),
            wait=tenacity.wait_exponential(multiplier=0.5, max=8),
            stop=tenacity.stop_before_delay(self._seconds * times),
            sleep=self._sleep,
            reraise=True,
        )
        client: _Client
        policy = retries.BoundedRetryPolicy(retry_total=0 if self._quick else 3)
        with PipelineClient(endpoint, policies=[policy], transport=self._transport()) as client:
            return attempts(attempt, client, sas, endpoint)

    def _transport(self) -> bounded_http.Transport:
        if not self._quick:
            return retries.transport(whole=self._whole or retries.WHOLE_SECONDS)
        whole = self._whole or _QUICK_WHOLE_SECONDS
        return retries.transport(connect=_QUICK_SECONDS, read=_QUICK_SECONDS, whole=whole)

    def _try_refusal(self, client: _Client, sas: Sas, endpoint: str) -> str:
        try:
            self._try(client, sas, endpoint)
        except StorageRefusedError as refusal:
            return refusal.answer
        raise StillAcceptedError(f"{endpoint} still accepts {sas}")

    def _try(self, client: _Client, sas: Sas, endpoint: str) -> str:
        method, address = _request(sas, endpoint)
        version = max(sas.version, SIGNED_VERSION)
        try:
            url = f"{address}{sas.token.reveal()}"
            response = client.send_request(HttpRequest(method, url, headers={"x-ms-version": version}))
            response.read()
        except (AzureError, OSError) as error:
            diagnosis = network_errors.diagnose(error, endpoint, self._named, self._remedy(_UNREACHABLE))
            # Not chained: the foreign message quotes the URL, and with it the SAS.
            raise StorageUnreachableError(diagnosis.text, remedy=diagnosis.remedy) from None
        code = response.headers.get("x-ms-error-code", "")
        return self._judge(response.status_code, code, sas, endpoint)

    def _judge(self, status: int, code: str, sas: Sas, endpoint: str) -> str:
        answer = f"{endpoint} answered {status} {code}".rstrip()
        if status == HTTPStatus.OK or code == "BlobNotFound":
            return "accepted"
        if status == HTTPStatus.FORBIDDEN and code == _OTHER_ADDRESS and sas.ip:
            return f"accepted ({code}, as the SAS is for {sas.ip})"
        if status == HTTPStatus.FORBIDDEN and code in _PERMISSION_CODES and not _may_read(sas):
            return f"accepted ({code}, as the SAS grants no reading {_of_what(sas)})"
        if status in _REFUSALS:
            may_more = status == HTTPStatus.FORBIDDEN and code in _PERMISSION_CODES
            raise StorageRefusedError(
                answer,
                f"for {sas}, which should grant that" if may_more else f"for {sas}",
                "" if may_more else "it was not delivered",
                remedy=self._remedy(_refusal_remedy(status, code, sas)),
                status=status,
                storage_code=code,
            )
        text = f"{answer}, which neither accepts nor refuses the SAS"
        raise StorageUnreachableError(text, remedy=self._remedy(_UNREACHABLE))

    def _remedy(self, words: str) -> str:
        return words.format(endpoint=self._named)


def _request(sas: Sas, endpoint: str) -> tuple[str, str]:
    """Return a request's method and its URL, up to the SAS; it changes nothing, and its answer is small."""
    if sas.scope is Scope.ACCOUNT:
        return "GET", f"{endpoint}/?restype=service&comp=properties&"
    container, _, name = sas.path.partition("/")
    if "r" not in sas.permissions and "l" in sas.permissions:
        prefix = f"&prefix={urllib.parse.quote(name)}/" if name else ""
        return "GET", f"{endpoint}/{container}?restype=container&comp=list&maxresults=1{prefix}&"
    blob = name if sas.scope is Scope.BLOB else "/".join(filter(None, (name, _PROOF_BLOB)))
    return "HEAD", f"{endpoint}/{container}/{urllib.parse.quote(blob)}?"


def _may_read(sas: Sas) -> bool:
    """Whether the SAS grants what the request asks for."""
    if sas.scope is Scope.ACCOUNT:
        return "b" in sas.services and "s" in sas.resource_types and "r" in sas.permissions
    return bool(set("rl") & set(sas.permissions))


def _of_what(sas: Sas) -> str:
    return "of service properties" if sas.scope is Scope.ACCOUNT else "of blobs"


def _refusal_remedy(status: int, code: str, sas: Sas) -> str:
    if code in _PERMISSION_CODES and sas.delegated:
        return _NO_DATA_ROLE
    if code == "ContainerNotFound":
        return _NO_CONTAINER
    usual = _DELEGATION_REMEDY if sas.delegated else _REMEDY
    return _REMEDIES.get(code, usual) if status in _UNAUTHORIZED else usual
