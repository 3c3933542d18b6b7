from rotator import access
from rotator.access import Policy

READ = Policy(frozenset({"get"}), frozenset({"get"}))


def test_a_policy_covers_what_it_has() -> None:
    assert access.OPERATOR.covers(READ)
    assert not READ.covers(access.OPERATOR)
    assert not Policy().covers(READ)


def test_all_covers_everything_of_its_kind_only() -> None:
    assert Policy(frozenset({"all"}), frozenset({"all"})).covers(access.APP)
    assert not Policy(secrets=frozenset({"all"})).covers(access.APP)


def test_a_union_takes_nothing_away() -> None:
    whole = access.APP.union(access.OPERATOR)
    assert whole.covers(access.APP)
    assert whole.covers(access.OPERATOR)


def test_the_app_may_not_write_secrets_or_handle_keys() -> None:
    assert access.APP.secrets == {"get"}
    assert not access.APP.storage & {"set", "update", "regeneratekey", "delete", "purge", "list"}


def test_a_policy_reads_as_az_writes_it() -> None:
    assert str(READ) == "secrets get; storage get"
