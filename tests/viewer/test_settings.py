"""Settings are checked when the viewer starts, and each problem names its setting."""

import subprocess
import sys

import pytest

from tests.viewer.process import EXAMPLE, environment

RIGHT = {
    "STORAGE_BLOB_ENDPOINT": "https://myaccount.blob.core.windows.net",
    "CONTAINER": "pictures",
    "PICTURE": "a folder/hello.png",
}


def refused(**changes: str) -> str:
    """What a viewer with wrong settings says before it ends."""
    done = subprocess.run(
        [sys.executable, "-m", "viewer"],
        cwd=EXAMPLE,
        env=environment({**RIGHT, **changes}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_all_that_is_missing_is_told_at_once() -> None:
    output = refused(**dict.fromkeys(RIGHT, ""))

    assert all(f"\n{name} must be" in output for name in RIGHT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_BLOB_ENDPOINT", "http://myaccount.blob.core.windows.net"),
        ("STORAGE_BLOB_ENDPOINT", "https://"),
        ("STORAGE_BLOB_ENDPOINT", "https://host:port"),
        ("STORAGE_BLOB_ENDPOINT", "https://user@host"),
        ("CONTAINER", "No_Container"),
        ("CONTAINER", "a/b"),
        ("PICTURE", "../hello.png"),
        ("SAS_ENCODING", "hex"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("REFRESH_SECONDS", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    output = refused(**{name: value})

    assert output.count("\n") == 2
    assert f"\n{name} must be" in output


def test_an_endpoint_with_a_sas_is_refused_and_not_repeated() -> None:
    output = refused(STORAGE_BLOB_ENDPOINT="https://myaccount.blob.core.windows.net/?sv=2018-03-28&sig=c2lnbmF0dXJl")

    assert "STORAGE_BLOB_ENDPOINT must be" in output
    assert "c2lnbmF0dXJl" not in output
