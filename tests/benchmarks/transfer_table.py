"""The table of the record of small transfers, and how it is read.

A row is what one probe or rule did in one draw of one size of one target. Scores are kept as whole
numbers, accuracies in thousandths, log losses in hundredths of a nat, so that 200,000 rows fit in
a megabyte; `read_record` returns them as people read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.transfer_cells import NO_SOURCE, WITH_JOINT

RECORD = Path(__file__).with_name("records") / "transfer.parquet"
KEYS = ("target", "size", "kind", "source", "stage", "draw")  # neighbours are alike
NAMES = ("family", "target", "kind", "source")
FINE_TUNE, WITH_FINE_TUNE = "fine-tune", "mean of mixture and fine-tune"
_PER_MILLE, _PER_NAT = 1000, 100
_MOST = 60_000  # of a whole number that is kept
_MISSING = 65_535
_SMALL = ("size", "draw", "stage", "stages", "classes")
_WHOLE = ("labelled", "tested")
PARTS = ("true", "out_of_fold", "folds")
SCORES = tuple(f"{part}_{score}" for part in PARTS for score in ("accuracy", "log_loss"))
BALANCED = tuple(f"{part}_balanced" for part in ("true", "out_of_fold"))


def write_record(rows: pd.DataFrame, path: Path = RECORD) -> None:
    """Write rows in the columns that `read_record` returns; `leaks` among them."""
    found = rows.sort_values(list(KEYS), kind="stable").reset_index(drop=True)
    kept: dict[str, Any] = {name: found[name].astype("category") for name in NAMES}
    kept |= {name: found[name].astype("uint8") for name in _SMALL}
    kept |= {name: found[name].astype("uint16") for name in _WHOLE}
    kept["milliseconds"] = found["milliseconds"].round().astype("uint32")
    kept["leaks"] = found["leaks"].astype(bool)
    for name in SCORES:
        scale = _PER_NAT if name.endswith("log_loss") else _PER_MILLE
        whole = (found[name] * scale).round().clip(0, _MOST)
        kept[name] = whole.fillna(_MISSING).astype("uint16")
    for name in BALANCED:  # as a difference, which is nothing where the classes are alike
        plain = found[name.replace("balanced", "accuracy")]
        kept[name] = ((found[name] - plain) * _PER_MILLE).round().fillna(0).astype("int16")
    table = pa.Table.from_pandas(pd.DataFrame(kept), preserve_index=False)
    pq.write_table(
        table,
        path,
        compression="brotli",
        compression_level=11,
        use_dictionary=list(NAMES),
        column_encoding=dict.fromkeys((*SCORES, *BALANCED), "BYTE_STREAM_SPLIT"),
        row_group_size=1 << 20,
    )


def read_record(path: Path = RECORD) -> pd.DataFrame:
    """Return the record, a row for each probe or rule in each draw.

    Columns:
        family, target: Targets of one family may share images or their origin.
        classes: Number of classes.
        size: Labelled images a class; 0 is all that are not tested. For zero-shot targets the
            number of unseen classes.
        draw: Which draw.
        kind, source, stage, stages: "probe" with its source, the stage in 1..S and S; or a rule,
            where source and stage are empty and 0. A source of none: "hog", "raw", "untrained".
        leaks: Whether a network that is read may have learnt from these images.
        labelled, tested: Number of images.
        true_accuracy, true_balanced, true_log_loss: On the tested images, in [0, 1] and nats.
        out_of_fold_...: On the labelled images: leave-one-out of a probe, and for a rule what it
            makes of them in parts; held-out classes for zero-shot. NaN where there is none.
        folds_accuracy, folds_log_loss: On the folds of a fit; NaN for most draws.
        milliseconds: Of learning and answering, of the median draw; for a rule without those of
            the probes.
    """
    kept: pd.DataFrame = pq.read_table(path).to_pandas()
    for name in SCORES:
        scale = _PER_NAT if name.endswith("log_loss") else _PER_MILLE
        kept[name] = kept[name].astype(float).where(kept[name] != _MISSING) / scale
    for name in BALANCED:
        kept[name] = kept[name] / _PER_MILLE + kept[name.replace("balanced", "accuracy")]
    return kept


def facts(frame: pd.DataFrame) -> Iterator[str]:
    """Yield the first facts as Markdown: means over targets by size, and what is best how often.

    Targets that the default source has learnt from are left out, and zero-shot ones.
    """
    is_default = frame["kind"] == "default probe"
    known = set(frame.loc[is_default & ~frame["leaks"], "target"])
    rows = frame[frame["target"].isin(known) & ~frame["leaks"]]
    families = frame.loc[frame["target"].isin(known), "family"].nunique()
    yield f"{len(known)} targets of {families} families, {len(rows)} rows without leaks"
    probes = rows[(rows["kind"] == "probe") & ~rows["source"].isin(NO_SOURCE)]
    chosen = _choices(rows[~rows["kind"].isin(["probe", FINE_TUNE, WITH_FINE_TUNE])], probes)
    sizes = sorted({int(size) for size in rows["size"]}, key=lambda size: size or 1 << 16)
    for score, scale in (("true_accuracy", 100), ("true_log_loss", 1)):
        yield from ("", f"{score}, mean over targets", "")
        yield from _table(scale * _by_size(chosen, score), sizes, ".1f" if scale > 1 else ".2f")
    yield from ("", "targets in which a kind has the highest mean accuracy", "")
    fixed = chosen[~chosen["kind"].str.startswith("best ")]
    yield from _table(_first(pd.concat([fixed, _single(probes)]), "kind"), sizes, "d")
    yield from ("", f"{WITH_JOINT}: points over the better of default probe and plain mean", "")
    gains = against_the_obvious(frame[frame["target"].isin(known)])
    yield from _table(gains[WITH_JOINT].unstack("size"), sizes, "+.1f")
    title = "means over families: over the plain mean, and behind the rule that is best there"
    yield from ("", title, "")
    both = gains.assign(behind=gains[WITH_JOINT] - gains["best"])
    both = both.rename(columns={"left out": "the rule that is best on the other families"})
    shown = ["over plain mean", "the rule that is best on the other families", "behind"]
    yield from _table(both.groupby("size", observed=True)[shown].mean().T, sizes, "+.1f")
    behind = probes["stages"].astype(int) - probes["stage"].astype(int)
    title = "targets in which the best single probe is so many stages before the last"
    yield from ("", title, "")
    yield from _table(_first(probes.assign(behind=behind), "behind"), sizes, "d")
    yield from ("", "targets in which it reads this source", "")
    yield from _table(_first(probes, "source"), sizes, "d")


def against_the_obvious(frame: pd.DataFrame, rule: str = WITH_JOINT) -> pd.DataFrame:
    """Return, by family and size, what a rule gains over the better of the two obvious ones.

    Those are the default probe and the plain mean, the better one of each target. The columns
    "left out" and "best" are of the same kind: the rule that is best on all other families, and
    the one that is best on this one. Points, every target alike.
    """
    means = _rules(frame)
    obvious = means[["default probe", "plain mean"]].max(axis=1)
    gains = 100 * means.sub(obvious, axis=0).groupby(["family", "size"], observed=True).mean()
    found = pd.DataFrame({rule: gains[rule]})
    for family, size in gains.index:
        at = gains.xs(size, level="size")
        others = at.drop(index=family).mean()
        chosen = others.idxmax() if len(at) > 1 else rule
        found.loc[(family, size), "left out"] = gains.loc[(family, size), chosen]
        found.loc[(family, size), "best"] = at.loc[family].max()
        found.loc[(family, size), "over plain mean"] = (
            gains.loc[(family, size), rule] - gains.loc[(family, size), "plain mean"]
        )
    return found


def _rules(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean accuracy of each rule by family, target and size, without leaks."""
    rows = frame[~frame["leaks"] & ~frame["target"].astype(str).str.startswith("zero-shot")]
    kinds = rows["kind"].astype(str)
    fused = kinds.str.contains("mean|mixture|side by side|stacked") | (kinds == "default probe")
    rows = rows[fused & (kinds != WITH_FINE_TUNE)]
    return rows.pivot_table(
        index=["family", "target", "size"],
        columns=kinds[rows.index],
        values="true_accuracy",
        observed=True,
    )


