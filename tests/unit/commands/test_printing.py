"""What commands print: no markup, no control characters, no colour outside of a terminal."""

import click
import pytest
from click.testing import CliRunner

from rotator.commands import printing


def printed(words: str) -> str:
    @click.command()
    def command() -> None:
        printing.console().print(printing.text(words, "bold red"))

    return CliRunner().invoke(command).stdout


def test_output_that_is_no_terminal_is_plain() -> None:
    assert printed("late") == "late\n"


@pytest.mark.parametrize(
    "words", ["[bold]late[/bold]", "[link=https://example.com]x[/link]", "a [/nothing] b", ":smile:"]
)
def test_brackets_and_colons_are_no_markup(words: str) -> None:
    assert printed(words) == f"{words}\n"


@pytest.mark.parametrize("foreign", ["\x1b[31mred", "bell\x07", "back\rspace\x08", "\u202eesrever", "\u200bnothing"])
def test_foreign_control_characters_do_nothing_to_the_terminal(foreign: str) -> None:
    shown = printed(foreign).removesuffix("\n")
    assert shown.isprintable()
    assert "�" in shown


def test_lines_and_words_of_other_alphabets_stay() -> None:
    assert printed("Zürich\n東京") == "Zürich\n東京\n"
