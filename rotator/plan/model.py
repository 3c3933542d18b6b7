"""What the plan's models have in common: validation, and where each value was written.

A message that names a setting asks the value for its origin, so that it is right for a plan file, too.
"""

import dataclasses

import pydantic
from pydantic.dataclasses import dataclass

from rotator.plan import setting

# Schemas are built at the first use: printing a command's help needs none. A value that is refused may be a secret.
CONFIG = pydantic.ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


class Origins(dict[str, str]):
    """Where the values of one model were written, by field, as a loader recorded it.

    A class of its own, so that nothing that an operator writes is taken for it.
    """


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class Model:
    """A part of the plan. Each field takes its value, or what an operator writes; pydantic raises a ValidationError.

    `origins` takes no part in equality, and is kept by `dataclasses.replace`.
    """

    origins: pydantic.InstanceOf[Origins] = dataclasses.field(default_factory=Origins, compare=False, repr=False)

    @classmethod
    def usual_origin(cls, field: str) -> str:
        """The app setting of this field, or its own name if it has none; raises KeyError for no field."""
        found = _settings(cls)[field]
        return found.name if found else field

    def origin(self, field: str) -> str:
        """Where this field's value was written, as recorded, or else as usual; raises KeyError for no field."""
        usual = self.usual_origin(field)
        return self.origins.get(field, usual)

    def setting(self, field: str) -> str | None:
        """The app setting that this field's value comes from, if it comes from one; raises KeyError for no field."""
        found = _settings(type(self))[field]
        return None if found is None or field in self.origins else found.name

    def assignment(self, field: str, value: str) -> str:
        """Words for "set this field to the value", for a remedy; raises KeyError for no field."""
        name = self.setting(field)
        return f"{name}={value}" if name else f"{value} for {self.origin(field)}"


def _settings(model: type[Model]) -> dict[str, setting.Setting | None]:
    return {field.name: setting.of(field) for field in dataclasses.fields(model)}
