"""The firewall in front of a vault or a storage account, which Azure writes in one way for both.

https://learn.microsoft.com/azure/key-vault/general/network-security
"""

import ipaddress
from typing import Any

from sandbox.azure import arm_errors

Networks = set[str] | None  # None lets everybody through


def admits(allowed: Networks, address: str) -> bool:
    """Whether an address is let through."""
    return allowed is None or any(ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in allowed)


def read(rules: Any) -> Networks:
    """Read networkAcls as clients send it; rules count only where the default is to deny."""
    try:
        networks = {str(ipaddress.ip_network(rule["value"])) for rule in rules.get("ipRules", [])}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise arm_errors.bad_request("The property 'networkAcls' has a rule without an IPv4 network.") from error
    return networks if rules.get("defaultAction") == "Deny" else None


def render(allowed: Networks) -> dict[str, Any]:
    """Write networkAcls as Resource Manager answers it."""
    return {
        "bypass": "AzureServices",
        "defaultAction": "Allow" if allowed is None else "Deny",
        "ipRules": [{"value": one} for one in sorted(allowed or ())],
        "virtualNetworkRules": [],
    }
