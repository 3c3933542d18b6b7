"""A mapping in one setting, in YAML or JSON: what is read, and what is refused without quoting a value."""

import pytest

from rotator.plan import text_mapping


@pytest.mark.parametrize(
    "written",
    [
        '{"a": "one", "b": "two"}',
        "a: one\nb: two",
        "{a: one, b: two}",
        "---\na: one\n# a remark\nb: 'two'\n",
        '\t{"a":\t"one",\n"b": "two"}',
        '"a": "one"\n"b": "tw\\u006f"',
    ],
)
def test_yaml_and_json_are_read_alike(written: str) -> None:
    assert text_mapping.parse(written) == {"a": "one", "b": "two"}
    assert text_mapping.parse(text_mapping.parse(written)) == {"a": "one", "b": "two"}


@pytest.mark.parametrize("text", ["on", "no", "1.10", "010", "2026-07-01", "0x1f", "true", "1e3"])
def test_what_looks_like_another_type_in_yaml_is_the_text_that_was_written(text: str) -> None:
    assert text_mapping.parse(f"a: {text}") == {"a": text}


def test_numbers_and_truth_values_of_json_are_read_as_they_are_written() -> None:
    assert text_mapping.parse('{"a": true, "b": 10, "c": 1.10, "d": false}') == {
        "a": "true",
        "b": "10",
        "c": "1.10",
        "d": "false",
    }


def test_characters_beyond_the_first_plane_are_read_from_their_two_halves() -> None:
    assert text_mapping.parse('{"a": "\\ud83d\\udd11"}') == {"a": "\U0001f511"}


def test_lines_stay_lines() -> None:
    assert text_mapping.parse("cloud: |\n  A=1\n  B=2\nlast: x") == {"cloud": "A=1\nB=2\n", "last": "x"}
    assert text_mapping.parse('{"cloud": "A=1\\nB=2"}') == {"cloud": "A=1\nB=2"}


@pytest.mark.parametrize(
    "written",
    [
        "",
        "hunter2",
        "[hunter2]",
        '["hunter2"]',
        "a: b: hunter2",
        "a: hunter2\n\tb: x",
        '{"a": "hunter2"',
        "a: *hunter2",
        "a: !hunter2\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        "{a: " * 100_000,
    ],
)
def test_what_is_no_mapping_is_refused_without_quoting_it(written: str) -> None:
    with pytest.raises(ValueError, match=r"^it must be a mapping in YAML or JSON") as caught:
        text_mapping.parse(written)
    assert "hunter2" not in str(caught.value)


def test_refusal_says_where_the_text_stops_being_yaml() -> None:
    with pytest.raises(ValueError, match=r"line 2, column 5 is not YAML$"):
        text_mapping.parse("a: x\nb: c: d")


@pytest.mark.parametrize("value", ["{sas}", "[x]", "{a: b}"])
def test_value_that_yaml_takes_for_a_mapping_or_list_is_refused_with_the_remedy(value: str) -> None:
    with pytest.raises(ValueError, match="secretKey must be a text: in YAML, one with braces needs quotes"):
        text_mapping.parse(f"secretKey: {value}")


@pytest.mark.parametrize("value", ["[]", "{}", '{"a": "b"}'])
def test_value_of_json_that_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the value of a must be a text"):
        text_mapping.parse(f'{{"a": {value}}}')


@pytest.mark.parametrize(
    "written", ['{"a": null}', "a:", "a: ~", "a: null", "a: Null", "a: NULL", "{a: null}", "{a}", "b: x\na: # later"]
)
def test_null_is_refused_in_yaml_as_in_json(written: str) -> None:
    with pytest.raises(ValueError, match=r'^the value of a is null: write a text, or "" for an empty one, or leave it'):
        text_mapping.parse(written)


@pytest.mark.parametrize("value", ["", "~", "null"])
def test_quoted_text_is_no_null(value: str) -> None:
    assert text_mapping.parse(f'a: "{value}"') == text_mapping.parse(f"a: '{value}'") == {"a": value}


@pytest.mark.parametrize(("written", "line"), [("a: hunter2\n---\nb: x", 3), ("---\na: x\n---\n- hunter2\n", 4)])
def test_second_yaml_document_is_refused_as_such(written: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"^it must be one mapping: line {line} is of a second YAML document$"):
        text_mapping.parse(written)


@pytest.mark.parametrize("written", ["a: x\na: y", '{"a": "x", "a": "y"}', '{"a": "x", "\\u0061": "y"}'])
def test_name_that_is_there_twice_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"^a is there twice$"):
        text_mapping.parse(written)


@pytest.mark.parametrize("written", ["? [x]\n: y", "? {x: y}\n: z"])
def test_name_that_is_no_text_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="each name must be a text"):
        text_mapping.parse(written)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="the value of a is not Unicode"):
        text_mapping.parse('{"a": "\\ud800"}')


def test_reading_makes_nothing_but_texts() -> None:
    assert text_mapping.parse("a: !!python/name:os.system x") == {"a": "x"}
