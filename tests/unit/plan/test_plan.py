import dataclasses

from tests.fakes.examples import CLUSTER, TARGET


def test_cluster_and_target_are_shown_without_their_settings() -> None:
    assert str(CLUSTER) == "rotator@master.example.com:22"
    assert str(dataclasses.replace(TARGET, namespace="team-1")) == "team-1/storage-sas@master.example.com"
