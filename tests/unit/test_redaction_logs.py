import io
import json
import logging
import logging.handlers
import os
from collections.abc import Iterator

import pytest

from rotator import redaction
from rotator.redaction import SecretText

VALUE = "correct horse battery staple"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What a handler writes that is added to the root logger before `install()`."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def secret() -> SecretText:
    redaction.install()
    return SecretText(VALUE)


def test_message_and_arguments_are_scrubbed(output: io.StringIO, secret: SecretText) -> None:
    logging.getLogger("azure.core").info("sent %s and %r of %d", VALUE, {"password": VALUE}, 3)
    logging.getLogger("azure.core").info(f"sent {VALUE}")  # noqa: G004  # as a foreign library may do
    assert output.getvalue() == (
        "INFO azure.core: sent [secret] and {'password': '[secret]'} of 3\nINFO azure.core: sent [secret]\n"
    )


def test_exception_its_cause_and_its_words_are_scrubbed(output: io.StringIO, secret: SecretText) -> None:
    def look_up() -> None:
        try:
            os.environ[secret.reveal()]
        except KeyError as error:
            raise ValueError(f"no {secret.reveal()}") from error

    try:
        look_up()
    except ValueError:
        logging.getLogger("x").exception("it failed")
    assert "it failed" in output.getvalue()
    assert "KeyError: '[secret]'" in output.getvalue()
    assert "ValueError: no [secret]" in output.getvalue()
    assert VALUE not in output.getvalue()


def test_handler_that_is_added_later_sees_scrubbed_records(secret: SecretText) -> None:
    handler = logging.handlers.BufferingHandler(capacity=10)
    logger = logging.getLogger("later")
    logger.addHandler(handler)
    logger.warning("value %s", VALUE)
    logger.removeHandler(handler)
    (record,) = handler.buffer
    assert record.getMessage() == "value [secret]"
    assert record.args is None
    assert VALUE not in json.dumps(vars(record), default=repr)


def test_sas_in_an_http_log_line_is_scrubbed_though_nobody_made_it_a_secret(
    output: io.StringIO, secret: SecretText
) -> None:
    logging.getLogger("urllib3").debug('"GET %s HTTP/1.1" 200', "/?comp=list&sig=c2VjcmV0c2VjcmV0&sv=2018-03-28")
    assert output.getvalue() == 'DEBUG urllib3: "GET /?comp=list&sig=[secret]&sv=2018-03-28 HTTP/1.1" 200\n'


def test_percent_signs_in_a_scrubbed_message_are_not_formatted_again(output: io.StringIO, secret: SecretText) -> None:
    logging.getLogger("x").info("%s of 100%%", "50%s")
    assert output.getvalue() == "INFO x: 50%s of 100%\n"


def test_arguments_that_do_not_fit_are_shown_beside_the_message(output: io.StringIO, secret: SecretText) -> None:
    logging.getLogger("x").info("%d apples", "many")
    assert output.getvalue() == "INFO x: %d apples ('many',)\n"


def test_arguments_that_do_not_fit_do_not_give_the_value_away(
    secret: SecretText, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("misfit")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("%d apples", VALUE)
    logger.removeHandler(handler)
    assert VALUE not in capsys.readouterr().err


def test_install_is_idempotent(secret: SecretText) -> None:
    factory = logging.getLogRecordFactory()
    redaction.install()
    assert logging.getLogRecordFactory() is factory
