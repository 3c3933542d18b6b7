"""What the documents say that can be checked: links, settings, errors, options, azd variables."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.commands import onboard
from rotator.plan import loader
from tests.unit.test_errors import CLASSES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "CHANGELOG.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/deploy.md",
    "docs/key-rotation.md",
    "docs/operations.md",
    "docs/presets.md",
    "docs/secrets.md",
    "docs/upgrade.md",
    "docs/schema/README.md",
    "infra/master/README.md",
]
NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")

each = pytest.mark.parametrize("document", DOCUMENTS)

CODES = {each.code for each in CLASSES}


def text(document: str) -> str:
    return (ROOT / document).read_text()


def section(document: str, heading: str) -> str:
    return text(document).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def links(document: str) -> Iterator[tuple[Path, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(document)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield ((ROOT / document).parent / path if path else ROOT / document), anchor


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings() -> set[str]:
    return set(loader.NAMES)


def azd_variables() -> set[str]:
    parameters = json.loads(text("infra/main.parameters.json"))["parameters"]
    return {re.findall(r"\$\{(\w+)", entry["value"])[0] for entry in parameters.values()}


# Microsoft withdrew these with the feature in April 2026: they lead to another subject now.
WITHDRAWN = re.compile(
    r"key-vault/secrets/(?:overview-storage-keys|storage-keys-sas-tokens-code|about-managed-storage-account-keys)"
)


def test_managed_storage_is_told_to_be_deprecated_and_nothing_links_to_its_withdrawn_pages() -> None:
    assert "Key Vault managed storage is deprecated" in text("README.md")
    kinds = ("md", "py", "bicep", "sh", "yaml", "json")
    for path in (path for folder in ("rotator", "sandbox", "docs", "infra") for path in (ROOT / folder).rglob("*")):
        if path.suffix.lstrip(".") in kinds:
            assert not WITHDRAWN.search(path.read_text()), path
    assert not WITHDRAWN.search(text("README.md"))


@each
def test_links_lead_somewhere(document: str) -> None:
    for path, anchor in links(document):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), (path, anchor)


@pytest.mark.parametrize("document", ["docs/deploy.md", "docs/upgrade.md"])
def test_variables_are_ones_that_something_reads_or_writes(document: str) -> None:
    outputs = set(re.findall(r"^output (\w+)", text("infra/main.bicep"), re.MULTILINE))
    hooks = {"ROTATOR_ONBOARD", "ROTATOR_ONBOARD_YES", "ROTATOR_ONBOARD_UNSEEN_HOST"}
    hooks |= {"AZURE_SUBSCRIPTION_ID", "KEY_VAULT_APPLICATION_ID"}
    hooks |= set(re.findall(r"(?:remember|azd env set) ([A-Z_]+) ", text("infra/hooks/preprovision.sh")))
    clock = set(re.findall(r"vars\.(ROTATE_\w+)", text(".github/workflows/rotate.yml")))
    words = text(document).replace("OBJECT_ID`", "`")  # what an option takes
    assert set(NAME.findall(words)) <= settings() | azd_variables() | outputs | hooks | clock


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_are_there(document: str) -> None:
    """By their path in the repository, in `rotator/`, or by their end, where a sentence has named the folder."""
    folders = ("docs", "infra", "rotator", "sandbox", "tests")
    files = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*.*"))]
    there = [f"/{path.relative_to(ROOT)}" for path in files]
    for name in re.findall(r"`([\w./-]+\.(?:py|sh|md|toml|bicep|bicepparam|json|example))`", text(document)):
        assert any(path.endswith(f"/{name}") for path in there), name


def test_deploy_explains_each_option_of_onboarding() -> None:
    table = section("docs/deploy.md", "azd up")
    known = {name for option in onboard.onboard.params for name in (*option.opts, *option.secondary_opts)}
    explained = set(re.findall(r"--[a-z-]+", "".join(re.findall(r"^\| (`--.*?) \|", table, re.MULTILINE))))
    assert explained <= known
    assert known - explained <= {"-y", "--auto-regenerate", "-v", "--verbose", "--debug"}


def test_troubleshooting_names_errors_that_there_are() -> None:
    table = section("README.md", "Troubleshooting")
    # An exception that is none of ours is reported under that name.
    for name in set(re.findall(r"`(\w+Error)`", table)) - {"UnexpectedError"}:
        assert name in CODES, name
