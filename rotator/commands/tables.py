"""Tables on the command line: for a terminal of any width, and for a pipe or a file that is searched line by line."""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_ROOM = 72  # columns: less makes thin strips of a row's cells
_LEAST = 20  # columns: words that are folded into less are hard to read
_GAP = 2  # columns, between two cells


def is_narrow(on: "Console") -> bool:
    """Whether cells find no room beside each other."""
    return on.width < _ROOM


def headed(
    on: "Console",
    headings: Sequence[str],
    rows: Iterable[Sequence["Text"]],
    whole: Collection[str] = (),
    spare: Collection[str] = (),
) -> "RenderableType":
    """Give rows under their headings, those columns unwrapped that are `whole`.

    Where that finds no room, columns to `spare` are left out, as others say it too; or it is one cell a line.
    """
    everything = list(rows)
    for left_out in ([], spare):
        places = [place for place, heading in enumerate(headings) if heading not in left_out]
        kept, cells = [headings[place] for place in places], [[row[place] for place in places] for row in everything]
        if not is_narrow(on) and _needed(kept, cells, whole) <= on.width:
            return _headed(kept, cells, whole)
    return _listed(headings, everything)


def plain(*, narrow: bool) -> "Table":
    """Give a table of two columns, or three, without headings; the last one is folded."""
    table = _table(show_header=False)
    for _ in range(1 if narrow else 2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def show(on: "Console", table: "RenderableType") -> None:
    """Print a table; into a pipe or a file without the blanks that fill its last column."""
    if sys.stdout.isatty():
        on.print(table)
        return
    with on.capture() as lines:
        on.print(table)
    shown = "\n".join(line.rstrip(" ") for line in lines.get().split("\n"))
    click.echo(shown, nl=False, color=on.is_terminal)


def _table(*, show_header: bool) -> "Table":
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold", show_header=show_header)


def _needed(headings: Sequence[str], rows: Sequence[Sequence["Text"]], whole: Collection[str]) -> int:
    """How wide it is with what may be folded as narrow as can be read."""
    widths = [(len(heading), *(row[place].cell_len for row in rows)) for place, heading in enumerate(headings)]
    needed = [
        max(each) if heading in whole else min(max(each), _LEAST)
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


def _listed(headings: Sequence[str], rows: Iterable[Sequence["Text"]]) -> "RenderableType":
    from rich.text import Text

    table = plain(narrow=True)
    for number, row in enumerate(rows):
        if number:
            table.add_row()
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                table.add_row(Text(heading, "bold"), cell)
    return table