def fine_tuned(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the fine-tunes beside the last-stage probe of the same source and the mixture.

    Columns: the accuracy of each and of the mean of mixture and fine-tune, in [0, 1], and the
    seconds of the fine-tune.
    """
    cell = ["target", "size", "draw"]
    last = (frame["kind"] == "probe") & (frame["stage"] == frame["stages"])
    probes = frame.loc[last, [*cell, "source", "true_accuracy"]]
    mixtures = frame.loc[frame["kind"] == "mixture", [*cell, "true_accuracy"]]
    both = frame.loc[frame["kind"] == WITH_FINE_TUNE, [*cell, "source", "true_accuracy"]]
    tuned = frame[frame["kind"] == FINE_TUNE]
    found = tuned[[*cell, "source", "true_accuracy"]].rename(columns={"true_accuracy": FINE_TUNE})
    found["seconds"] = tuned["milliseconds"] / 1000
    found = found.merge(probes.rename(columns={"true_accuracy": "probe"}), on=[*cell, "source"])
    both = both.rename(columns={"true_accuracy": WITH_FINE_TUNE})
    found = found.merge(both, on=[*cell, "source"], how="left")
    return found.merge(mixtures.rename(columns={"true_accuracy": "mixture"}), on=cell)


def _choices(rules: pd.DataFrame, probes: pd.DataFrame) -> pd.DataFrame:
    """Return the rules, the probe of least leave-one-out log loss, and the best one there was."""
    cell = probes.groupby(["target", "size", "draw"], observed=True)
    chosen = probes.loc[cell["out_of_fold_log_loss"].idxmin()]
    best = probes.loc[cell["true_accuracy"].idxmax()]
    named = [
        rules.assign(kind=rules["kind"].astype(str)),
        chosen.assign(kind="best probe, by leave-one-out log loss"),
        best.assign(kind="best probe, in hindsight"),
    ]
    return pd.concat(named)


def _single(probes: pd.DataFrame) -> pd.DataFrame:
    """Return the probes as kinds: those of the last stage, and those of earlier ones."""
    last = probes["stage"] == probes["stages"]
    return probes.assign(kind=last.map({True: "a last stage", False: "an earlier stage"}))


def _by_size(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the mean by kind and size, every target alike."""
    of_target = rows.groupby(["kind", "size", "target"], observed=True)[score].mean()
    return of_target.groupby(["kind", "size"], observed=True).mean().unstack("size")


def _first(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return in how many targets each value of a column has the best mean over the draws."""
    keys = [column, "kind", "source", "stage", "target", "size"]
    keys = list(dict.fromkeys(keys))
    means = rows.groupby(keys, observed=True)["true_accuracy"].mean().reset_index()
    top = means.loc[means.groupby(["target", "size"], observed=True)["true_accuracy"].idxmax()]
    return top.groupby([column, "size"], observed=True).size().unstack("size", fill_value=0)


def _table(found: pd.DataFrame, sizes: Sequence[int], shown: str) -> Iterator[str]:
    yield "| labelled a class | " + " | ".join(str(size or "all") for size in sizes) + " |"
    yield "|---" * (len(sizes) + 1) + "|"
    for name, row in found.reindex(columns=list(sizes), fill_value=0).iterrows():
        cells = ["-" if np.isnan(row[size]) else format(row[size], shown) for size in sizes]
        yield f"| {name} | " + " | ".join(cells) + " |"
