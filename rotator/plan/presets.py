"""Ready forms of Secrets, each by the name of the consumer that reads it."""

import dataclasses
import enum
from collections.abc import Mapping


class Preset(enum.StrEnum):
    """The name of a ready form."""

    CONNECTION_STRING = "connection-string"
    CSI_FILE = "csi-file"


@dataclasses.dataclass(frozen=True)
class PresetDefinition:
    """What the Secret of a preset has. `data` are templates by data key.

    `needs_key`: it has the account key itself. `needs_container`: it is for a SAS of one container.
    """

    data: Mapping[str, str]
    type: str = "Opaque"
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    needs_key: bool = False
    needs_container: bool = False


_DEFINITIONS = {
    Preset.CONNECTION_STRING: PresetDefinition({"connectionString": "{connection_string}"}),
    # https://github.com/kubernetes-sigs/azurefile-csi-driver/blob/master/docs/driver-parameters.md
    Preset.CSI_FILE: PresetDefinition(
        {"azurestorageaccountname": "{account}", "azurestorageaccountkey": "{account_key}"}, needs_key=True
    ),
}


def of(name: Preset) -> PresetDefinition:
    """What the Secret of this preset has."""
    return _DEFINITIONS[name]
