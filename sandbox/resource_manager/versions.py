"""The api-versions of Resource Manager: which ones Azure's public cloud serves.

https://learn.microsoft.com/azure/templates
"""

import re

from sandbox.azure import arm_errors

# What the SDKs and infra/ ask for, and nothing later. Azure's other clouds are behind: tests lower these.
NEWEST = {
    "microsoft.authorization": "2022-04-01",
    "microsoft.keyvault": "2026-02-01",
    "microsoft.managedidentity": "2024-11-30",
    "microsoft.storage": "2026-09-01",
    "microsoft.web": "2025-03-01",
}
_API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")


def check(path: str, version: str | None, newest: dict[str, str]) -> str:
    """Return the api-version of a request; a ResourceError unless its provider has it here."""
    if version is None:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise arm_errors.ResourceError(400, "MissingApiVersionParameter", text)
    if not _API_VERSION.fullmatch(version):
        text = f"The api-version '{version}' is invalid."
        raise arm_errors.ResourceError(400, "InvalidApiVersionParameter", text)
    provider = path.lower().rpartition("/providers/")[2].partition("/")[0]
    latest = newest.get(provider, version)
    if version > latest:
        raise arm_errors.not_served(provider, version, latest)
    return version
