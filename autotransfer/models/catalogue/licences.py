"""Which licences of weights a fit may use, and why a source with another one is left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from autotransfer.errors import InvalidOptionError
from autotransfer.models.source import Source, Untrained

LicenceLike: TypeAlias = "str | Sequence[str] | None"

ANY, PERMISSIVE, UNKNOWN = "any", "permissive", "unknown"
# Use for any purpose, sold or not, as long as the licence is named.
PERMISSIVES = (
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "0bsd", "cc0-1.0",
    "unlicense",
)  # fmt: skip
# The others that timm states, and what is common elsewhere: a name beyond these is mistyped,
# unless a source has it.
_OTHERS = (
    "apple-amlr", "apple-ascl", "bsl-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-4.0", "cvnets-license", "dinov3-license",
    "fair-noncommercial-research-license", "fastvit-license", "gemma", "gpl-3.0", "agpl-3.0",
    "lgpl-3.0", "mobileone-license", "mpl-2.0", "none", "nvidia-open-model-license", "openrail",
    "qwen-community-1.0", "sapiens2-license", "seer-license",
)  # fmt: skip
_WORDS = (ANY, PERMISSIVE, UNKNOWN)
_FILLER = ("the", "license", "licence", "version")


@dataclass(frozen=True)
class Licences:
    """The licences that are allowed.

    Args:
        names: As the user wrote them; `any` allows all, and `permissive` a list of them.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, given: LicenceLike) -> Licences:
        """Return what an option allows; None is any.

        Raises:
            InvalidOptionError: If it is neither a text nor a list of texts, or names nothing.
        """
        if given is None:
            return cls((ANY,))
        parts: object = given.split(",") if isinstance(given, str) else given
        names = tuple(parts) if isinstance(parts, Sequence | set | frozenset) else ()
        if not names or not all(isinstance(name, str) and _key(name) for name in names):
            raise InvalidOptionError(f"license must be {_allowed()}, got {given!r}")
        return cls(tuple(name.strip() for name in names))

    def check(self, sources: Iterable[Source]) -> None:
        """Refuse a name that is no licence we know, nor that of a source: it is mistyped.

        Raises:
            InvalidOptionError: With what may be meant.
        """
        stated = [source.license for source in sources]
        known = (*_WORDS, *PERMISSIVES, *_OTHERS, *stated)
        keys = set(map(_key, known))
        for name in self.names:
            if _key(name) not in keys:
                close = difflib.get_close_matches(name.lower(), known, n=1)
                meant = f"; did you mean {close[0]!r}?" if close else "."
                raise InvalidOptionError(
                    f"license {name!r} is none that is known, nor that of a source{meant} "
                    f"Write {_allowed()}"
                )

    def against(self, source: Source) -> str:
        """Return why a source is not allowed; empty where it is.

        An architecture without pretrained weights has nothing that a licence is for.
        """
        allowed = {_key(name) for name in self.names}
        if ANY in allowed or isinstance(source.weights, Untrained):
            return ""
        if PERMISSIVE in allowed:
            allowed |= set(PERMISSIVES)
        key = _key(source.license) or UNKNOWN
        if key in allowed:
            return ""
        asked = ",".join(self.names)
        if key == UNKNOWN:
            return (
                f"its licence is unknown, and license={asked} was asked for; state it in the "
                f"catalogue (license = ...), or allow it (license={asked},{UNKNOWN})"
            )
        return (
            f"its licence is {source.license}, and license={asked} was asked for; name another "
            f"source, or allow it (license={asked},{source.license})"
        )


def told_licences(sources: Iterable[Source]) -> str:
    """Return which sources are not under a permissive licence, in words; empty for none."""
    wanted = Licences((PERMISSIVE,))
    others = [f"{s.name} ({s.license or UNKNOWN})" for s in sources if wanted.against(s)]
    if not others:
        return ""
    return f"not under a permissive licence: {', '.join(others)}; license={PERMISSIVE} skips them"


def _allowed() -> str:
    return f"{PERMISSIVE}, {ANY}, or names of licences with commas, such as apache-2.0,mit"


def _key(name: str) -> str:
    """Return a spelling that compares: `Apache License, Version 2.0` is `apache-2.0`."""
    words = re.findall(r"[a-z0-9.]+", name.lower())
    return "-".join(word.strip(".") for word in words if word not in _FILLER)
