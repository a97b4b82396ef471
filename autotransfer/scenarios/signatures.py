"""The options of a fit in the signatures of `fit`, `fit_features` and `rank`.

`Options` says what each option means and what its default is. `FitOptions` says the same types to
a type checker; a test holds the two together. `with_options` shows both to `help()` and notebooks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from autotransfer.scenarios.budget import Budget
from autotransfer.scenarios.options import OnOutcome, OnPart, Options, Say

Function = TypeVar("Function", bound=Callable[..., Any])

_PLACE = re.compile(r"^ *\*\*options: [^\n]*\n(?: {12,}[^\n]*\n)*", re.MULTILINE)


class FitOptions(TypedDict, total=False):
    """The options of a fit, each of the type that `Options` gives it."""

    scenario: str | None
    source_data: Any
    classes: Sequence[str]
    attributes: Any
    descriptions: Any
    group_column: str | None
    domain_column: str | None
    domains: Iterable[Any] | None
    modality: str | None
    unlabelled: Any
    labels: Sequence[str | Path]
    new_classes: Sequence[str]
    through: Sequence[Any]
    audit_labels: int | str | None
    sources: Any
    source: str | Sequence[str]
    license: str | Sequence[str] | None
    strategies: Sequence[str]
    space: str
    budget: Budget | str | None
    trials: int | None
    seconds: float | None
    began: float | None
    max_sources: int | None
    max_mb: float | None
    max_ms: float | None
    metric: str
    class_weights: str | Mapping[str, float] | None
    margin: float | None
    refit: bool
    ensemble: bool
    single: bool
    sampler: str
    executor: str | None
    workers: int | None
    ray_address: str | None
    memory: float | None
    warm_start: bool
    keep_searching: bool
    storage: str | None
    tracking_uri: str | None
    experiment: str
    register: str | None
    promote: bool
    name: str | None
    resume: bool
    out: str | Path | None
    workspace: str | Path | None
    guard: bool
    report: bool
    on_bad_image: str
    plugins: Sequence[str | Path]
    device: str
    seed: int
    verbose: bool | None
    say: Say
    on_part: OnPart
    on_outcome: OnOutcome


def with_options(function: Function) -> Function:
    """Return a function whose signature and documentation list every field of `Options`."""
    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    listed = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if option.default is MISSING else option.default,
            annotation=option.type,
        )
        for option in fields(Options)
    ]
    function.__signature__ = signature.replace(parameters=[*kept, *listed])  # type: ignore[attr-defined]
    if function.__doc__ and Options.__doc__:  # neither is there under -OO
        told = Options.__doc__.partition("Args:\n")[2].rstrip()
        function.__doc__ = _PLACE.sub(lambda _found: f"{told}\n", function.__doc__)
    return function
