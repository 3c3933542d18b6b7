"""Resource ids of Azure Resource Manager: /subscriptions/…/resourceGroups/…/providers/<namespace>/<type>/<name>."""

import dataclasses
import re

_FORM = re.compile(
    r"/subscriptions/([0-9a-fA-F-]{36})/resourceGroups/([^/\s]+)/providers/([A-Za-z.]+/[A-Za-z]+)/([^/\s]+)/?",
    re.IGNORECASE,
)
STORAGE_ACCOUNT = "Microsoft.Storage/storageAccounts"
VAULT = "Microsoft.KeyVault/vaults"
FUNCTION_APP = "Microsoft.Web/sites"


@dataclasses.dataclass(frozen=True)
class ResourceId:
    """A resource id and its parts; ids are compared without regard to case."""

    text: str
    subscription: str
    group: str
    name: str

    @classmethod
    def parse(cls, text: str, kind: str) -> "ResourceId":
        """Parse the id of a resource of this kind, such as VAULT; raises ValueError with the expected form."""
        form = _FORM.fullmatch(text.strip())
        if form is None or form[3].lower() != kind.lower():
            raise ValueError(f"it must be a resource id: /subscriptions/…/resourceGroups/…/providers/{kind}/<name>")
        return cls(text.strip().rstrip("/"), form[1], form[2], form[4])

    def same_as(self, text: str) -> bool:
        """Whether this is the id of the same resource."""
        return self.text.lower() == text.rstrip("/").lower()

    def __str__(self) -> str:
        return self.text
