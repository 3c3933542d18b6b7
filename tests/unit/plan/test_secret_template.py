"""The syntax of templates: placeholders, braces, and what is refused."""

import pytest

from rotator.plan import secret_template
from rotator.plan.secret_template import Placeholder


def pieces(text: str) -> tuple[str | Placeholder, ...]:
    return secret_template.parse(text).pieces


def test_each_placeholder_is_known_by_its_name() -> None:
    for each in Placeholder:
        assert pieces(each.written) == (each,)
    assert len(Placeholder) == 11


def test_text_around_placeholders_stays_with_its_lines() -> None:
    assert pieces("A={account}\n  B={sas}\n") == ("A=", Placeholder.ACCOUNT, "\n  B=", Placeholder.SAS, "\n")
    assert pieces("nothing") == ("nothing",)
    assert pieces("") == ()


def test_doubled_braces_are_braces() -> None:
    assert "".join(map(str, pieces('{{"a": 1}}'))) == '{"a": 1}'
    assert pieces("{{sas}}") == ("{", "sas", "}")
    assert pieces("{{{sas}}}") == ("{", Placeholder.SAS, "}")
    assert pieces("}}{{") == ("}", "{")


@pytest.mark.parametrize("name", ["foo", "sas_url", "in.sas", "__class__", "sas.__class__", "reader.account_key"])
def test_unknown_placeholder_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no placeholder: there are \{sas\}, \{sas_query\}, ") as caught:
        secret_template.parse(f"A={{{name}}}")
    assert str(caught.value).startswith(f"{{{name}}} is no placeholder")
    assert "{account_key}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "brace", "place"),
    [
        ("{", "{", 1),
        ("a}", "}", 2),
        ("{}", "{", 1),
        ("{sas", "{", 1),
        ("sas}", "}", 4),
        ("{0}", "{", 1),
        ("{ foo }", "{", 1),
        ("{sasx!r}", "{", 1),
        ("{sas!r", "{", 1),
        ("{sas {account}}", "{", 1),
        ("{{}", "}", 3),
        ("{sas}}", "}", 6),
        ('{"a": "{sas}"}', "{", 1),
    ],
)
def test_brace_that_belongs_to_no_placeholder_is_refused(text: str, brace: str, place: int) -> None:
    with pytest.raises(ValueError, match="belongs to no placeholder: write a brace twice") as caught:
        secret_template.parse(text)
    assert str(caught.value).startswith(f"the {brace} at character {place} ")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{ sas }", "{sas}"),
        ("{sas }", "{sas}"),
        ("{sas\n}", "{sas}"),
        ("{sas!r}", "{sas}"),
        ("{sas:>9}", "{sas}"),
        ("{sas[0]}", "{sas}"),
        ("{sas | b64enc}", "{sas}"),
        ("{SAS()}", "{sas}"),
        ("{ account_key }", "{account_key}"),
    ],
)
def test_known_name_with_more_in_its_braces_is_refused_with_what_to_write(text: str, written: str) -> None:
    with pytest.raises(ValueError, match="belongs to no placeholder") as caught:
        secret_template.parse(f"A={text}")
    assert str(caught.value) == (
        f"the {{ at character 3 belongs to no placeholder: write {written}, without anything else between its braces"
    )


@pytest.mark.parametrize("name", ["SAS", "Connection_String"])
def test_name_in_another_case_is_refused_with_the_one_that_is_meant(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{{{name}}} is no placeholder: did you mean {{{name.lower()}}}$"):
        secret_template.parse(f"{{{name}}}")


def test_placeholders_are_those_that_are_used() -> None:
    assert secret_template.parse("{sas} {sas} {{url}} {account}").placeholders == {Placeholder.SAS, Placeholder.ACCOUNT}


def test_repr_shows_placeholders_and_nothing_of_the_text_beside_them() -> None:
    assert repr(secret_template.parse("PASSWORD=hunter2 {sas}{account}")) == "Template({sas}{account})"
