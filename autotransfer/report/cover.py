"""The first screen: what to transfer, how, and when not to, each in a few words."""

from __future__ import annotations

from markupsafe import Markup

from autotransfer.models.predictors.baselines import TITLES
from autotransfer.report.markup import clean, joined, name, rendered
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale, tested_units
from autotransfer.results import Layers, Record, Share

NAMED = 4  # members; of the others there is the number
MEANINGS = {
    "positive": "Transfer helped: the whole interval of the gap lies above zero.",
    "neutral": "Transfer makes no difference that matters here.",
    "inconclusive": "These {units} cannot tell; more of them would.",
    "negative": "Transfer did worse than a baseline, so the baseline is returned.",
    "unverified": "No target label was seen, so nothing could be tested.",
}


def cover(material: Material) -> Markup:
    """Return the answers to the three questions."""
    record = material.record
    decision = str(record.verdict.decision)
    return rendered(
        "cover",
        decision=decision,
        meaning=MEANINGS[decision].format(units=tested_units(record)),
        sentence=clean(record.verdict.sentence, 5000),
        what=_what(record.chosen),
        how=_how(record),
        score=_score(record),
        returned=_returned(record),
    )


def _what(chosen: tuple[Share, ...]) -> Markup:
    """Return the sources, those that weigh most first."""
    weights: dict[str, float] = {}
    for member in chosen:
        source = member.source or "pixels"
        weights[source] = weights.get(source, 0.0) + member.weight
    if len(weights) == 1:
        return name(next(iter(weights)))
    rows = sorted(weights.items(), key=lambda pair: -pair[1])
    lines = [Markup("{} ({:.0f} %)").format(name(s), 100 * w) for s, w in rows[:NAMED]]
    if len(rows) > NAMED:
        lines.append(Markup("and {} more").format(len(rows) - NAMED))
    return Markup("<br>").join(lines)


def _how(record: Record) -> Markup:
    """Return the strategy and the layers of every member, those that are alike once."""
    lines = [name(record.finalist.strategy)]
    told = dict.fromkeys((m.strategy, _stages(m.layers)) for m in record.chosen)
    parts = [
        stages if strategy == record.finalist.strategy else f"{strategy}: {stages or 'pixels'}"
        for strategy, stages in told
    ]
    lines += [name(part) for part in parts[:NAMED] if part]
    if len(parts) > NAMED:
        lines.append(Markup("and {} more").format(len(parts) - NAMED))
    return Markup("<br>").join(lines)


def _stages(layers: Layers | None) -> str:
    return "" if layers is None else layers.told


def _score(record: Record) -> Markup:
    test, scale = record.verdict.test, Scale.of(record)
    if test is None:
        return Markup("")
    return Markup("{} {}, 95 % {}").format(
        scale.title, f"{scale.shown(test.value):.3f}", scale.interval(test).partition("(")[2][:-1]
    )


def _returned(record: Record) -> Markup:
    if record.verdict.returned == "transfer":
        return Markup("returned: the transferred model")
    best = record.verdict.returned_baseline or record.verdict.best_baseline
    return joined([Markup("returned: the baseline"), name(TITLES.get(best, best))])
