import datetime
from typing import Any

import pydantic
import pytest

from rotator.plan import setting_types


@pytest.mark.parametrize("text", ["P9999999999D", "P365001D"])
def test_validity_beyond_all_calendars_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it must "):
        setting_types.validity(text)


def test_grace_may_be_zero_and_validity_may_not() -> None:
    assert setting_types.grace("PT0S") == datetime.timedelta(0)
    with pytest.raises(ValueError, match="longer than nothing"):
        setting_types.validity("PT0S")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (setting_types.SecretName, "a" * 253, "a" * 253),
        (setting_types.Namespace, "a" * 63, "a" * 63),
        (setting_types.SasPermissions, "puacldwr", "rwdlacup"),
        (setting_types.CommandLine, "sudo  'my kubectl'", ("sudo", "my kubectl")),
        (setting_types.WebhookUrl, "no URL", None),
    ],
)
def test_text_becomes_a_value_of_the_type(kind: Any, text: str, value: object) -> None:
    assert pydantic.TypeAdapter(kind, config=CONFIG).validate_python(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(setting_types.SecretName, "a" * 254), (setting_types.Namespace, "a" * 64), (setting_types.Port, "0")],
)
def test_text_of_another_type_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(kind, config=CONFIG).validate_python(text)


CONFIG = pydantic.ConfigDict(arbitrary_types_allowed=True)
