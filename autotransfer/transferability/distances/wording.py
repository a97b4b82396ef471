"""Distances in words."""

from __future__ import annotations

from collections.abc import Mapping

from autotransfer.errors import UndefinedScoreError

LEVELS = ("near", "moderate", "far")
_PHRASES = {"near": "near", "moderate": "moderately far apart", "far": "far apart"}
SIGNIFICANCE = 0.05  # permutation p-value from which the MMD is taken for chance

# values from which a measure says moderate and far; only measures that do not depend on the scale
# of the features can be judged so. Ours: set so that two halves of one set are near and
# photographs against sketches far; they are words, not tests
MMD_LEVELS = (0.02, 0.1)
# bits above a random split, a mean over features of which many differ little. Few images alone
# give 0.02 (500 a side) to 0.5 bits (10 a side), so that without the split the bounds are higher
JS_LEVELS = (0.02, 0.1)
JS_RAW_LEVELS = (0.05, 0.2)
PROXY_A_LEVELS = (0.5, 1.5)  # above the value of a random split


def levels(distances: Mapping[str, float]) -> dict[str, str]:
    """Return near, moderate or far for each measure that has a scale of its own."""
    found = {}
    if "mmd" in distances:
        chance = distances.get("mmd-p-value", 0.0) >= SIGNIFICANCE
        found["mmd"] = LEVELS[0] if chance else _level(distances["mmd"], MMD_LEVELS)
    if "js-divergence" in distances:
        known = "js-null" in distances
        excess = distances["js-divergence"] - distances.get("js-null", 0.0)
        found["js-divergence"] = _level(excess, JS_LEVELS if known else JS_RAW_LEVELS)
    if "proxy-a-distance" in distances:
        excess = distances["proxy-a-distance"] - distances.get("proxy-a-null", 0.0)
        found["proxy-a-distance"] = _level(excess, PROXY_A_LEVELS)
    return found


def describe(distances: Mapping[str, float]) -> str:
    """Return one sentence: near, moderate or far, and which measures say otherwise.

    The word is the middle one of MMD, Jensen-Shannon divergence and proxy A-distance; the
    other measures are in units of the features and have no word.

    Args:
        distances: What `domain_distance` returned, and `js-null` where it is known: the
            Jensen-Shannon divergence of a random split of both sets together.

    Raises:
        UndefinedScoreError: If none of the three is there.
    """
    found = levels(distances)
    if not found:
        raise UndefinedScoreError(
            "no words without mmd, js-divergence or proxy-a-distance; got "
            + (", ".join(distances) or "no distances")
        )
    ranked = sorted(found.values(), key=LEVELS.index)
    overall = ranked[len(ranked) // 2]
    agree = [_said(name, distances) for name, level in found.items() if level == overall]
    differ = [
        f"{_said(name, distances)} says {level}"
        for name, level in found.items()
        if level != overall
    ]
    sentence = f"The two sets are {_PHRASES[overall]} ({', '.join(agree)})"
    return sentence + (f", but {' and '.join(differ)}." if differ else "; the measures agree.")


def _level(value: float, bounds: tuple[float, float]) -> str:
    return LEVELS[sum(value >= bound for bound in bounds)]


def _said(name: str, distances: Mapping[str, float]) -> str:
    """Return a measure with its value and what to read it beside."""
    beside = {
        "mmd": ("mmd-p-value", "p ="),
        "js-divergence": ("js-null", "random split"),
        "proxy-a-distance": ("proxy-a-null", "random split"),
    }
    text = f"{name} {distances[name]:.3g}"
    if name in beside and beside[name][0] in distances:
        key, label = beside[name]
        text += f" [{label} {distances[key]:.3g}]"
    return text
