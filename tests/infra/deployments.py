"""What the template would deploy for each set of parameters: the snapshots, which the compiler wrote."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Self

PARAMETERS = Path(__file__).with_name("parameters")
SUFFIX = ".snapshot.json"  # as `bicep snapshot` names what it writes

Resource = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Deployment:
    """Resources and outputs; what only a deployment can evaluate is an expression in brackets."""

    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    diagnostics: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, snapshot: str) -> Self:
        """Read a snapshot."""
        found = json.loads(snapshot)
        return cls(tuple(found["predictedResources"]), found["outputs"], tuple(found["diagnostics"]))

    def text(self) -> str:
        """Write one; the compiler has the outputs in another order each time."""
        parts = {"predictedResources": self.resources, "diagnostics": self.diagnostics}
        return json.dumps({**parts, "outputs": dict(sorted(self.outputs.items()))}, indent=2) + "\n"

    def of(self, kind: str) -> list[Resource]:
        """All resources of a type."""
        return [each for each in self.resources if each["type"] == kind]

    @property
    def token(self) -> str:
        """What all names made here end with."""
        (app,) = self.of("Microsoft.Web/sites")
        return str(app["name"]).removeprefix("func-")

    @property
    def group(self) -> str:
        """The resource group that is made."""
        (group,) = self.of("Microsoft.Resources/resourceGroups")
        return str(group["name"])

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings."""
        (config,) = self.of("Microsoft.Web/sites/config")
        return dict(config["properties"])


def kept() -> dict[str, Deployment]:
    """Every snapshot by the name of its set."""
    files = sorted(PARAMETERS.glob(f"*{SUFFIX}"))
    return {each.name.removesuffix(SUFFIX): Deployment.parse(each.read_text()) for each in files}


def parameters_of(name: str) -> dict[str, str]:
    """The parameters of a set, as they are written; text without its quotes."""
    source = (PARAMETERS / f"{name}.bicepparam").read_text()
    return {name: value.strip("'") for name, value in re.findall(r"(?m)^param (\w+) = (.+)$", source)}


def parameter(setting: str) -> str:
    """The name of a setting's parameter, in small letters."""
    return setting.replace("_", "").lower()


def at(resource: Resource, path: str) -> Any:
    """What a resource has at a path of names with dots between; None where there is nothing."""
    found: Any = resource
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
