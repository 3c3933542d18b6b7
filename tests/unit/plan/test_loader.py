import datetime

import pytest

from rotator import errors
from rotator.plan import loader
from rotator.plan.plan import Encoding, Strategy

FINGERPRINT = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
# The settings of the original sample, with a fingerprint that is one.
SAMPLE = {
    "KEYVAULT_BASEURL": "https://myvault.vault.azure.net",
    "KEYVAULT_STORAGE_NAME": "mystorage",
    "KUBERNETES_DNS": "master.example.com",
    "KUBERNETES_SSH_USERNAME": "azureuser",
    "KUBERNETES_SSH_FINGERPRINT": FINGERPRINT,
    "KUBERNETES_SECRET_NAME": "storage-sas",
}


def problems(**changes: str) -> list[str]:
    """What is wrong with the sample's settings and these."""
    with pytest.raises(errors.SettingsError) as caught:
        loader.load({**SAMPLE, **changes})
    return caught.value.problems


def test_six_settings_of_the_original_sample_are_a_plan() -> None:
    plan = loader.load(SAMPLE)
    assert (plan.account.vault, plan.account.managed_account) == ("https://myvault.vault.azure.net", "mystorage")
    (target,) = plan.targets
    assert str(target) == "default/storage-sas@master.example.com"
    assert str(target.cluster) == "azureuser@master.example.com:22"
    assert [str(pin) for pin in target.cluster.fingerprints] == [FINGERPRINT]


def test_defaults_are_those_that_the_readme_tells() -> None:
    plan = loader.load(SAMPLE)
    (target,) = plan.targets
    assert plan.schedule == "0 */30 * * * *"
    assert plan.grant.name == "blobrwu4hours"
    assert plan.grant.template == "sv=2018-03-28&ss=b&srt=sco&sp=rwu&spr=https"
    assert plan.grant.validity_period == "PT4H"
    assert (target.cluster.key_secret, target.cluster.passphrase_secret) == ("privatekey", None)
    assert target.cluster.kubectl == ("kubectl",)
    assert (target.data_key, target.encoding, target.strategy) == ("secretKey", Encoding.RAW, Strategy.RECREATE)
    assert (target.adopt, target.keep_foreign) == (False, True)
    assert (plan.prove, plan.account.blob_endpoint, plan.client_id) == (True, None, None)
    assert plan.fresh_for == datetime.timedelta(minutes=15)
    assert plan.longest_interval == datetime.timedelta(minutes=30)
    assert plan.account.key_rotation_period is None
    assert plan.account.revoke_grace == datetime.timedelta(minutes=2)
    assert plan.warnings == ()


def test_name_of_the_minting_secret_is_account_and_definition() -> None:
    plan = loader.load(SAMPLE)
    assert plan.account.sas_secret(plan.grant) == "mystorage-blobrwu4hours"


def test_missing_settings_are_all_reported_at_once_each_with_an_example() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        loader.load({})
    assert caught.value.problems == [
        "KEYVAULT_BASEURL is missing: the vault's URL; for example https://myvault.vault.azure.net",
        "KUBERNETES_DNS is missing: the master's host name or address; for example master.example.com",
        "KUBERNETES_SSH_USERNAME is missing: the SSH user on the master; for example rotator",
        "KUBERNETES_SSH_FINGERPRINT is missing: the master's pinned host key fingerprints, comma-separated; "
        "for example ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "KUBERNETES_SECRET_NAME is missing: the Secret's name; for example storage-sas",
        "KEYVAULT_STORAGE_NAME is missing: the managed account's name in the vault; for example mystorageaccount",
    ]
    assert all(f"\n  - {problem}" in str(caught.value) for problem in caught.value.problems)


def test_missing_and_wrong_settings_and_a_short_validity_are_reported_in_one_error() -> None:
    bad = {**SAMPLE, "KUBERNETES_SSH_PORT": "0", "SAS_VALIDITY": "PT20M", "SAS_PERMISSIONS": "xyz"}
    del bad["KUBERNETES_DNS"]
    with pytest.raises(errors.SettingsError) as caught:
        loader.load(bad)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "KUBERNETES_DNS",
        "SAS_PERMISSIONS",
        "KUBERNETES_SSH_PORT",
        "SAS_VALIDITY",
    ]


@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_emptied_setting_means_its_default(nothing: str) -> None:
    plan = loader.load(
        {**SAMPLE, "SAS_VALIDITY": nothing, "KUBERNETES_SSH_PORT": nothing, "ROTATION_SCHEDULE": nothing}
    )
    assert plan.grant.validity == datetime.timedelta(hours=4)
    assert plan.targets[0].cluster.port == 22
    assert plan.schedule == "0 */30 * * * *"


def test_emptied_setting_without_a_default_is_missing() -> None:
    assert problems(KUBERNETES_DNS=" ")[0].startswith("KUBERNETES_DNS is missing")


