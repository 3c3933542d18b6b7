"""What onboarding is asked for, and what it finds in Azure, where everything is in place."""

import dataclasses
from typing import Any

from rotator.azure.resource_facts import AccountFacts, AppFacts, VaultFacts
from rotator.onboarding.request import Master, OnboardingRequest
from rotator.plan import resource_id
from rotator.plan.host_keys import HostKey
from rotator.plan.resource_id import ResourceId
from tests.fakes.examples import ACCOUNT, CLUSTER, RESOURCE_ID, TARGET, plan

STORAGE = ResourceId.parse(RESOURCE_ID, resource_id.STORAGE_ACCOUNT)
VAULT_ID = ResourceId.parse(
    RESOURCE_ID.replace("Microsoft.Storage/storageAccounts/mystorage", "Microsoft.KeyVault/vaults/myvault"),
    resource_id.VAULT,
)
VAULT = VaultFacts("myvault", ACCOUNT.vault, "tenant", rbac=False, policies={})
STORAGE_FACTS = AccountFacts("mystorage", "https://mystorage.blob.core.windows.net", shared_key=True, sas_limit=None)
APP = AppFacts("myapp", {}, None, {})
MASTER = Master(CLUSTER, CLUSTER.fingerprints, (TARGET,))
KEY = HostKey("ssh-ed25519", b"")  # whose SHA256 is the fingerprint that the examples pin


def request(**changes: Any) -> OnboardingRequest:
    whole = OnboardingRequest(
        plan=plan(),
        vault=VAULT_ID,
        account=STORAGE,
        function_app=None,
        app_principal=None,
        key_vault_principal=None,
        active_key="key1",
        auto_regenerate=None,
        period=None,
        masters=(MASTER,),
        settings={},
    )
    return dataclasses.replace(whole, **changes)
