"""Ready forms of a Secret: the data keys, token form and labels that one consumer expects.

docs/presets.md has each consumer's own setting beside its Secret, and tests/integration/test_presets.py has the
consumer, or its parser, read with what stands in the Secret. Templates are written as in `KUBERNETES_SECRET_DATA`:
`{sas}` is the token without `?`, `{sas_query}` the token with it, `{{` and `}}` are braces.
"""

import dataclasses
import enum
from collections.abc import Mapping


class Preset(enum.StrEnum):
    """The name of a ready form, as `KUBERNETES_SECRET_PRESET` has it."""

    CSI_BLOB = "csi-blob"
    CSI_FILE = "csi-file"
    VELERO = "velero"
    BARMAN = "barman"
    RESTIC = "restic"
    WALG = "walg"
    PGBACKREST = "pgbackrest"
    FLUX = "flux"
    ARGO = "argo"
    RCLONE = "rclone"
    AIRFLOW = "airflow"
    ELASTICSEARCH = "elasticsearch"
    KEDA = "keda"
    LOKI = "loki"
    CONNECTION_STRING = "connection-string"


@dataclasses.dataclass(frozen=True)
class Need:
    """What one use of a SAS takes: permissions, a service, and the resource types of an account SAS.

    Each in letters, as in the token (https://learn.microsoft.com/rest/api/storageservices/create-account-sas).
    """

    permissions: str
    service: str = "b"
    resource_types: str = "co"


_READS = (Need("rl"),)  # consumers that only read, or may
_WRITES = (Need("racwdl"),)


@dataclasses.dataclass(frozen=True)
class PresetDefinition:
    """What a Secret of this form has: a template for each data key, the Secret's type, its labels and annotations.

    `needs_key`: a template has the account key, which only the issuer `storagekey` has. `needs_container`: a template
    names the container, so that the grant must be for one. `needs` are the uses of the SAS, of which it must be enough
    for one; none where that depends on the consumer.
    """

    data: Mapping[str, str]
    type: str = "Opaque"
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    needs_key: bool = False
    needs_container: bool = False
    needs: tuple[Need, ...] = ()


def of(name: Preset) -> PresetDefinition:
    """Return the ready form of this name."""
    return _DEFINITIONS[name]


# Go's SDKs build `<endpoint>/?<SAS>` from a connection string, so that a second `?` would spoil the first field.
_CONNECTION_STRING = "{connection_string}"

# For each, where its form is documented or read.
_DEFINITIONS: Mapping[Preset, PresetDefinition] = {
    # blob-csi-driver, docs/driver-parameters.md: the example for nodeStageSecretRef
    Preset.CSI_BLOB: PresetDefinition(
        {"azurestorageaccountname": "{account}", "azurestorageaccountsastoken": "{sas}"},
        needs=_READS,
    ),
    # azurefile-csi-driver, docs/driver-parameters.md: SMB has no SAS
    Preset.CSI_FILE: PresetDefinition(
        {"azurestorageaccountname": "{account}", "azurestorageaccountkey": "{account_key}"},
        needs_key=True,
    ),
    # velero-plugin-for-microsoft-azure, backupstoragelocation.md: lines NAME=value; the name is that of its example
    Preset.VELERO: PresetDefinition({"cloud": "AZURE_STORAGE_ACCOUNT_ACCESS_KEY={sas}\n"}, needs=_WRITES),
    # plugin-barman-cloud, docs/object_stores.md; CloudNativePG watches only Secrets with this label
    Preset.BARMAN: PresetDefinition(
        {"AZURE_STORAGE_ACCOUNT": "{account}", "AZURE_STORAGE_SAS_TOKEN": "{sas}"},
        labels={"cnpg.io/reload": "true"},
        needs=_WRITES,
    ),
    # https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#microsoft-azure-blob-storage
    Preset.RESTIC: PresetDefinition(
        {"AZURE_ACCOUNT_NAME": "{account}", "AZURE_ACCOUNT_SAS": "{sas}"},
        needs=_WRITES,
    ),
    # wal-g, pkg/storages/azure/configure.go
    Preset.WALG: PresetDefinition(
        {"AZURE_STORAGE_ACCOUNT": "{account}", "AZURE_STORAGE_SAS_TOKEN": "{sas}"},
        needs=_WRITES,
    ),
    # https://pgbackrest.org/configuration.html#section-repository; the operators mount *.conf in /etc/pgbackrest/conf.d
    Preset.PGBACKREST: PresetDefinition(
        {
            "azure.conf": "[global]\nrepo1-azure-account={account}\nrepo1-azure-key-type=sas\nrepo1-azure-key={sas}\n",
        },
        needs=_WRITES,
    ),
    # source-controller, docs/spec/v1/buckets.md
    Preset.FLUX: PresetDefinition({"sasKey": "{sas}"}, needs=_READS),
    # argo-workflows, workflow/artifacts/azure/azure.go: it puts the `?` before the token itself
    Preset.ARGO: PresetDefinition({"shared-access-key": "{sas}"}, needs=_READS),
    # https://rclone.org/azureblob/: URL of the account or of one container
    Preset.RCLONE: PresetDefinition({"RCLONE_AZUREBLOB_SAS_URL": "{url}"}, needs=_READS),
    # apache-airflow-providers-microsoft-azure, hooks/wasb.py: for years it joined URL and token, and so needs the `?`
    Preset.AIRFLOW: PresetDefinition(
        {
            "AIRFLOW_CONN_WASB_DEFAULT": '{{"conn_type": "wasb", "login": "{account}", "host": "{blob_endpoint}", '
            '"extra": {{"sas_token": "{sas_query}"}}}}',
        },
        needs=(Need("r", resource_types="o"),),
    ),
    # Elasticsearch, "Azure repository": the data keys are the names of secure settings
    Preset.ELASTICSEARCH: PresetDefinition(
        {"azure.client.default.account": "{account}", "azure.client.default.sas_token": "{sas}"},
        needs=(Need("rwdl", resource_types="sco"),),
    ),
    # https://keda.sh/docs/latest/scalers/azure-storage-blob/: the parameter's name
    Preset.KEDA: PresetDefinition(
        {"connection": _CONNECTION_STRING},
        needs=(*_READS, Need("r", service="q")),
    ),
    # loki, pkg/storage/bucket/azure: the setting's name; Loki's other client fails with a SAS (loki#21596)
    Preset.LOKI: PresetDefinition({"connection_string": _CONNECTION_STRING}, needs=_WRITES),
    # the variable that Azure's command line, adlfs, MLflow and others read
    Preset.CONNECTION_STRING: PresetDefinition({"AZURE_STORAGE_CONNECTION_STRING": _CONNECTION_STRING}),
}