def test_white_space_around_a_value_is_dropped() -> None:
    assert loader.load({**SAMPLE, "KUBERNETES_DNS": " master.example.com\n"}).targets[0].cluster.host == (
        "master.example.com"
    )


def test_settings_of_others_are_left_alone() -> None:
    assert loader.load({**SAMPLE, "PATH": "/bin", "FUNCTIONS_WORKER_RUNTIME": "python"}) == loader.load(SAMPLE)


def test_fingerprint_of_the_original_blog_is_refused_with_the_digit_that_is_wrong() -> None:
    assert problems(KUBERNETES_SSH_FINGERPRINT="3ec2167eb65d55fd9a707425ef0ce5ax") == [
        "KUBERNETES_SSH_FINGERPRINT is wrong (3ec2167eb65d55fd9a707425ef0ce5ax): it is neither a SHA256 fingerprint "
        "(`SHA256:` and 43 characters) nor MD5 (32 hexadecimal digits): 'x' is no hexadecimal digit; "
        "for example ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
    ]


def test_md5_fingerprint_is_taken_with_a_warning() -> None:
    plan = loader.load({**SAMPLE, "KUBERNETES_SSH_FINGERPRINT": "3ec2167eb65d55fd9a707425ef0ce5a1"})
    assert plan.warnings == (
        "KUBERNETES_SSH_FINGERPRINT: MD5:3e:c2:16:7e:b6:5d:55:fd:9a:70:74:25:ef:0c:e5:a1 is MD5, "
        "which can be forged; pin the SHA256 fingerprint instead",
    )


@pytest.mark.parametrize(
    ("schedule", "validity"),
    [
        ("0 */30 * * * *", "PT40M"),
        ("0 0 * * * *", "PT1H10M"),
        ("0 0 0 * * MON-FRI", "P3DT10M"),
        ("*/30 * * * *", "PT40M"),
    ],
)
def test_validity_of_the_longest_interval_and_ten_minutes_is_just_enough(schedule: str, validity: str) -> None:
    plan = loader.load({**SAMPLE, "ROTATION_SCHEDULE": schedule, "SAS_VALIDITY": validity})
    assert "is too short to outlive one failed run" in plan.warnings[0]


@pytest.mark.parametrize(
    ("schedule", "validity", "least", "example"),
    [
        ("0 */30 * * * *", "PT39M59S", "PT40M", "PT1H10M"),
        ("0 0 * * * *", "PT1H", "PT1H10M", "PT2H10M"),
        ("0 0 0 * * MON-FRI", "P1DT1H", "P3DT10M", "P6DT10M"),
        ("0 0 0 1 * *", "PT4H", "P31DT10M", "P62DT10M"),
    ],
)
def test_validity_that_would_leave_a_gap_is_refused(schedule: str, validity: str, least: str, example: str) -> None:
    (problem,) = problems(ROTATION_SCHEDULE=schedule, SAS_VALIDITY=validity)
    assert problem.startswith("SAS_VALIDITY is too short: runs of ROTATION_SCHEDULE are up to ")
    assert f"must live at least {least}, or it expires before it is replaced" in problem
    assert problem.endswith(f"for example {example}")


def test_example_that_the_gap_error_gives_is_itself_good() -> None:
    plan = loader.load({**SAMPLE, "ROTATION_SCHEDULE": "0 0 * * * *", "SAS_VALIDITY": "PT2H10M"})
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("schedule", "validity"),
    [("0 0 6 * * MON-SUN", "P3D"), ("0 0 6 * * SUN-SUN", "P3D"), ("0 0 6 1 NOV-FEB *", "P40D")],
)
def test_validity_is_checked_against_what_ncrontab_makes_of_a_range(schedule: str, validity: str) -> None:
    (problem,) = problems(ROTATION_SCHEDULE=schedule, SAS_VALIDITY=validity)
    assert problem.startswith("SAS_VALIDITY is too short")


def test_range_that_runs_backwards_is_a_warning() -> None:
    plan = loader.load({**SAMPLE, "ROTATION_SCHEDULE": "0 0 6 * * MON-SUN", "SAS_VALIDITY": "P14D"})
    assert plan.warnings == (
        "ROTATION_SCHEDULE: MON-SUN runs backwards, and NCRONTAB swaps its ends (SUN-MON): write a list, or two ranges",
    )


def test_validity_that_is_too_short_for_a_range_that_runs_backwards_is_explained() -> None:
    (problem,) = problems(ROTATION_SCHEDULE="0 0 22-2/2 * * MON-SUN", SAS_VALIDITY="P3D")
    assert "up to P5DT4H apart" in problem
    assert "In ROTATION_SCHEDULE 22-2/2 runs backwards, and NCRONTAB swaps its ends (2-22)" in problem
    assert "; MON-SUN runs backwards, and NCRONTAB swaps its ends (SUN-MON)" in problem


