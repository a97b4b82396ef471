"""Rounds of labelling: with further labels a fit is another study, under a name of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autotransfer.scenarios.run import Request


def next_round(request: Request, num_labels: int) -> Request:
    """Return the request under the name of its round, where tables of labels are given to resume.

    The same labels resume the same study. With others every score is another one, so nothing of
    the study before can be used but the features, which the cache has.

    Args:
        request: What was asked for.
        num_labels: Number of labelled images, those of the tables included.
    """
    options = request.options
    if not (options.labels and options.resume):
        return request
    if options.out is None and options.name is None:
        return request
    suffix = f"-{num_labels}-labels"
    name = None if options.name is None else options.name + suffix
    out = None if options.out is None else Path(f"{options.out}{suffix}")
    options.say(f"this round is the study {name or Path(str(out)).name}")
    return replace(request, options=replace(options, name=name, out=out))
