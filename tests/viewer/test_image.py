"""What the container image is made of."""

import re
from pathlib import Path

from tests.viewer.process import EXAMPLE

ROOT = EXAMPLE.parents[1]


def pins(path: Path) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^\s\\]+", path.read_text(), re.MULTILINE))


def test_the_image_holds_the_versions_that_these_tests_ran_with() -> None:
    image = pins(EXAMPLE / "requirements.txt")

    assert {"aiohttp", "azure-storage-blob"} <= {pin.partition("==")[0] for pin in image}
    assert image <= pins(ROOT / "requirements.txt") | pins(ROOT / "requirements-dev.txt")


def test_each_package_of_the_image_is_hashed() -> None:
    blocks = re.split(r"^(?=\w)", (EXAMPLE / "requirements.txt").read_text(), flags=re.MULTILINE)[1:]

    assert all("--hash=sha256:" in block for block in blocks)
    assert "--require-hashes" in (EXAMPLE / "Containerfile").read_text()


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    found = re.search(r"^USER (\d+):(\d+)$", (EXAMPLE / "Containerfile").read_text(), re.MULTILINE)

    assert found
    assert int(found[1]) > 0
