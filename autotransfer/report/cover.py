"""The first screen: what to transfer, how, and when not to, each in a few words."""

from __future__ import annotations

from markupsafe import Markup

from autotransfer.models.predictors.baselines import TITLES
from autotransfer.report.markup import clean, name, rendered
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale, tested_units
from autotransfer.report.verdict import returned_told
from autotransfer.results import Layers, Record
from autotransfer.shares import source_weights

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
        sentence=clean(record.verdict.sentence.removeprefix(f"{decision}: "), 5000),
        **_answers(record),
        score=_score(record),
        returned=Markup("returned: {}").format(returned_told(record)),
    )


def _answers(record: Record) -> dict[str, Markup]:
    """Return what and how of that which is returned, which need not be the finalist."""
    if record.verdict.returned == "transfer":
        return {"what": _what(record), "how": _how(record)}
    returned = record.returned
    if returned is not None:
        how = [name(part) for part in (returned.strategy, _stages(returned.layers)) if part]
        return {"what": name(returned.source), "how": Markup("<br>").join(how)}
    tried = Markup("nothing<br>tried and left out:<br>{}").format(_what(record))
    best = record.verdict.returned_baseline or record.verdict.best_baseline
    return {"what": tried, "how": name(TITLES.get(best, best))}


def _what(record: Record) -> Markup:
    """Return the sources, those that weigh most first."""
    rows = [*source_weights(record).items()]
    if len(rows) == 1:
        return name(rows[0][0])
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
    interval = scale.interval(test).partition("(")[2][:-1]
    title = scale.title[:1].upper() + scale.title[1:]
    return Markup("{} {}, 95 % {}").format(title, f"{scale.shown(test.value):.3f}", interval)
