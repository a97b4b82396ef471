from __future__ import annotations

import pytest

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSourceError, UnknownNameError
from autotransfer.models.catalogue import resolve_sources, told_left_out
from autotransfer.models.source import Source, Untrained

OURS, ONE, OTHER = (
    Source(name, "test_resnet", Untrained(), Preprocessing(32), {"num_classes": 0})
    for name in ("ours", "one", "other")
)
OFFERED = (ONE, OTHER)


def _names(requested: object, only: tuple[str, ...] = ()) -> list[str]:
    found = resolve_sources(requested, only=only, from_plugins=OFFERED)  # type: ignore[arg-type]
    return [source.name for source in found.sources]


def test_a_source_of_a_plugin_stays_away_unless_it_is_named() -> None:
    assert _names([OURS]) == ["ours"]
    assert _names([OURS, "other"]) == ["ours", "other"]
    assert _names("one") == ["one"]
    assert _names([OURS], only=("ours", "one")) == ["ours", "one"]


def test_plugins_stands_for_all_that_they_offer() -> None:
    assert _names([OURS, "plugins"]) == ["ours", "one", "other"]
    assert _names("plugins") == ["one", "other"]
    assert _names("plugins", only=("other",)) == ["other"]


def test_plugins_without_a_source_is_refused() -> None:
    with pytest.raises(InvalidSourceError, match="no plugin offers a source"):
        resolve_sources("plugins")


def test_a_name_that_nobody_offers_stays_unknown() -> None:
    with pytest.raises(UnknownNameError, match="onee"):
        _names([OURS], only=("onee",))


def test_who_takes_no_part_is_told_with_what_to_do() -> None:
    assert told_left_out(OFFERED, [OURS, ONE]) == (
        "1 source(s) of plugins take no part: other; --sources NAME takes one, "
        "--sources plugins all"
    )
    assert told_left_out(OFFERED, [ONE, OTHER]) == ""
