"""An account, and what its grants allow: the template of a SAS definition, and a label that changes with it."""

import datetime
import urllib.parse

import pytest

from rotator.plan.account import Account, Grant
from tests.fakes.examples import DEFINITION, LABEL


def test_secret_of_the_vault_is_named_after_account_and_definition() -> None:
    account = Account(vault="https://myvault.vault.azure.net:8443", managed_account="mystorage")
    assert account.host == "myvault.vault.azure.net"
    assert account.sas_secret(DEFINITION) == f"mystorage-{DEFINITION.name}"


def test_template_is_what_key_vault_takes() -> None:
    assert DEFINITION.template == "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https"
    assert DEFINITION.validity_period == "PT4H"


def test_template_with_both_protocols_keeps_its_comma() -> None:
    both = Grant(
        name="name",
        services="bf",
        resource_types="o",
        permissions="r",
        protocol="https,http",
        validity=datetime.timedelta(minutes=90),
    )
    assert both.template == "sv=2018-03-28&ss=bf&srt=o&sp=r&spr=https,http"
    assert both.validity_period == "PT1H30M"


def test_label_changes_with_whatever_the_definition_grants() -> None:
    others = [
        Grant(services="bf"),
        Grant(resource_types="co"),
        Grant(permissions="r"),
        Grant(protocol="https,http"),
        Grant(validity=datetime.timedelta(hours=5)),
    ]
    assert DEFINITION.label == LABEL
    assert len({LABEL, *(other.label for other in others)}) == 6


@pytest.mark.parametrize(
    "template",
    [
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
        "?sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
        "spr=https&sp=urw&srt=ocs&ss=b&sv=2018-03-28",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&sig=U0lH&se=2020-01-01&st=2019-01-01",
        "https://mystorage.blob.core.windows.net/?sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&sig=U0lH",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&sip=&ses=",
    ],
)
def test_template_that_grants_the_same_is_the_same(template: str) -> None:
    assert DEFINITION.same_template(template)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "nonsense",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https,http",
        "sv=2017-11-09&ss=b&srt=sco&sp=rwu&spr=https",
        "sv=2018-03-28&ss=bf&srt=sco&sp=rwu&spr=https",
        "sv=2018-03-28&ss=b&srt=co&sp=rwu&spr=https",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwud&spr=https",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&sp=rwu",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&sip=203.0.113.9",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&ses=scope",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&si=policy",
        "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https&whatever=comes",
        "SV=2018-03-28&sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https",
    ],
)
def test_template_that_grants_something_else_is_another(template: str) -> None:
    assert not DEFINITION.same_template(template)


@pytest.mark.parametrize(
    "template", ["spr=http,https", "spr=https,http", urllib.parse.urlencode({"spr": "http,https"})]
)
def test_order_of_protocols_does_not_count(template: str) -> None:
    both = Grant(name="name", protocol="https,http")
    assert both.same_template(f"sv=2018-03-28&ss=b&srt=sco&sp=rwu&{template}")
