"""What `rank` prints: the ranking as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from autotransfer.cli.forecast_texts import forecast_json, forecast_text
from autotransfer.cli.options import picked
from autotransfer.results import RankedSource, Ranking, Skipped

_SHORT = {"regularised-h-score": "reg-h", "h-score": "h"}


def rank_json(ranking: Ranking, skipped: Sequence[Skipped]) -> dict[str, Any]:
    """Return the object that `rank --json` prints."""
    return {
        "ranking": [
            {**picked(row, "source", "rank", "rank_low", "rank_high", "score", "stage",
                      "estimators", "seconds", "megabytes"), **left_out_json(row)}
            for row in ranking.rows
        ],
        "shortlist": ranking.shortlist,
        "evidence": [
            picked(row, "source", "num_images", "stage_accuracies", "within_a_point", "prior")
            for row in ranking.rows
        ],
        **picked(ranking, "constant_choice", "forecast"),
        "skipped": [asdict(skip) for skip in skipped],
        **({} if ranking.labels is None else {"label_forecast": forecast_json(ranking.labels)}),
    }  # fmt: skip


def left_out_json(row: RankedSource) -> dict[str, Any]:
    """Return how a probe does on left-out domains; nothing without domains."""
    found = row.left_out
    if found is None:
        return {}
    return {"domains": {**found.columns, "accuracies": dict(found.by_domain)}}


def rank_text(ranking: Ranking, skipped: Sequence[Skipped]) -> str:
    """Return the ranking as a table, with what it rests on below."""
    names = list(dict.fromkeys(name for row in ranking.rows for name in row.estimators))
    width = max(len(row.source) for row in ranking.rows)
    head = f"{'rank':>5} {'interval':>9}  {'source':<{width}} {'score':>6}"
    head += "".join(f" {_SHORT.get(name, name):>9}" for name in names)
    by_domain = any(row.left_out for row in ranking.rows)
    head += f" {'domains':>7} {'worst':>6}" * by_domain
    lines = [head + f" {'probe':>6} {'stage':>6} {'images':>7} {'s':>6} {'MB':>7}"]
    for row in ranking.rows:
        mark = "*" if row.source in ranking.shortlist else " "
        interval = f"{row.rank_low}-{row.rank_high}"
        scores = "".join(f" {_number(row.estimators.get(name)):>9}" for name in names)
        probe = _number(_accuracy(row))
        found = row.left_out
        cells = (None, None) if found is None else (found.mean, found.by_domain[found.worst])
        scores += f" {_number(cells[0]):>7} {_number(cells[1]):>6}" * by_domain
        stage = f"{row.stage}/{len(row.stage_accuracies)}"
        lines.append(
            f"{row.rank:>4}{mark} {interval:>9}  {row.source:<{width}} {row.score:>6.2f}{scores} "
            f"{probe:>6} {stage:>6} {row.num_images:>7} {row.seconds:>6.1f} {row.megabytes:>7.1f}"
        )
    lines += [
        "* in the shortlist; score: mean rank over the families of scores; interval: 90 % of the "
        "ranks over half samples",
        "probe: leave-one-out accuracy of a ridge probe at the best stage",
        *_domain_note(ranking.rows[0]),
        _constant_choice(ranking),
        *filter(None, [ranking.forecast]),
    ]
    lines += [] if ranking.labels is None else forecast_text(ranking.labels)
    lines += [f"{skip.source}: left out, {skip.reason}" for skip in skipped]
    return "\n".join(lines)


def _domain_note(best: RankedSource) -> list[str]:
    if best.left_out is None:
        return []
    return [
        "domains, worst: accuracy of a probe on each domain, learnt from the others, their mean "
        "and the worst; for "
        f"{best.source} that is {best.left_out.worst}"
    ]


def _accuracy(row: RankedSource) -> float | None:
    return row.stage_accuracies[row.stage - 1] if row.stage_accuracies else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _constant_choice(ranking: Ranking) -> str:
    """Return how the choice of somebody who never looks at the target compares."""
    rows = {row.source: row for row in ranking.rows}
    constant, best = rows[ranking.constant_choice], ranking.rows[0]
    text = f"without looking at the target one would take {constant.source}"
    if constant is best:
        return text + ", which is the best here as well"
    return text + (
        f" (rank {constant.rank}, probe {_number(_accuracy(constant))}); the best here is "
        f"{best.source} (probe {_number(_accuracy(best))})"
    )
