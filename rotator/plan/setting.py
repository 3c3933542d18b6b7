"""An app setting: what a model's field carries, so that it is read from the environment and refused by name."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Setting:
    """The app setting of a field, written as `field: Annotated[type, Setting(…)]`.

    `description` and `example` become the error message for a value that is missing or wrong. Unless `shown`, the
    message never has the value: a passphrase or a client secret may be here by mistake.
    """

    name: str
    description: str
    _: dataclasses.KW_ONLY
    example: str
    shown: bool = True


def of(field: "dataclasses.Field[typing.Any]") -> Setting | None:
    """The setting that a dataclass's field carries, if any."""
    return next((each for each in typing.get_args(field.type)[1:] if isinstance(each, Setting)), None)
