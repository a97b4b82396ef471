"""Secrets in URLs: hidden in every text that leaves the program, and never written down.

`urlsplit` and `sqlalchemy.make_url` end a password at its first `@` or `/`; what is after it would
be shown. Here everything before the last `@` is the secret, and rather too much is hidden.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
_SHORTEST = 3  # characters of what is looked for in texts; less is in every word
_WORD = 6  # shorter secrets are hidden where they stand alone, not within other words
_TOKEN = 8  # a user name without a password may be a token from so many characters on
# a scheme may be hidden already, where a secret is a word like "https"
_URL = re.compile(r"(?<![a-z0-9+.*-])[a-z0-9+.*-]+://[^\s'\"<>`]+", re.IGNORECASE)
# what stands before the URL of an archive or of a file that is cached; it has no secrets
_CHAIN = re.compile(r"\A(?:(?:zip|tar|[a-z]+cache)(?:://.*?)?::)+", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(
    r"[?&#;][^=&#;?]{0,64}(?:pass|pwd|secret|token|sig|key|cred|auth|session|sas|odbc_connect)"
    r"[^=&#;?]{0,64}=(?P<value>[^&]*)",
    re.IGNORECASE,
)
_secrets: set[str] = set()  # of every URL that this process was given, as texts may quote them


def masked_url(url: str) -> str:
    """Return a URL without user, password and secret parameters; what is no URL stays as it is."""
    head, mark, rest = url.partition("://")
    shown, end = "", 0
    for start, stop in _spans(rest) if mark else ():
        shown, end = shown + rest[end:start] + HIDDEN, stop
    return head + mark + shown + rest[end:]


def masked(text: str) -> str:
    """Return a text without the secrets of its URLs and of those that this process was given."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if len(secret) >= _WORD:
            text = text.replace(secret, HIDDEN)
        elif secret in text:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return _URL.sub(lambda found: masked_url(found.group()), text)


def note_secrets(*values: object) -> None:
    """Remember the secrets of URLs, so that `masked` finds them where a library quotes them."""
    for value in values:
        if isinstance(value, str) and "://" in value:
            rest = _CHAIN.sub("", value).partition("://")[2]
            _secrets.update(s for s in _quoted(rest) if len(s) >= _SHORTEST)
        elif isinstance(value, list | tuple):
            note_secrets(*value)


def _spans(rest: str) -> list[tuple[int, int]]:
    """Return where the secrets lie in what follows `://`, in order, none of them overlapping."""
    spans = [match.span("value") for match in _PARAMETER.finditer(rest)]
    at = rest.rfind("@")
    if at > 0 and not rest.startswith("/"):  # a path has no user
        inside = [stop for start, stop in spans if start <= at]
        spans = [(0, max([at, *inside])), *(s for s in spans if s[0] > at)]
    return [(start, stop) for start, stop in spans if stop > start]


def _quoted(rest: str) -> Iterator[str]:
    """Yield every form in which a library may quote the secrets of a URL."""
    at = rest.rfind("@")
    secrets = [match.group("value") for match in _PARAMETER.finditer(rest)]
    if at > 0 and not rest.startswith("/"):
        user, colon, password = rest[:at].partition(":")
        if colon:
            pair = f"{unquote(user)}:{unquote(password)}".encode(errors="surrogateescape")
            yield base64.b64encode(pair).decode()
            # where a parser ends the password too early, it may take a piece for the port
            secrets += [password, *re.split(r"[@/:?#&=]", password)]
        elif len(user) >= _TOKEN:
            secrets.append(user)
    for secret in secrets:
        yield from _spellings(secret)


def _spellings(secret: str) -> Iterable[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    for text in plain:
        encodable = text.encode(errors="replace").decode()
        yield from (text, repr(text)[1:-1], json.dumps(text)[1:-1], quote_plus(encodable))
        yield from (
            quote(encodable, safe=kept) for kept in ("", "/", " +", "!#$%&'()*+,/:;=?@[]~")
        )
