"""The health of the data: images that repeat, class balance, files that are no images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from autotransfer.data.image_set import ImageSet
from autotransfer.data.near_duplicates import near_duplicates
from autotransfer.report.markup import Cell, bar, bullets, folded, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.report.thumbnails import card, gallery

BAD_FILES = "cannot be used and were left out"  # how the notes on a target say it
MOST_IMAGES = 1500  # of each set; pairs beyond are not looked for
MOST_PAIRS = 6  # that are shown
MOST_CLASSES = 40  # that are shown unfolded
UNEVEN = 3.0  # times as many images in the largest class as in the smallest

Place = tuple[str, int]  # a set, and the position within it


def balance_section(material: Material) -> Markup | None:
    """Return the images of each class in each labelled set, and the files left out."""
    labelled = {title: i for title, i in material.images.items() if i.labelled and len(i)}
    parts = [bullets(text for text in material.record.warnings if BAD_FILES in text)]
    if labelled:
        first = next(iter(labelled.values()))
        same = {t: i for t, i in labelled.items() if i.class_names == first.class_names}
        parts += [_balance(same), paragraph(evenness(first))]
    return joined(parts) if labelled or parts[0] else None


def evenness(images: ImageSet) -> str:
    """Return whether the classes are of about the same size, in a sentence."""
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    counts = counts[counts > 0]
    ratio = counts.max() / counts.min()
    told = f"The largest class has {ratio:.1f} times as many {images.modality.plural} as the"
    if ratio < UNEVEN:
        return f"{told} smallest."
    return (
        f"{told} smallest: look at the "
        "balanced accuracy (--metric balanced_accuracy), or weigh the classes (--class-weights)."
    )


def duplicates_section(material: Material) -> Markup | None:
    """Return images that occur more than once, as files or as copies of another size."""
    if not material.images:
        return None
    kind = next(iter(material.images.values())).modality
    several = kind.plural.capitalize()
    exact = exact_duplicates(material.images)
    sets = {title: images.sample(MOST_IMAGES) for title, images in material.images.items()}
    places = [(title, i) for title, images in sets.items() for i in range(len(images))]
    pairs = [(places[a], places[b]) for a, b in near_duplicates(*sets.values())]
    alike = Counter((first, second) for (first, _), (second, _) in pairs)
    rows: list[tuple[Cell, ...]] = [
        (" and ".join(dict.fromkeys(titles)), count, kind)
        for kind, found in (("same file", exact), ("look the same", alike))
        for titles, count in found.items()
    ]
    if not rows:
        return paragraph(f"No {kind} occurs twice, neither as a file nor as a copy.")
    told = (
        f"{several} that {'show' if kind.can_be_shown else 'are'} the same stay on one side of "
        "every division of the search. Across a test of your own they make every score look "
        "better than it is."
    )
    counted = table(("in", "pairs", "kind"), rows, f"{several} that occur twice")
    return joined([paragraph(told), counted, _shown(sets, pairs)])


def exact_duplicates(sets: Mapping[str, ImageSet]) -> dict[tuple[str, str], int]:
    """Return how many images have a copy with the same content, by the sets of both."""
    first: dict[str, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for title, images in sets.items():
        for digest in images.digests:
            if digest in first:
                found[(first[digest], title)] += 1
            first.setdefault(digest, title)
    return dict(found)


def _shown(sets: Mapping[str, ImageSet], pairs: Sequence[tuple[Place, Place]]) -> Markup:
    """Return some pairs; those whose labels differ come first, as one of them is wrong."""

    def label(place: Place) -> str:
        images = sets[place[0]]
        return images.class_names[images.labels[place[1]]] if images.labelled else "no label"

    ordered = sorted(pairs, key=lambda pair: label(pair[0]) == label(pair[1]))
    return gallery(
        card(sets[place[0]], place[1], [name(label(place))], f"one of two alike: {label(place)}")
        for pair in ordered[:MOST_PAIRS]
        for place in pair
    )


def _balance(labelled: Mapping[str, ImageSet]) -> Markup:
    first = next(iter(labelled.values()))
    names, several = first.class_names, first.modality.plural.capitalize()
    counts = [np.bincount(i.labels, minlength=len(names)) for i in labelled.values()]
    largest = max(int(counts[0].max()), 1)
    rows: list[tuple[Cell, ...]] = [
        (name(names[k]), *(int(c[k]) if k < len(c) else None for c in counts),
         bar(counts[0][k] / largest))
        for k in range(len(names))
    ]  # fmt: skip
    head = ("class", *labelled, "")
    shown = table(head, rows[:MOST_CLASSES], f"{several} of each class")
    if len(rows) > MOST_CLASSES:
        more = table(head, rows[MOST_CLASSES:], "Further classes")
        shown = joined([shown, folded(f"{len(rows) - MOST_CLASSES} more classes", more)])
    return shown
