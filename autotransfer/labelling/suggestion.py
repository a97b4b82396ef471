"""Suggesting images to label: a part at random that keeps the test honest, the rest chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.label_files import CHOSEN, RANDOM
from autotransfer.data.splitting import share_of
from autotransfer.forecasts import LabelForecast, More, Range

RANDOM_SHARE = 1 / 3  # of a round
RESERVED = 1 / 3  # of all images without labels: only at random, never chosen
_SALT = b"autotransfer drawn at random 1"


@dataclass(frozen=True)
class Asked:
    """An image to label.

    Args:
        image: Its name in the set.
        drawn: "random": may test; or "chosen": only trains.
        cluster: What it is like, for people; empty where there is nothing to say.
    """

    image: str
    drawn: str
    cluster: str = ""


@dataclass(frozen=True)
class Round:
    """What a round before has brought, beside what was forecast.

    Args:
        labels: That were added.
        forecast: What they were expected to gain.
        gained: What they did gain, measured on the same items before and after.
    """

    labels: int
    forecast: More
    gained: Range


@dataclass(frozen=True)
class Suggestion:
    """Which images to label next.

    Args:
        asked: The images, in the order in which they are shown.
        sources: Whose features chose them, the best first.
        table: Path of the table that is filled in.
        sheet: Path of the page to label on.
        class_names: Known classes.
        forecast: What more labels would buy; None before there are labels enough.
        next_round: What as many labels are expected to gain; None as above.
        last_round: What the labels of the last table have brought; None without one.
        stop: Why another round is not worth it; empty where it is.
        notes: What else there is to say, in sentences.
    """

    asked: tuple[Asked, ...]
    sources: tuple[str, ...]
    table: str
    sheet: str
    class_names: tuple[str, ...]
    forecast: LabelForecast | None = None
    next_round: More | None = None
    last_round: Round | None = None
    stop: str = ""
    notes: tuple[str, ...] = ()


def reserved(images: ImageSet) -> NDArray[np.bool_]:
    """Return (n,) which images are asked for at random alone.

    It depends on the content of an image, so that it is known before anybody looks, and is the
    same in every round: the images of this part that have a label are a random sample of the
    set, whatever was chosen from the other part. No image of it is ever chosen.
    """
    found: NDArray[np.bool_] = _shares(images) < RESERVED
    return found


def divided(images: ImageSet, count: int) -> tuple[NDArray[np.int64], int]:
    """Return the places of the images that are asked for at random, and how many to choose.

    Args:
        images: Those without a label.
        count: How many are asked for in all.
    """
    shares = _shares(images)
    order = np.argsort(shares, kind="stable")
    free = order[shares[order] < RESERVED]
    wanted = min(max(round(RANDOM_SHARE * count), 1), len(free))
    return free[:wanted].astype(np.int64), count - wanted


def mixed(
    images: ImageSet,
    random: NDArray[np.int64],
    chosen: Sequence[int],
    clusters: Mapping[int, str],
    seed: int,
) -> tuple[Asked, ...]:
    """Return what is asked in random order, so that nobody sees which images test.

    Args:
        images: Those without a label.
        random: Places of those drawn at random.
        chosen: Places of the others.
        clusters: What an image is like, by its place.
        seed: Of the order.
    """
    ways = {**{int(i): CHOSEN for i in chosen}, **{int(i): RANDOM for i in random}}
    places = np.random.default_rng(seed).permutation(sorted(ways))
    return tuple(Asked(images.names[i], ways[i], clusters.get(i, "")) for i in places.tolist())


def _shares(images: ImageSet) -> NDArray[np.float64]:
    """Return (n,) numbers in [0, 1), evenly spread, that depend on the contents alone."""
    return np.array([share_of(digest, _SALT) for digest in images.digests])
