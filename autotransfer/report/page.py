"""The page: sections in their order, each on its own, within the time that is left."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from autotransfer.data.atomic_files import write_whole
from autotransfer.data.modality import plural_of
from autotransfer.errors import OverrunError, ReportWarning
from autotransfer.report.confusion import confusion_section
from autotransfer.report.cost import cost_section
from autotransfer.report.cover import cover
from autotransfer.report.embedding import embedding_section
from autotransfer.report.health import balance_section, duplicates_section
from autotransfer.report.labelling import labelling_section
from autotransfer.report.leaderboard import leaderboard_section
from autotransfer.report.markup import clean, paragraph, rendered
from autotransfer.report.material import Material, no_images
from autotransfer.report.mislabelled import mislabelled_section
from autotransfer.report.more_labels import more_labels_section
from autotransfer.report.none_of_these import none_of_these_section
from autotransfer.report.progress import progress_section
from autotransfer.report.provenance import provenance_section
from autotransfer.report.ranking import ranking_section
from autotransfer.report.reliability import reliability_section
from autotransfer.report.shift import shift_section
from autotransfer.report.skipped import skipped_section
from autotransfer.report.spending import spending_section
from autotransfer.report.stages import stages_section
from autotransfer.report.validators import validators_section
from autotransfer.report.verdict import verdict_section
from autotransfer.report.wrong import wrong_section
from autotransfer.report.zero_shot import zero_shot_section
from autotransfer.results import REPORT_FILE, Record
from autotransfer.search.watchdog import GRACE_SECONDS, ended_at

# Sections that are open at once, at most eight of them; the others open at a touch.
OPEN = ("verdict", "zero-shot", "validators", "ranking", "stages", "leaderboard", "wrong",
        "mislabelled")  # fmt: skip
MOST_SECONDS = 120.0  # for a report, where nothing else limits it
NO_TIME = "Left out: no time was left for it. A larger --seconds leaves some."


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        key: Its place in the address.
        title: Its heading.
        build: Returns it; None where it does not apply.
        turn: When it is built: 0 comes from the record alone, later ones read images or
            predict, the more costly the later.
        needed: Whether it applies; where it does not, nobody is told that time was short.
    """

    key: str
    title: str
    build: Callable[[Material], Markup | None]
    turn: int = 0
    needed: Callable[[Material], object] = lambda _material: True

    def titled(self, item: str) -> str:
        """Return its heading for items of a kind, which is written for images."""
        several = plural_of(item)
        return self.title.replace("images", several).replace("Images", several.capitalize())


def _has(part: str) -> Callable[[Material], bool]:
    return lambda material: getattr(material, part) not in ({}, no_images)


SECTIONS = (
    Section("verdict", "The test", verdict_section),
    Section("zero-shot", "Classes without images", zero_shot_section),
    Section("validators", "Validators", validators_section),
    Section("ranking", "Sources", ranking_section),
    Section("stages", "Stages of the chosen source", stages_section),
    Section("leaderboard", "Leaderboard", leaderboard_section),
    Section("cost", "Score and cost", cost_section),
    Section("progress", "Best so far", progress_section),
    Section("labels", "More labels", more_labels_section),
    Section("confusion", "Confusions", confusion_section, 1, _has("tested")),
    Section("wrong", "Most wrong images", wrong_section, 1, _has("tested")),
    Section("reliability", "Reliability", reliability_section, 1, _has("tested")),
    Section("embedding", "Both domains", embedding_section, 5, _has("domains")),
    Section("balance", "Class balance", balance_section),
    Section("duplicates", "Images that repeat", duplicates_section, 3, _has("images")),
    Section("mislabelled", "Labels to check", mislabelled_section, 2, _has("checked")),
    Section("none-of-these", "Images that are none of the classes", none_of_these_section, 3,
            _has("rejected")),
    Section("labelling", "What to label next", labelling_section, 4,
            lambda m: m.unlabelled in m.images and m.predict),
    Section("shift", "What differs between the sets", shift_section, 4,
            lambda m: len(m.images) > 1),
    Section("spending", "Where the time went", spending_section),
    Section("skipped", "Not tried, and notes", skipped_section),
    Section("provenance", "Provenance", provenance_section),
)  # fmt: skip


def report_faults(
    folder: Path,
    record: Record,
    gather: Callable[[Record], Material],
    deadline: float | None = None,
) -> tuple[str, ...]:
    """Write the report of a fit; return what went wrong, in sentences, each of them warned of.

    The other sections are there all the same.

    Args:
        folder: Of the selection.
        record: What was found.
        gather: Returns what the report is made from.
        deadline: `time.monotonic()` at which it has to be there; what comes too late is left
            out. None is two minutes from now.
    """
    until = time.monotonic() + MOST_SECONDS
    try:
        material = gather(record)
        bodies, faults = built(material, until if deadline is None else min(until, deadline))
        write_whole(folder / REPORT_FILE, page(material, bodies))
    except Exception as error:  # noqa: BLE001 - a fault in the report must never lose a fit
        faults = (f"no report was written ({type(error).__name__}: {error})",)
    for fault in faults:
        warnings.warn(fault, ReportWarning, stacklevel=5)
    return faults


def built(
    material: Material, deadline: float | None = None, sections: tuple[Section, ...] = SECTIONS
) -> tuple[dict[str, Markup], tuple[str, ...]]:
    """Return the sections that apply, by key in their order, and what went wrong."""
    found: dict[str, Markup] = {}
    faults = []
    for section in sorted(filter(lambda s: s.needed(material), sections), key=lambda s: s.turn):
        if section.turn and deadline is not None and time.monotonic() > deadline - GRACE_SECONDS:
            body: Markup | None = paragraph(NO_TIME, "quiet")
        else:
            body, fault = _built(section, material, deadline if section.turn else None)
            faults += [fault] if fault else []
        if body is not None:
            found[section.key] = body
    return {s.key: found[s.key] for s in sections if s.key in found}, tuple(faults)


def _built(
    section: Section, material: Material, deadline: float | None
) -> tuple[Markup | None, str]:
    """Return a section, or what stands in its place."""
    try:
        with ended_at(None if deadline is None else deadline - GRACE_SECONDS):
            return section.build(material), ""
    except OverrunError:
        return paragraph(NO_TIME, "quiet"), ""
    except Exception as error:  # noqa: BLE001 - a third party's code
        reason = clean(f"{type(error).__name__}: {error}", 300)
        body = paragraph(f"This section could not be made ({reason}).", "fault")
        return body, f"the report has no section {section.title!r} ({reason})"


def page(material: Material, bodies: dict[str, Markup]) -> str:
    """Return the whole page."""
    kind = material.record.modality
    there = [s for s in SECTIONS if s.key in bodies]
    opened, folded = [s for s in there if s.key in OPEN], [s for s in there if s.key not in OPEN]
    sections = [(s.key, s.titled(kind), bodies[s.key], s in opened) for s in (*opened, *folded)]
    return str(
        rendered("page", title=material.record.name, cover=cover(material), sections=sections)
    )
