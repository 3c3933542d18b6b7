"""Tables for terminals of any width, and for what is no terminal."""

import io
from contextlib import redirect_stdout

import pytest
from rich.console import Console

from rotator.checks.findings import Finding, Level
from rotator.commands import check, printing, tables

HEADINGS = ("TARGET", "STATE", "RUN")
ROWS = [
    ("default/storage-sas@master.example.com", "fresh", "20261124T141636Z-76f557"),
    ("shop/storage-sas@master.example.com", "late", ""),
]
FINDINGS = (
    Finding("vault permission storage regeneratekey", Level.FAILURE, "myvault answered 403 for key2 of the account"),
    Finding("storage", Level.OK, "https://mystorage.blob.core.windows.net: accepted"),
    Finding("storage", Level.WARNING, "the clock of mystorage is ahead of ours"),
)


def on(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def joined(lines: list[str]) -> str:
    return "".join("".join(line.split()) for line in lines)


def headed(width: int) -> list[str]:
    console = on(width)
    rows = [[printing.text(cell) for cell in row] for row in ROWS]
    console.print(tables.headed(console, HEADINGS, rows, whole={"STATE", "RUN"}))
    return printed(console)


def test_a_row_is_one_line_where_there_is_room() -> None:
    assert [line.split() for line in headed(80)] == [list(HEADINGS), list(ROWS[0]), list(ROWS[1][:2])]


@pytest.mark.parametrize("width", [24, 40])
def test_in_a_narrow_terminal_each_cell_is_a_line_with_its_heading_and_no_word_is_lost(width: int) -> None:
    lines = headed(width)
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if line[:1].strip()] == ["TARGET", "STATE", "RUN", "TARGET", "STATE"]
    printed_text = joined(lines)
    for row in ROWS:
        assert all(cell in printed_text for cell in row)


RUN, WHY = "20261124T141636Z-76f557", "the SAS is 30 min old; the SAS definition was set"
WHOLE = 20 + 2 + 23 + 2 + 7 + 2 + 20  # columns: a run with its reason folded


def a_run(width: int) -> list[str]:
    """A run as the history tells it, with its time to spare."""
    console, headings = on(width), ("WHEN", "RUN", "OUTCOME", "WHAT")
    cells = [[printing.text(cell) for cell in ("2026-11-24 14:16:36Z", RUN, "rotated", WHY)]]
    console.print(tables.headed(console, headings, cells, whole=headings[:-1], spare={"WHEN"}))
    return [line.rstrip() for line in printed(console)]


def test_words_are_folded_before_a_column_is_left_out() -> None:
    assert a_run(WHOLE) == [
        "WHEN                  RUN                      OUTCOME  WHAT",
        f"2026-11-24 14:16:36Z  {RUN}  rotated  the SAS is 30 min",
        f"{'':54}  old; the SAS",
        f"{'':54}  definition was set",
    ]


@pytest.mark.parametrize("width", [WHOLE - 1, 72])
def test_a_column_to_spare_is_left_out_before_rows_are_taken_apart(width: int) -> None:
    lines = a_run(width)
    assert lines[0] == "RUN                      OUTCOME  WHAT"
    assert lines[1].startswith(f"{RUN}  rotated  the SAS is")
    assert joined([WHY]) in joined([line[34:] for line in lines])


def test_where_cells_do_not_fit_beside_each_other_each_is_a_line_with_all_that_it_says() -> None:
    """At 80 columns already, where they are long."""
    console = on(80)
    rows = [[printing.text("default/storage-sas@127.0.0.1"), printing.text("x" * 60), printing.text(RUN)]]
    console.print(tables.headed(console, HEADINGS, rows, whole=HEADINGS))
    assert [line.split() for line in printed(console)] == [
        ["TARGET", "default/storage-sas@127.0.0.1"],
        ["STATE", "x" * 60],
        ["RUN", RUN],
    ]


@pytest.mark.parametrize("width", [34, 40, 60, 80, 100])
def test_a_name_is_never_folded_from_34_columns_on(width: int) -> None:
    assert any(RUN in line for line in a_run(width))


def checked(width: int) -> list[str]:
    console = on(width)
    console.print(check._table(FINDINGS, narrow=tables.is_narrow(console)))
    return printed(console)


@pytest.mark.parametrize("width", [24, 40, 60, 71])
def test_no_word_of_a_check_is_lost_in_a_narrow_terminal(width: int) -> None:
    lines = checked(width)
    assert max(map(len, lines)) <= width
    for finding in FINDINGS:
        assert joined([finding.text]) in joined(lines)


@pytest.mark.parametrize("width", [40, 60])
def test_in_a_narrow_terminal_a_check_s_text_is_under_its_name(width: int) -> None:
    lines = [line.strip() for line in checked(width)]
    assert lines[0].split()[0] == "failure"
    assert "ok       storage" in lines
    assert "warning  storage" in lines


# Into a pipe or a file


def piped() -> str:
    with redirect_stdout(io.StringIO()) as output:
        console = printing.console()
        tables.show(console, check._table(FINDINGS, narrow=tables.is_narrow(console)))
    return output.getvalue()


def test_what_goes_into_a_pipe_is_one_line_for_each_row_with_its_name_and_no_blanks_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = piped().splitlines()
    assert len(lines) == len(FINDINGS)
    for line, finding in zip(lines, FINDINGS, strict=True):
        assert line.split(maxsplit=1)[0] == finding.level
        assert finding.check in line
        assert line.endswith(finding.text)


def test_whoever_says_how_wide_a_pipe_is_gets_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = piped().splitlines()
    assert len(lines) > len(FINDINGS)
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []
