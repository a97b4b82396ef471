"""Every error and warning of the package.

A message says what was wrong, with which value, what is allowed, and what to do. The errors
inherit from the builtin that a caller would expect as well, so both can be caught. Secrets of URLs
are hidden in all of them, whatever library the text comes from, and none is endless.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from autotransfer.masking import masked

LONGEST = 2000  # characters of a message
_END = 500  # of which so many are its end, which says what to do


def told(text: object) -> str:
    """Return a text as a message may say it: without secrets, and not too long."""
    shown = masked(str(text))
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[: LONGEST - _END - 5]} ... {shown[-_END:]}"


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says, whatever it is."""
    kind = type(error).__name__
    try:
        text = masked(str(error)).split("\n")[0][:_END]
    except Exception:  # noqa: BLE001 - the error is the plugin's own as well
        return kind
    return f"{kind}: {text}" if text else kind


def without_name(source: str, reason: str) -> str:
    """Return a reason against a source without the name of it, which may stand before it."""
    return reason.removeprefix(f"source {source!r}: ")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean 'budget'?" for what looks like one of the names; else nothing.

    Args:
        name: What was given.
        known: What there is.
    """
    plain = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(str(name).casefold(), plain, n=1)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""


class AutotransferError(Exception):
    """The base of every error that the package raises on purpose."""

    def __init__(self, *told_to_user: object) -> None:
        super().__init__(*(told(part) for part in told_to_user))


class InvalidTargetError(AutotransferError, ValueError):
    """The user's data cannot be used: missing, empty, one class, not images."""


class CorruptImagesError(InvalidTargetError):
    """Some images or texts cannot be used; all of them are named at once.

    Args:
        problems: (name, reason) of every item that cannot be used.
        remedy: What to do about it, in words that fit where this is raised.
        item: What one of them is called.
    """

    NAMED = 20  # more than this many names hide the sentence that says what to do
    REMEDY = "repair or remove them"

    def __init__(
        self, problems: Sequence[tuple[str, str]], remedy: str = REMEDY, item: str = "image"
    ) -> None:
        self.problems, self.remedy = tuple(problems), remedy
        several = item if item.endswith("s") else f"{item}(s)"
        super().__init__(
            f"{len(self.problems)} {several} cannot be used; {remedy}:\n"
            + "\n".join(f"  {line}" for line in named_problems(self.problems, self.NAMED))
        )


def named_problems(problems: Sequence[tuple[str, str]], most: int) -> list[str]:
    """Return a short line for each of the first images, and one for the number of the others."""
    lines, left = [], 1600  # characters; a whole message has at most 2000
    for item in problems[:most]:
        name, reason = map(masked, item)  # before they are cut: half a secret is not found
        shown = name if len(name) <= 100 else f"...{name[-97:]}"
        line = f"{shown}: {' '.join(reason.split())[:200]}"
        left -= len(line) + 3
        if left < 0:
            break
        lines.append(line)
    if len(problems) > len(lines):
        lines.append(f"and {len(problems) - len(lines)} more")
    return lines


class HiddenLabelsError(AutotransferError, LookupError):
    """Labels were read that the scenario hides."""


class InvalidSourceError(AutotransferError, ValueError):
    """A source or a catalogue cannot be used: wrong hash, unsafe file, missing weights."""


class CutError(AutotransferError, ValueError):
    """A network cannot be cut after a stage; it has to be used whole."""

    def __init__(self, source: str, stage: int, reason: str) -> None:
        super().__init__(f"{source} cannot be cut after stage {stage}: {reason}")


class InvalidSpaceError(AutotransferError, ValueError):
    """A search space or preset is wrong; the file and the key are named."""


class InvalidOptionError(AutotransferError, ValueError):
    """An option has a value that is not allowed."""


class UnknownNameError(AutotransferError, LookupError):
    """A strategy, source, estimator, metric or preset that nobody offers.

    Args:
        kind: What was asked for, in the singular ("strategy").
        name: The name that was asked for.
        known: The names that are there.
    """

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        offered = ", ".join(self.known) if self.known else "none"
        close = did_you_mean(name, self.known)
        super().__init__(f"no {kind} named {name!r}{close or ';'} available: {offered}")


class PluginError(AutotransferError, RuntimeError):
    """A plugin failed to load, clashes with another, or broke its contract."""

    def __init__(self, plugin: str, reason: str) -> None:
        self.plugin, self.reason = plugin, reason
        super().__init__(f"plugin {plugin!r}: {reason}")


class UndefinedScoreError(AutotransferError, ValueError):
    """An estimator has no value here; raised instead of returning NaN."""


class NoCandidateError(AutotransferError, ValueError):
    """No (source, strategy) pair is left to try; carries every reason.

    Args:
        reasons: One sentence for each pair that was left out.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        by_reason: dict[str, list[str]] = {}  # a reason that several share is said once
        for text in self.reasons:
            name, _, reason = text.partition(": ")
            by_reason.setdefault(without_name(name, reason), []).append(name)
        lines = [
            f"{', '.join(names)}: {reason}" if reason else ", ".join(names)
            for reason, names in by_reason.items()
        ]
        super().__init__("no source and strategy left to try:\n  " + "\n  ".join(lines))


class ExportError(AutotransferError, RuntimeError):
    """A selection cannot be exported, or the exported graph answers differently."""


class BudgetExhaustedError(AutotransferError, TimeoutError):
    """The budget ended before there was any answer at all."""


class InterruptedFitError(KeyboardInterrupt):
    """A fit was ended by Ctrl-C or SIGTERM; what was finished is kept.

    Args:
        name: Name of the study, to continue it.
        selection: The best answer so far, a `Selection` that is saved in its folder; None where
            there was none yet.
    """

    def __init__(self, name: str, selection: Any = None) -> None:
        self.name, self.selection = name, selection
        kept = "every finished trial is kept"
        if selection is not None:
            kept = f"the best answer so far is in {selection.record.model}"
        super().__init__(
            f"interrupted; {kept}. To go on, fit again with the same options, resume=True and "
            f"name={name!r}"
        )


class DeadlineError(AutotransferError, TimeoutError):
    """A trial reached, or is sure to miss, its deadline."""


class OverrunError(BaseException):
    """What a deadline ends while it runs. Like an interrupt it is no fault of what it ends.

    So it passes what takes any `Exception` for a damaged file or image and removes it.
    """


class StudyExistsError(AutotransferError, FileExistsError):
    """An output folder or a study of that name is already there."""


class StudyStorageError(AutotransferError, OSError):
    """The database of the study cannot be opened, read or written."""

    def __init__(self, storage: str, reason: str) -> None:
        super().__init__(
            f"the study in {storage} cannot be read or written ({reason}); what was finished "
            "before is safe: fix the storage, then run the same command with --resume and the "
            "--name of the study"
        )


class AutotransferWarning(UserWarning):
    """The base of every warning of the package."""

    def __init__(self, *told_to_user: object) -> None:
        super().__init__(*(told(part) for part in told_to_user))


class PluginWarning(AutotransferWarning):
    """A plugin was left out; the rest still work."""


class NegativeTransferWarning(AutotransferWarning):
    """Transfer hurt; the baseline is returned."""


class ReducedBudgetWarning(AutotransferWarning):
    """Time forced a step to do less than it was asked for."""


class DataWarning(AutotransferWarning):
    """Something about the user's data that changes what is done with it."""


class TrackingWarning(AutotransferWarning):
    """MLflow could not be written; the records are safe in the study and the output folder."""


class ReportWarning(AutotransferWarning):
    """A part of the report is missing; the selection is not touched."""
