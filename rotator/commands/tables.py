"""Tables on the command line, for a terminal of any width, a pipe or a file.

A narrow terminal gets one cell a line; a pipe or a file gets one row a line, so that it can be searched by line.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_NARROW = 72  # columns: with less, cells beside each other become too thin
_LEAST_CELL = 20  # columns: text that is folded into less is hard to read
_GAP = 2  # columns, between two cells


def is_narrow(console: "Console") -> bool:
    """Whether the console is too narrow for cells beside each other."""
    return console.width < _NARROW


def headed(
    console: "Console",
    headings: Sequence[str],
    rows: Iterable[Sequence["Text"]],
    whole: Collection[str] = (),
    spare: Collection[str] = (),
) -> "RenderableType":
    """Return rows under their headings; columns in `whole` are not folded.

    Where the console is too narrow, the columns in `spare` are left out; if that is not enough, each cell is a line.
    """
    every_row = list(rows)
    for left_out in ([], spare):
        columns = [column for column, heading in enumerate(headings) if heading not in left_out]
        kept = [headings[column] for column in columns]
        cells = [[row[column] for column in columns] for row in every_row]
        if not is_narrow(console) and _least_width(kept, cells, whole) <= console.width:
            return _headed(kept, cells, whole)
    return _one_cell_a_line(headings, every_row)


def plain(*, narrow: bool) -> "Table":
    """Return a table without headings, of two columns where it is `narrow`, else three; the last one is folded."""
    table = _table(show_header=False)
    for _ in range(1 if narrow else 2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def show(console: "Console", table: "RenderableType") -> None:
    """Print a table; into a pipe or a file without the spaces that fill its last column."""
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as lines:
        console.print(table)
    printed = "\n".join(line.rstrip(" ") for line in lines.get().split("\n"))
    click.echo(printed, nl=False, color=console.is_terminal)


def _table(*, show_header: bool) -> "Table":
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold", show_header=show_header)


def _least_width(headings: Sequence[str], rows: Sequence[Sequence["Text"]], whole: Collection[str]) -> int:
    """Return the width, in columns, with each cell that may be folded as narrow as is readable."""
    widths = [(len(heading), *(row[column].cell_len for row in rows)) for column, heading in enumerate(headings)]
    needed = [
        max(each) if heading in whole else min(max(each), _LEAST_CELL)
        for heading, each in zip(headings, widths, strict=True)
    ]
    return sum(needed) + _GAP * (len(headings) - 1)


def _headed(headings: Sequence[str], rows: Sequence[Sequence["Text"]], whole: Collection[str]) -> "RenderableType":
    table = _table(show_header=True)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in whole)
    for row in rows:
        table.add_row(*row)
    return table


def _one_cell_a_line(headings: Sequence[str], rows: Iterable[Sequence["Text"]]) -> "RenderableType":
    from rich.text import Text

    table = plain(narrow=True)
    for number, row in enumerate(rows):
        if number:
            table.add_row()
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                table.add_row(Text(heading, "bold"), cell)
    return table
