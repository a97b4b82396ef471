"""No secret of a URL is in what is said, whatever it is made of and whoever quotes it."""

from __future__ import annotations

import time
import warnings
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from autotransfer import masking
from autotransfer.data.untrusted_files import reason
from autotransfer.errors import (
    LONGEST,
    CorruptImagesError,
    InvalidOptionError,
    PluginError,
    StudyStorageError,
    TrackingWarning,
    one_line,
)
from autotransfer.masking import masked, masked_url, note_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@db:5432/runs", "postgresql://***@db:5432/runs"),
        ("http://ann:s3@cr/et@127.0.0.1:9/x", "http://***@127.0.0.1:9/x"),
        ("mysql+pymysql://ann:p?x#y:%40@db/runs", "mysql+pymysql://***@db/runs"),
        ("https://a-token-alone@hub/x", "https://***@hub/x"),
        ("sqlite:////a b.db?timeout=5&password=pw", "sqlite:////a b.db?timeout=5&password=***"),
        ("https://a.blob/c/x.zip?sp=r&sig=a%2Fb&se=1", "https://a.blob/c/x.zip?sp=r&sig=***&se=1"),
        ("https://b/x?X-Amz-Signature=b&v=1", "https://b/x?X-Amz-Signature=***&v=1"),
        ("s3://b?AWSAccessKeyId=a&Signature=b", "s3://b?AWSAccessKeyId=***&Signature=***"),
        ("postgresql://h/d?sslpassword=a#b&sslmode=x", "postgresql://h/d?sslpassword=***&sslmode=x"),
        ("https://h/x#access_token=a", "https://h/x#access_token=***"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER;PWD=a", "mssql+pyodbc:///?odbc_connect=***"),
        ("https://h/x?token=a@b", "https://***"),  # rather too much than a part of it
        ("zip://a::http://ann:pw@h/x.zip", "zip://***@h/x.zip"),
        # nothing to hide
        ("sqlite:////home/ann@work/x.db", "sqlite:////home/ann@work/x.db"),
        ("http://127.0.0.1:5000/x?page=2", "http://127.0.0.1:5000/x?page=2"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("models:/plants@champion", "models:/plants@champion"),
        ("ann@work: see a/b", "ann@work: see a/b"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert masked_url(shown) == shown


_PASSWORDS = st.text(min_size=6, max_size=30).filter(lambda text: "***" not in text)
# of characters that print: to filter whole texts leaves one in ten
_PRINTED = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=6, max_size=30
).filter(lambda text: "***" not in text)


@given(password=_PASSWORDS, in_query=st.booleans(), raw=st.booleans())
def test_no_password_is_in_a_url_that_is_shown(password: str, in_query: bool, raw: bool) -> None:  # noqa: FBT001 - hypothesis gives names
    written = password.replace("&", "") if raw and in_query else password
    written = written if raw else quote(written, safe="", errors="replace")
    if in_query:
        url, shown = f"db://host/x?a=1&password={written}&b=2", "db://host/x?a=1&password=***&b=2"
        if "@" in written:
            shown = "db://***&b=2"
        if not written:
            return
    else:
        url, shown = f"db://ann:{written}@host/x", "db://***@host/x"
        if masking._PARAMETER.search(f"ann:{written}@host/x"):
            shown = "db://***"
    assert masked_url(url) == shown


@settings(max_examples=50, deadline=None)
@given(password=_PRINTED)
def test_what_a_library_quotes_of_a_password_is_hidden(password: str) -> None:
    url = f"http://ann:{quote(password, safe='')}@127.0.0.1:9"
    masking._secrets.clear()
    note_secrets(url)
    for quoted in (
        url,
        repr(url),
        f"cannot open ann:{password} there",
        f"'{quote_plus(password)}' is wrong",
        sqlalchemy.make_url(url).render_as_string(hide_password=False),
    ):
        said = str(InvalidOptionError(f"no: {quoted}"))
        assert password not in said.replace("no: ", "")


def test_a_piece_that_a_parser_takes_for_a_port_is_hidden_too() -> None:
    note_secrets("http://ann:s3cr/et/hidden@host")
    for piece in ("s3cr", "hidden", "s3cr/et/hidden"):
        assert piece not in masked(f"invalid literal for int() with base 10: '{piece}'")


def test_basic_authentication_in_a_header_is_hidden() -> None:
    note_secrets("http://ann:sesame@host")
    assert masked("Authorization: Basic YW5uOnNlc2FtZQ==") == "Authorization: Basic ***"


def test_a_short_password_hides_no_other_words() -> None:
    note_secrets("http://ann:fit@host", "http://ann:a@host")
    assert masked("a fitted fit of ann") == "a fitted *** of ann"


@pytest.mark.parametrize(
    "chain", ["zip://a::", "tar://a b/c::", "simplecache::", "zip://a::filecache::", "ZIP://::"]
)
def test_what_stands_before_the_url_of_an_archive_is_no_secret(chain: str) -> None:
    note_secrets(f"{chain}https://ann:open-sesame@h/x.zip")
    assert masked("https and a b of ann") == "https and a b of ann"
    assert masked("see https://bob:pw@h") == "see https://***@h"
    assert masked("it is open-sesame") == "it is ***"


def test_a_password_like_the_chain_of_an_archive_is_hidden_as_a_whole() -> None:
    note_secrets("http://ann:opening::zip://sesame@h")
    assert masked("it is opening::zip://sesame") == "it is ***"


def test_a_password_like_a_scheme_lets_no_other_url_through() -> None:
    note_secrets("http://ann:https@h")
    assert masked("see https://bob:pw@h") == "see ***://***@h"


def test_lists_are_looked_through_and_what_is_no_url_has_no_secret() -> None:
    note_secrets(["a://b:in-a-list@c", ("x", "d://e:deeper-still@f")], None, 3, "plain:word@x")
    assert masked("in-a-list deeper-still plain:word@x") == "*** *** plain:word@x"


@pytest.mark.parametrize(
    "said",
    [
        InvalidOptionError("see http://a:sesame@h and sesame"),
        StudyStorageError("http://a:sesame@h", "sesame"),
        PluginError("http://a:sesame@h", "sesame"),
        CorruptImagesError([("http://a:sesame@h/x.png", "sesame")]),
        TrackingWarning("http://a:sesame@h"),
    ],
)
def test_every_error_and_warning_hides_secrets(said: Exception) -> None:
    note_secrets("http://a:sesame@h")
    again = type(said)(*said.args) if isinstance(said, InvalidOptionError) else said
    assert "http://***@h" in str(again)
    assert "a:sesame" not in str(again)


def test_a_warning_that_is_given_as_a_text_hides_secrets() -> None:
    with pytest.warns(TrackingWarning, match=r"at http://\*\*\*@h$"):
        warnings.warn("at http://a:sesame@h", TrackingWarning, stacklevel=1)


def test_no_message_is_endless_and_its_end_stays() -> None:
    text = str(InvalidOptionError("x" * 280_000 + "; do this"))
    assert len(text) == LONGEST
    assert text.endswith("; do this")


@pytest.mark.parametrize("blanks", range(90, 320, 10))
def test_a_secret_is_hidden_wherever_a_text_is_cut(blanks: int) -> None:
    note_secrets("http://ann:open-sesame@h")
    long = f"{'x' * blanks}http://ann:open-sesame@h{'y' * (400 - blanks)}"
    for said in (
        str(CorruptImagesError([(long, long)])),
        reason(ValueError(long)),
        reason(KeyError(long)),
        reason(OSError(2, "no such file", long)),
    ):
        assert "open" not in said
        assert "sesame" not in said


class _Mute(BaseException):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_that_cannot_be_shown_is_named_by_its_kind() -> None:
    assert one_line(_Mute()) == "_Mute"
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError"


@pytest.mark.parametrize("text", ["x", "x.", "http://h/?key", "://", "@", "http://?token=@"])
def test_masking_takes_no_longer_than_its_text(text: str) -> None:
    long = text * (300_000 // len(text))
    began = time.process_time()
    masked(long)
    assert time.process_time() - began < 5  # a quadratic search takes minutes
