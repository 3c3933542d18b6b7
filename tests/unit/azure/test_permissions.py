from rotator.azure import permissions
from rotator.azure.permissions import Policy

READ = Policy(frozenset({"get"}), frozenset({"get"}))


def test_a_policy_covers_what_it_has() -> None:
    assert permissions.OPERATOR.covers(READ)
    assert not READ.covers(permissions.OPERATOR)
    assert not Policy().covers(READ)


def test_all_covers_everything_of_its_kind_only() -> None:
    assert Policy(frozenset({"all"}), frozenset({"all"})).covers(permissions.APP)
    assert not Policy(secrets=frozenset({"all"})).covers(permissions.APP)


def test_a_union_takes_nothing_away() -> None:
    whole = permissions.APP.union(permissions.OPERATOR)
    assert whole.covers(permissions.APP)
    assert whole.covers(permissions.OPERATOR)


def test_the_app_may_not_write_secrets_or_handle_keys() -> None:
    assert permissions.APP.secrets == {"get"}
    assert not permissions.APP.storage & {"set", "update", "regeneratekey", "delete", "purge", "list"}


def test_a_policy_reads_as_az_writes_it() -> None:
    assert str(READ) == "secrets get; storage get"