def test_warning_of_a_validity_for_one_run_only_has_durations_as_they_are_written() -> None:
    (warning,) = loader.load({**SAMPLE, "ROTATION_SCHEDULE": "0 0 6 * * *", "SAS_VALIDITY": "P1DT1H"}).warnings
    assert warning == (
        "SAS_VALIDITY (P1DT1H) is too short to outlive one failed run: with runs up to P1D apart, that takes P2DT10M "
        "or more"
    )


@pytest.mark.parametrize("schedule", ["0 */30 * * * *\n", "\t0 */30 * * * *", "0 */30 * * * *\r", "0\t*/30 * * * *"])
def test_blank_around_the_schedule_that_the_host_does_not_take_is_refused(schedule: str) -> None:
    (problem,) = problems(ROTATION_SCHEDULE=schedule)
    assert "must be split at plain spaces" in problem


def test_spaces_around_the_schedule_are_taken_as_by_the_host() -> None:
    assert loader.load({**SAMPLE, "ROTATION_SCHEDULE": "  0 */30 * * * *  "}).schedule == "0 */30 * * * *"


def test_time_zone_of_the_host_is_a_warning() -> None:
    (warning,) = loader.load({**SAMPLE, "WEBSITE_TIME_ZONE": "Europe/Rome"}).warnings
    assert warning.startswith("WEBSITE_TIME_ZONE is set, but the rotator reads ROTATION_SCHEDULE in UTC")
    assert warning.endswith("Remove it, and write the schedule in UTC")


def test_time_zone_whose_clock_goes_back_needs_a_longer_validity() -> None:
    settings = {"WEBSITE_TIME_ZONE": "Europe/Rome", "ROTATION_SCHEDULE": "0 0 6 * * *", "SAS_VALIDITY": "P1DT30M"}
    assert "it should be at least P1DT1H10M" in loader.load({**SAMPLE, **settings}).warnings[-1]


@pytest.mark.parametrize("zone", ["", "UTC", "Etc/UTC"])
def test_time_zone_that_shifts_nothing_is_no_warning(zone: str) -> None:
    assert loader.load({**SAMPLE, "WEBSITE_TIME_ZONE": zone}).warnings == ()


def test_default_validity_is_checked_against_a_rare_schedule() -> None:
    (problem,) = problems(ROTATION_SCHEDULE="0 0 */6 * * *")
    assert problem.startswith("SAS_VALIDITY is too short")


def test_freshness_is_half_of_the_shortest_interval() -> None:
    plan = loader.load({**SAMPLE, "ROTATION_SCHEDULE": "0 0 6,8 * * *", "SAS_VALIDITY": "P2D"})
    assert plan.fresh_for == datetime.timedelta(hours=1)


def test_plan_shows_no_value_of_the_app_storage() -> None:
    connection = "DefaultEndpointsProtocol=https;AccountName=app;AccountKey=c2VjcmV0LXNlY3JldA=="
    assert "c2VjcmV0" not in repr(loader.load({**SAMPLE, "AzureWebJobsStorage": connection}))


def test_keys_may_be_regenerated_once_no_sas_that_they_signed_can_live() -> None:
    plan = loader.load({**SAMPLE, "KEY_ROTATION_PERIOD": "PT4H40M"})
    assert plan.account.key_rotation_period == datetime.timedelta(hours=4, minutes=40)


def test_key_rotation_period_in_which_a_sas_may_still_live_is_refused() -> None:
    assert problems(KEY_ROTATION_PERIOD="PT4H39M59S") == [
        "KEY_ROTATION_PERIOD is too short: a key may be regenerated only when every SAS that it signed has expired, "
        "which takes PT4H40M with this SAS_VALIDITY and ROTATION_SCHEDULE; for example P90D"
    ]


def test_key_rotation_period_that_an_example_gives_is_itself_good() -> None:
    settings = {"SAS_VALIDITY": "P100D", "ROTATION_SCHEDULE": "0 0 6 * * *"}
    (problem,) = problems(**settings, KEY_ROTATION_PERIOD="P90D")
    assert problem.endswith("for example P101DT10M")
    assert loader.load({**SAMPLE, **settings, "KEY_ROTATION_PERIOD": "P101DT10M"}).account.key_rotation_period


def test_key_rotation_period_that_is_no_duration_is_reported_once() -> None:
    (problem,) = problems(KEY_ROTATION_PERIOD="90 days")
    assert problem.startswith("KEY_ROTATION_PERIOD is wrong (90 days)")


def test_revocation_may_do_without_a_grace() -> None:
    assert loader.load({**SAMPLE, "REVOKE_GRACE": "PT0S"}).account.revoke_grace == datetime.timedelta(0)
