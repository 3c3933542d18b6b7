"""Whatever kubectl, or what stands for it, prints: it is read, explained and quoted, or refused by an error of ours."""

import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rotator import errors
from rotator.checks import kubectl_probe
from rotator.delivery.ssh import kubectl, kubectl_errors, remote_output, script
from tests.fakes.examples import TARGET

MARK = "rotator-0123456789abcdef"
# What the patterns look for, so that what is made of it is near to what they find.
FRAGMENTS = [
    *re.findall(r"[A-Za-z0-9:'\"() .-]{3,}", " ".join(each.pattern for each in kubectl_errors._MEANINGS)),
    *(
        "Error from server (",
        "Forbidden",
        "): ",
        'admission webhook "',
        '" denied the request: ',
        "data[",
        "]",
        '"',
        "\\",
    ),
    *(
        "Invalid value: ",
        "time=",
        "level=warning ",
        "sig=",
        "%",
        "{",
        "}",
        "[secret]",
        "[…]",
        "https://",
        "\n",
        "\r",
        " ",
    ),
    *("\x00", "\u2028", "\ud7ff", "é", "\u0661", f"{MARK} ready", f"{MARK} held"),
]
WORDS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20), max_size=40).map("".join)
ANSWERS = WORDS | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["clientVersion", "gitVersion", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=30,
).map(json.dumps)
anything = settings(max_examples=300, deadline=None)


@anything
@given(st.integers(0, 255), WORDS)
def test_any_words_are_explained(status: int, words: str) -> None:
    error = kubectl_errors.explain(status, words, TARGET, "nothing was changed")
    assert isinstance(error, errors.RotatorError)
    assert str(error).endswith("; nothing was changed")
    assert error.remedy


@anything
@given(WORDS)
def test_any_words_are_quoted_in_one_short_line(words: str) -> None:
    quoted = remote_output.quote(words)
    assert len(quoted) <= 401
    assert not set(quoted) & set("\n\r\u2028")


@anything
@given(
    st.sampled_from([*"ABCxyz"]) | WORDS,
    st.text("abcXYZ0123456789+/=%&$_", min_size=6, max_size=60).filter(
        lambda value: re.search("[0-9][^.:]*[a-zA-Z]", value)
    ),
    WORDS,
)
def test_no_value_comes_through_a_refusal(before: str, value: str, after: str) -> None:
    stderr = f'Error from server: admission webhook "policy.example.com" denied the request: {before} {value} {after}'
    for echoed in (before, after):
        if value in " ".join(echoed.split()):
            return
    assert value not in remote_output.quote(stderr)


@anything
@given(WORDS)
def test_any_output_is_split_into_steps_without_loss(words: str) -> None:
    steps = script.parse(words, MARK).steps
    if f"{MARK} " not in words:
        assert steps == {"": words.removesuffix("\n") + "\n"}
    assert sum(map(len, steps.values())) <= len(words) + 1
    kubectl.not_found(words)
    kubectl_probe.refused_user(words)


@anything
@given(ANSWERS)
@example("[" * 100_000)
@example('{"gitVersion": ' * 50_000)
@example("9" * 5000)
def test_any_answer_is_a_version_or_none(answer: str) -> None:
    assert isinstance(kubectl_probe.version_in(answer), str)


# Of patterns that repeat something, and of those that look for what may be a value.
REPEATED = sorted(
    {
        fragment
        for pattern in [each.pattern for each in kubectl_errors._MEANINGS if re.search(r"[*+{]", each.pattern)]
        for fragment in re.findall(r"[A-Za-z0-9:'\"() .-]{3,}", pattern)
    }
    | {
        "sig=",
        'denied the request: "',
        "denied the request: \\",
        "(Invalid) data[",
        "is forbidden: https://a-",
        "time=",
    }
)


@pytest.mark.parametrize("fragment", REPEATED)
def test_words_without_end_take_linear_time(fragment: str) -> None:
    words = fragment * (2**18 // len(fragment))
    began = time.monotonic()
    kubectl_errors.explain(1, words, TARGET, "nothing was changed")
    kubectl_probe.refused_user(words)
    assert time.monotonic() - began < 15


# Foreign text that a webhook may quote, near to what is searched in it but never quite that.
NEARLY = {
    "words made of parts": "aa." * 2000 + "1",
    "words of mixed letters": "aaBbCc/" * 2000 + "1",
    "an escaped quotation that never ends": '"\\' * 8000,
    "quotations that never end": '"a\\' * 5000 + "\\",
}


@pytest.mark.parametrize("stderr", NEARLY.values(), ids=NEARLY)
def test_refusal_in_any_words_is_quoted_in_linear_time(stderr: str) -> None:
    began = time.thread_time()
    remote_output.quote(f'Error from server: admission webhook "x.example.com" denied the request: {stderr}')
    assert time.thread_time() - began < 1  # what is not linear takes 3 s, or hours


@pytest.mark.parametrize(
    ("stderr", "shown"),
    [
        ("the label Owner is missing, see docs/policy.md", "the label Owner is missing, see docs/policy.md"),
        ('a "hunter2 and more', "a […]"),
        ('"data.password" "hunter2 x" is bad', '"data.password" […] is bad'),
    ],
)
def test_refusal_keeps_words_and_loses_values(stderr: str, shown: str) -> None:
    assert remote_output.quote(f"denied the request: {stderr}") == f"denied the request: {shown}"
