"""Tables on the command line: for a terminal of any width, and for a pipe or a file that is searched line by line."""

import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_ROOM = 72  # columns: less makes thin strips of a row's cells


def is_narrow(on: "Console") -> bool:
    """Whether cells find no room beside each other."""
    return on.width < _ROOM


def headed(
    on: "Console", headings: Sequence[str], rows: Iterable[Sequence["Text"]], whole: Collection[str] = ()
) -> "RenderableType":
    """Give rows under their headings, those columns unwrapped that are `whole`; where it is narrow one cell a line."""
    if is_narrow(on):
        return _listed(headings, rows)
    table = _table(show_header=True)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in whole)
    for row in rows:
        table.add_row(*row)
    return table


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
    click.echo(re.sub(r" +$", "", lines.get(), flags=re.MULTILINE), nl=False, color=on.is_terminal)


def _table(*, show_header: bool) -> "Table":
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold", show_header=show_header)


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
