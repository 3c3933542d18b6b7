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

    def origin(self, field: str) -> str:
        """Where this field's value was written: as recorded, or else its app setting; raises KeyError for no field."""
        return self.origins.get(field) or self.setting(field) or field

    def setting(self, field: str) -> str | None:
        """The app setting that this field's value comes from, if it comes from one; raises KeyError for no field."""
        found = setting.of({each.name: each for each in dataclasses.fields(self)}[field])
        return None if found is None or field in self.origins else found.name
