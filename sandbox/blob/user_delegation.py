"""Get User Delegation Key: what the key is for comes as XML, and goes into the key.

https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

import datetime
from collections.abc import Mapping
from xml.etree import ElementTree

from sandbox.azure import account_sas
from sandbox.azure.delegation_keys import KeyFields
from sandbox.blob.errors import BlobError

ACTION = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
LONGEST = datetime.timedelta(days=7)  # from now, by the service's clock: not one second more


def read(body: bytes, claims: Mapping[str, str], version: str, now: datetime.datetime) -> KeyFields:
    """Return the key that a request asks for, in the name of a token's claims; BlobError for what makes no sense."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise BlobError(400, "InvalidXmlDocument") from error
    expiry = root.findtext("Expiry")
    if root.tag != "KeyInfo" or not expiry:
        raise BlobError(400, "InvalidXmlDocument")
    start = root.findtext("Start")
    first = _time(start, now) if start else now
    last = _time(expiry, now)
    if last <= max(first, now):
        raise _invalid(expiry)
    return KeyFields(
        object_id=claims["oid"],
        tenant_id=claims["tid"],
        start=account_sas.format_time(first),
        expiry=account_sas.format_time(last),
        service="b",
        version=version,
        delegated_tenant_id=root.findtext("DelegatedUserTid") or "",
    )


def write(fields: KeyFields, value: str) -> bytes:
    """Return the answer."""
    root = ElementTree.Element("UserDelegationKey")
    texts = {
        "SignedOid": fields.object_id,
        "SignedTid": fields.tenant_id,
        "SignedStart": fields.start,
        "SignedExpiry": fields.expiry,
        "SignedService": fields.service,
        "SignedVersion": fields.version,
        "SignedDelegatedUserTid": fields.delegated_tenant_id,
        "Value": value,
    }
    for tag, text in texts.items():
        if text:
            ElementTree.SubElement(root, tag).text = text
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _time(text: str, now: datetime.datetime) -> datetime.datetime:
    """Read a time, which may be no more than seven days away."""
    try:
        time = account_sas.parse_time(text)
    except ValueError as error:
        raise _invalid(text) from error
    if abs(time - now) > LONGEST:
        raise _invalid(text)
    return time


def _invalid(text: str) -> BlobError:
    # The value stands where the node's name belongs: https://github.com/Azure/azure-sdk-for-net/issues/17690
    return BlobError(400, "InvalidXmlNodeValue", XmlNodeName=text, XmlNodeValue=text)
