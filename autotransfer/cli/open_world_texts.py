"""What a fit prints of classes that may not be there, and of domains that were left out."""

from __future__ import annotations

from typing import Any

from autotransfer.cli.groups import titled
from autotransfer.cli.options import picked
from autotransfer.data.modality import plural_of
from autotransfer.models.metrics import metric_named
from autotransfer.results import OpenWorld, Record

_SHOWN = 12
_BY_AUDIT = ("known_accuracy", "recall", "harmonic")  # figures that audit labels give


def open_world_json(record: Record) -> dict[str, Any]:
    """Return the keys of `fit --json`; none where nothing was looked for."""
    found, metric = record.open_world, record.metric
    if record.verdict.domains:
        show = metric_named(metric).display
        return {
            "domains": {
                score.name: {"n": score.n, "test": show(score.test), "rival": show(score.rival)}
                for score in record.verdict.domains
            },
            "worst_domain": min(record.verdict.domains, key=lambda score: score.test).name,
        }
    if found is None:
        return {}
    told: dict[str, Any] = {"class_shares": None}
    if found.class_shares:
        shares = zip(record.class_names, found.class_shares, strict=True)
        told["class_shares"] = {n: picked(share, "value", "low", "high") for n, share in shares}
    if found.unknown is not None:
        share = found.unknown.share
        audited = {key: getattr(found.unknown, key) for key in _BY_AUDIT}
        told["unknown"] = share and {
            "share": share.value,
            **picked(share, "low", "high"),
            **picked(found.unknown, "rejected"),
            "n": found.unknown.num_images,
            **{k: picked(f, "value", "low", "high") for k, f in audited.items() if f is not None},
        }
    return told


def open_world_text(record: Record) -> list[str]:
    """Return the lines of the left-out domains, worst first, or of what is in the target."""
    if record.verdict.domains:
        return _domain_lines(record)
    found = record.open_world
    if found is None:
        return []
    lines = _class_lines(record, found)
    if found.unknown is not None:
        told = found.unknown.told_of(record.modality, plural_of(record.modality))
        lines += titled("unknown", told)
    return lines


def _class_lines(record: Record, found: OpenWorld) -> list[str]:
    if found.doubt:
        return titled("classes", f"not known which are in the target: {found.doubt}")
    there = len(record.class_names) - len(found.absent)
    lines = [
        f"  classes   {there} of your {len(record.class_names)} classes seem to be in the target"
    ]
    shares = sorted(
        zip(found.class_shares, record.class_names, strict=True), key=lambda pair: -pair[0].value
    )
    for share, name in shares[:_SHOWN]:
        interval = f"({share.low:.2f} to {share.high:.2f})"
        lines.append(f"            {share.value:.2f} {interval}  {name}")
    if len(shares) > _SHOWN:
        lines.append(f"            and {len(shares) - _SHOWN} more, with smaller shares")
    return lines


def _domain_lines(record: Record) -> list[str]:
    show = metric_named(record.metric).display
    ordered = sorted(record.verdict.domains, key=lambda score: score.test)
    lines = [f"  domains   each left out in turn, the worst first ({len(ordered)} domains)"]
    for score in ordered:
        beside = f"({show(score.rival):.3f} without a source, {score.n} items)"
        lines.append(f"            {show(score.test):.3f} {beside}  {score.name}")
    return lines
