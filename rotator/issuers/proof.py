"""The proof of a SAS: one harmless request to blob storage that only an accepted SAS can make."""

import logging
import time
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
from rotator.sas import SIGNED_VERSION, Sas

logger = logging.getLogger(__name__)

# Storage checks the signature before it looks at what the SAS grants; these codes come after that check
# (https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes).
_PERMISSION_CODES = {
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
}
# `{endpoint}` is where the endpoint is written.
_REMEDIES = {
    BY_FIREWALL: "Check the storage firewall: this app's network may not be let through.",
    "KeyBasedAuthenticationNotPermitted": "Allow shared key access on the account: Key Vault's SAS is signed with it.",
    "AuthorizationSourceIPMismatch": "The SAS is bound to other addresses; correct the SAS definition.",
    "AuthorizationProtocolMismatch": "Set {endpoint} to an https URL.",
}
_UNREACHABLE = "Check {endpoint}, name resolution and the storage firewall, or set ROTATION_PROVE=false."
_REMEDY = (
    "Check that the account's keys were not regenerated outside Key Vault (then set them in the vault again), "
    "and that {endpoint} is the managed account's."
)

_UNAUTHORIZED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REFUSALS = (*_UNAUTHORIZED, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)
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
        return self._until(StillAcceptedError, self._try_refusal, sas, endpoint)

    def _until(self, again: type[StorageError], attempt: _Try, sas: Sas, endpoint: str) -> str:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(again),
            wait=tenacity.wait_exponential(multiplier=0.5, max=8),
            stop=tenacity.stop_before_delay(self._seconds),
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
        # Get Blob Service Properties changes nothing, needs no container, and is answered with little.
        url = f"{endpoint}/?restype=service&comp=properties&{sas.token.reveal()}"
        try:
            response = client.send_request(HttpRequest("GET", url, headers={"x-ms-version": SIGNED_VERSION}))
            response.read()
        except (AzureError, OSError) as error:
            diagnosis = network_errors.diagnose(error, endpoint, self._named, self._remedy(_UNREACHABLE))
            # Not chained: the foreign message quotes the URL, and with it the SAS.
            raise StorageUnreachableError(diagnosis.text, remedy=diagnosis.remedy) from None
        code = response.headers.get("x-ms-error-code", "")
        return self._judge(response.status_code, code, sas, endpoint)

    def _judge(self, status: int, code: str, sas: Sas, endpoint: str) -> str:
        answer = f"{endpoint} answered {status} {code}".rstrip()
        if status == HTTPStatus.OK:
            return "accepted"
        if status == HTTPStatus.FORBIDDEN and code in _PERMISSION_CODES:
            if "b" in sas.services and "s" in sas.resource_types and "r" in sas.permissions:
                raise StorageRefusedError(
                    answer,
                    f"for {sas}, which should grant that",
                    remedy=self._remedy(_REMEDY),
                    status=status,
                    storage_code=code,
                )
            return f"accepted ({code}, as the SAS grants no reading of service properties)"
        if status in _REFUSALS:
            remedy = _REMEDIES.get(code, _REMEDY) if status in _UNAUTHORIZED else _REMEDY
            raise StorageRefusedError(
                answer,
                f"for {sas}",
                "it was not delivered",
                remedy=self._remedy(remedy),
                status=status,
                storage_code=code,
            )
        text = f"{answer}, which neither accepts nor refuses the SAS"
        raise StorageUnreachableError(text, remedy=self._remedy(_UNREACHABLE))

    def _remedy(self, words: str) -> str:
        return words.format(endpoint=self._named)
