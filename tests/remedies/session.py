"""What `az` has once somebody is signed in: tokens, and requests with them to Resource Manager and to a vault."""

import contextlib
import dataclasses
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

VARIABLE = "AZ_SESSION"
VAULT_API = "7.4"
APIS = {
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.KeyVault": "2024-11-01",
    "Microsoft.ManagedIdentity": "2023-01-31",
    "Microsoft.Storage": "2024-01-01",
    "Microsoft.Web": "2024-04-01",
}


class AzError(Exception):
    """What `az` ends with; `status` is its exit code."""

    def __init__(self, message: str, status: int = 1, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclasses.dataclass(frozen=True)
class Session:
    """Where the services are, and a token for each audience; `directory` has object ids by application ids and names.

    While there is no file `profile`, nobody is signed in.
    """

    resource_manager: str
    subscription: str
    tenant: str
    certificate_authority: str
    profile: str
    management_audience: str
    vault_audience: str
    tokens: dict[str, str] = dataclasses.field(repr=False)
    directory: dict[str, str] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=dict)  # other api-versions than in APIS

    def as_text(self) -> str:
        """Give it as the variable holds it."""
        return json.dumps(dataclasses.asdict(self))

    def manage(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Ask Resource Manager; the api-version is that of the path's last provider."""
        provider = path.rpartition("/providers/")[2].partition("/")[0]
        parameters = {"api-version": self.versions.get(provider, APIS[provider])} | {
            f"${name}": text for name, text in query.items()
        }
        url = f"{self.resource_manager}{path}?{urllib.parse.urlencode(parameters)}"
        return self._send(method, url, self.tokens[self.management_audience], body)

    def request_vault(self, method: str, url: str, body: Any = None) -> Any:
        """Ask a vault's data plane."""
        return self._send(method, f"{url}?api-version={VAULT_API}", self.tokens[self.vault_audience], body)

    def _send(self, method: str, url: str, token: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self._opener().open(request, timeout=20) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            with contextlib.closing(refused):
                raise _explained(refused.code, refused.read()) from refused
        except OSError as error:
            raise AzError(f"nothing answers: {error}") from error

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self.certificate_authority)
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )


def read(text: str, *, signing_in: bool) -> Session:
    """Read the variable; raises AzError while nobody is signed in, unless that is what somebody is about to do."""
    found = Session(**json.loads(text)) if text else None
    if found is None or not (signing_in or Path(found.profile).exists()):
        raise AzError("Please run 'az login' to setup account.")
    return found


def _explained(status: int, body: bytes) -> AzError:
    """The real program ends with 3 for what isn't there."""
    error = json.loads(body)["error"]
    return AzError(f"({error['code']}) {error['message']}", 3 if status == 404 else 1, error["code"])
