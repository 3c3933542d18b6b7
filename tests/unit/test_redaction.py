import base64
import copy
import gc
import json
import pickle
import traceback
import urllib.parse

import pytest

from rotator.redaction import SecretText, scrub

VALUE = "p/w with+spaces & more"
PEM = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBxIGFtIG5vdCBhIHJlYWwga2V5AAAAIHRob3VnaCBJIGxvb2s=
-----END OPENSSH PRIVATE KEY-----
"""


def test_only_reveal_gives_the_value() -> None:
    assert SecretText(VALUE).reveal() == "p/w with+spaces & more"


def test_secret_hides_in_every_way_of_making_text() -> None:
    secret = SecretText(VALUE)
    assert repr(secret) == "Secret(…)"
    assert str(secret) == "[secret]"
    assert f"{secret}" == f"{secret:>30}" == "[secret]"
    assert format(secret, "s") == "[secret]"
    assert f"{secret!r}" == "Secret(…)"
    assert "%s %r" % (secret, secret) == "[secret] Secret(…)"  # noqa: UP031  # the logging module's way
    assert f"{[secret]} { ({'key': secret}) }" == "[Secret(…)] {'key': Secret(…)}"


def test_secret_can_be_neither_pickled_nor_turned_into_json() -> None:
    secret = SecretText(VALUE)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError) as caught:
        json.dumps({"secret": secret})
    assert VALUE not in str(caught.value)


def test_copies_are_the_secret_itself() -> None:
    secret = SecretText(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"held": [secret]})["held"][0] is secret


def test_secret_has_no_attributes_to_list_and_no_hash() -> None:
    secret = SecretText(VALUE)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)


def test_secrets_compare_by_value_and_to_nothing_but_secrets() -> None:
    assert SecretText(VALUE) == SecretText(VALUE)
    assert SecretText(VALUE) != SecretText("another")
    assert SecretText("é") == SecretText("é")
    assert SecretText(VALUE) != VALUE


def test_traceback_with_local_variables_does_not_show_the_value() -> None:
    def fail(secret: SecretText) -> None:
        raise ValueError(f"could not use {secret}")

    with pytest.raises(ValueError, match=r"could not use \[secret\]") as caught:
        fail(SecretText(VALUE))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Secret(…)" in shown
    assert VALUE not in shown


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_scrub_masks_raw_quoted_and_base64_forms(form: str) -> None:
    secret = SecretText(VALUE)
    assert scrub(f"before {form} after").replace("=", "") == "before [secret] after"
    assert secret.reveal() == VALUE


def test_scrub_masks_the_form_of_a_posted_form() -> None:
    secret = SecretText(VALUE)
    assert scrub(urllib.parse.urlencode({"password": VALUE})) == "password=[secret]"
    assert secret.reveal() == VALUE


def test_scrub_masks_each_line_of_a_key() -> None:
    key = SecretText(PEM)
    for line in PEM.splitlines()[1:-1]:
        assert scrub(f"<{line}>") == "<[secret]>"
    assert "b3Blb" not in scrub(repr(PEM))
    assert "b3Blb" not in scrub(json.dumps(PEM))
    assert "b3Blb" not in scrub(PEM.replace("\n", "\r\n"))
    assert base64.b64encode(PEM.encode()).decode() not in scrub(base64.b64encode(PEM.encode()).decode())
    assert key.reveal() == PEM


def test_scrub_masks_a_key_that_was_never_a_secret_even_when_cut_off() -> None:
    assert scrub(f"read {PEM}done") == "read [secret]\ndone"
    assert scrub(f"read {PEM[:90]}") == "read [secret]"


def test_a_key_of_which_a_part_is_known_is_masked_whole() -> None:
    line = PEM.splitlines()[1]
    known = SecretText(line[8:24]), SecretText(PEM.splitlines()[0]), SecretText("EXAMPLEkey1234")
    assert scrub(f"read {PEM}done") == "read [secret]\ndone"
    assert scrub("AccountKey=abcdefghEXAMPLEkey1234ijklmnop==;b") == "AccountKey=[secret];b"
    del known


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("GET /?sv=2018-03-28&sig=Zm9v%3D&sp=r", "GET /?sv=2018-03-28&sig=[secret]&sp=r"),
        ("sig=Zm9v/+= HTTP/1.1", "sig=[secret] HTTP/1.1"),
        ('{"url": "https://h/?SIG=Zm9v"}', '{"url": "https://h/?sig=[secret]"}'),
        ("<a href='?a=1&amp;sig=Zm9v'>", "<a href='?a=1&amp;sig=[secret]'>"),
        ("sig%3DZm9v%253D", "sig=[secret]"),
        ("design=nice", "design=nice"),
    ],
)
def test_scrub_masks_a_signature_that_was_never_a_secret(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed
    assert scrub(scrubbed) == scrubbed


@pytest.mark.parametrize("text", ["sv%3D2018-03-28%26sig%3DZm9v%253D", '"sv=2018-03-28\\u0026sig=Zm9v%3D"'])
def test_scrub_masks_an_unknown_signature_behind_a_quoted_ampersand(text: str) -> None:
    assert "Zm9v" not in scrub(text)


def test_values_too_short_to_tell_from_words_are_left() -> None:
    secret = SecretText("abc")
    assert scrub("abc") == "abc"
    assert secret.reveal() == "abc"
    assert scrub("nothing secret here") == "nothing secret here"
    empty = SecretText("")
    assert scrub("text") == "text"
    assert empty.reveal() == ""


def test_of_two_equal_secrets_one_may_die_and_the_value_stays_masked() -> None:
    first, second = SecretText("hunter2-hunter2"), SecretText("hunter2-hunter2")
    del first
    gc.collect()
    assert scrub("hunter2-hunter2") == "[secret]"
    del second
    gc.collect()
    assert scrub("hunter2-hunter2") == "hunter2-hunter2"


def test_longer_secret_is_masked_whole_though_a_shorter_one_is_part_of_it() -> None:
    longer, shorter = SecretText("abcdefgh-tail"), SecretText("abcdefgh")
    assert scrub("abcdefgh-tail") == "[secret]"
    assert (longer.reveal(), shorter.reveal()) == ("abcdefgh-tail", "abcdefgh")


def test_longer_secret_is_masked_whole_also_when_the_shorter_one_is_older() -> None:
    shorter, longer = SecretText("abcdefgh"), SecretText("abcdefgh-tail")
    assert scrub("abcdefgh-tail") == "[secret]"
    assert (longer.reveal(), shorter.reveal()) == ("abcdefgh-tail", "abcdefgh")
