"""The lines that `make mutations` changes are still there, so that none of them is left out by and by."""

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.file}: {each.line.strip()}")
def test_each_line_that_is_changed_is_there(mutation: Mutation) -> None:
    assert mutation.line in (ROOT / "rotator" / mutation.file).read_text()
    assert (ROOT / "tests" / mutation.tests).exists()
