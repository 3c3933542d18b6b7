"""The blob service's XML answers, as far as azure-storage-blob reads them.

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

import datetime
import uuid
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree

from sandbox.blob import dates
from sandbox.blob.errors import BlobError
from sandbox.blob.store import Blob, Container


def error(refusal: BlobError) -> bytes:
    """Return an error answer."""
    root = ElementTree.Element("Error")
    now = datetime.datetime.now(datetime.UTC).isoformat()
    message = f"{refusal.message}\nRequestId:{uuid.uuid4()}\nTime:{now}"
    _texts(root, {"Code": refusal.code, "Message": message})
    _texts(root, refusal.details)
    return _document(root)


def service_properties() -> bytes:
    """Return the blob service's properties, of which the sandbox has few."""
    root = ElementTree.Element("StorageServiceProperties")
    _texts(root, {"DefaultServiceVersion": "2018-03-28"})
    return _document(root)


def containers(endpoint: str, names: Mapping[str, Container]) -> bytes:
    """List an account's containers."""
    root = ElementTree.Element("EnumerationResults", ServiceEndpoint=endpoint)
    parent = ElementTree.SubElement(root, "Containers")
    for name, container in sorted(names.items()):
        item = ElementTree.SubElement(parent, "Container")
        _texts(item, {"Name": name})
        properties = ElementTree.SubElement(item, "Properties")
        times = {"Last-Modified": dates.http_date(container.modified), "Etag": container.etag}
        _texts(properties, {**times, "LeaseStatus": "unlocked", "LeaseState": "available"})
    _texts(root, {"NextMarker": ""})
    return _document(root)


def blobs(
    endpoint: str, container: str, asked: Mapping[str, str], found: Iterable[tuple[str, Blob]], further: str
) -> bytes:
    """List one page of a container's blobs: what was asked for, the blobs, and where the next page begins."""
    root = ElementTree.Element("EnumerationResults", ServiceEndpoint=endpoint, ContainerName=container)
    _texts(root, {name: text for name, text in asked.items() if text})
    parent = ElementTree.SubElement(root, "Blobs")
    for name, blob in found:
        item = ElementTree.SubElement(parent, "Blob")
        _texts(item, {"Name": name})
        properties = ElementTree.SubElement(item, "Properties")
        texts = {
            "Creation-Time": dates.http_date(blob.modified),
            "Last-Modified": dates.http_date(blob.modified),
            "Etag": blob.etag,
            "Content-Length": str(len(blob.data)),
            "Content-Type": blob.content_type,
            "BlobType": "BlockBlob",
            "LeaseStatus": blob.lease.headers["x-ms-lease-status"],
            "LeaseState": blob.lease.headers["x-ms-lease-state"],
        }
        _texts(properties, texts)
    _texts(root, {"NextMarker": further})
    return _document(root)


def _texts(parent: ElementTree.Element, texts: Mapping[str, str]) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = text


def _document(root: ElementTree.Element) -> bytes:
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document
