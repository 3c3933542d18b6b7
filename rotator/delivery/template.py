"""Renders the templates of a Secret's data: puts a SAS, and what belongs to it, in place of the placeholders."""

import dataclasses
import urllib.parse
from collections.abc import Callable, Mapping

from rotator import timestamps
from rotator.delivery.errors import TemplateError
from rotator.plan import addresses
from rotator.plan.account import Account
from rotator.plan.secret_template import Placeholder, Template
from rotator.redaction import SecretText
from rotator.sas import Sas


@dataclasses.dataclass(frozen=True)
class Values:
    """What placeholders stand for; None for what is not known. Its repr shows no secret.

    `blob_endpoint` is without a final slash. `blob` is the blob's name where the SAS is for one. `previous` is the SAS
    before, as long as it is valid.
    """

    sas: Sas
    account: str | None = None
    blob_endpoint: str | None = None
    container: str | None = None
    previous: SecretText | None = None
    account_key: SecretText | None = None
    blob: str | None = None


def account_in(blob_endpoint: str | None) -> str | None:
    """The account's name in the usual form of a blob endpoint; None for another form, such as a domain of one's own."""
    found = addresses.usual_blob_endpoint(blob_endpoint or "")
    return found.account if found else None


def render(template: Template, values: Values) -> SecretText:
    """Put the values in place of the placeholders; raises TemplateError for one that is not known."""
    texts = (_VALUES[each](values) if isinstance(each, Placeholder) else each for each in template.pieces)
    return SecretText("".join(texts))


def _sas(values: Values) -> str:
    return values.sas.token.reveal()


def _sas_query(values: Values) -> str:
    return f"?{_sas(values)}"


def _url(values: Values) -> str:
    if values.container and values.blob:
        blob = urllib.parse.quote(values.blob, safe="/~")
        return f"{_blob_endpoint(values)}/{values.container}/{blob}{_sas_query(values)}"
    # With a slash, as the portal writes it: some parsers take what follows the host up to it for a port.
    return _container_url(values) if values.container else f"{_blob_endpoint(values)}/{_sas_query(values)}"


def _container_url(values: Values) -> str:
    return f"{_blob_endpoint(values)}/{_container(values)}{_sas_query(values)}"


def _connection_string(values: Values) -> str:
    """Compose what every parser takes: with the account's name, which queues need, and never a ? in it.

    https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    """
    account, endpoint = _account(values), _blob_endpoint(values)
    usual = addresses.usual_blob_endpoint(endpoint)
    if usual and usual.account == account:
        return (
            f"DefaultEndpointsProtocol=https;AccountName={account};EndpointSuffix={usual.suffix};"
            f"SharedAccessSignature={_sas(values)}"
        )
    return f"BlobEndpoint={endpoint};AccountName={account};SharedAccessSignature={_sas(values)}"


def _account(values: Values) -> str:
    return _known(Placeholder.ACCOUNT, values.account)


def _blob_endpoint(values: Values) -> str:
    return _known(Placeholder.BLOB_ENDPOINT, values.blob_endpoint)


def _container(values: Values) -> str:
    return _known(Placeholder.CONTAINER, values.container)


def _expires(values: Values) -> str:
    return timestamps.text(values.sas.expiry)


def _previous(values: Values) -> str:
    return values.previous.reveal() if values.previous else ""


def _account_key(values: Values) -> str:
    return _known(Placeholder.ACCOUNT_KEY, values.account_key.reveal() if values.account_key else None)


_VALUES: Mapping[Placeholder, Callable[[Values], str]] = {
    Placeholder.SAS: _sas,
    Placeholder.SAS_QUERY: _sas_query,
    Placeholder.URL: _url,
    Placeholder.CONTAINER_URL: _container_url,
    Placeholder.CONNECTION_STRING: _connection_string,
    Placeholder.ACCOUNT: _account,
    Placeholder.CONTAINER: _container,
    Placeholder.BLOB_ENDPOINT: _blob_endpoint,
    Placeholder.EXPIRES: _expires,
    Placeholder.PREVIOUS: _previous,
    Placeholder.ACCOUNT_KEY: _account_key,
}


def _known(placeholder: Placeholder, value: str | None) -> str:
    if value is not None:
        return value
    endpoint = Account.usual_origin("blob_endpoint")
    remedies = {
        Placeholder.ACCOUNT: f"Let the identity read the account, or set {endpoint} to the account's usual endpoint.",
        Placeholder.BLOB_ENDPOINT: f"Let the identity read the account, or set {endpoint}.",
        Placeholder.CONTAINER: "Issue SAS for one container, or write a template without the container.",
        Placeholder.ACCOUNT_KEY: "Use an issuer that has the account's keys, or write a template without the key.",
    }
    raise TemplateError(
        f"the Secret's template needs {placeholder.written}, which is not known; nothing was changed",
        remedy=remedies[placeholder],
    )
