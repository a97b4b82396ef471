"""The step of a fit in which labels are asked for, or those that were given are believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidOptionError
from autotransfer.results import Verdict
from autotransfer.scenarios.run import Run
from autotransfer.scenarios.unlabelled.audit_open_set import OpenSetAudit, audit_open_set
from autotransfer.scenarios.unlabelled.audit_table import (
    AUDIT_FILE,
    audited,
    draw_of,
    number_or_table,
    plan_audit,
    read_table,
    write_table,
)
from autotransfer.scenarios.unlabelled.consensus import Choice


def with_audit(
    verdict: Verdict,
    choice: Choice,
    held_out: ImageSet,
    class_names: Sequence[str],
    run: Run,
    *,
    rejected: Callable[[], NDArray[np.bool_]],
) -> tuple[Verdict, OpenSetAudit | None]:
    """Return the verdict, and what the labels say of the reject option where it rejects.

    The table to fill in is written, or read where it was filled.

    Args:
        verdict: The one without labels.
        choice: What the consensus decided.
        held_out: Target images that nothing was learnt from.
        class_names: The classes that a label may name.
        run: The fit.
        rejected: Returns (n,) which of these images are rejected as none of the classes.

    Raises:
        InvalidOptionError: If a table is given before labels were asked for.
    """
    options, place, study = run.options, run.place, run.study
    if options.audit_labels is None or (run.clock.stopped and not study.recall("audit")):
        return verdict, None  # a search that was interrupted may yet be resumed, a draw ends it
    asked, plan = number_or_table(options.audit_labels), study.recall("audit")
    if isinstance(asked, int):
        if plan is None:
            out = rejected()
            plan = plan_audit(choice, held_out, asked, seed=options.seed, rejected=out)
            study.remember("audit", plan)
        table = place.folder / AUDIT_FILE
        write_table(table, plan, held_out, seed=options.seed)
        options.say(
            f"fill in the column label of {table}, then run the same command with --resume "
            f"--name {place.name} --audit-labels {table}"
        )
        return verdict, None
    if plan is None or choice.finalist is None:
        raise InvalidOptionError(
            "this study has asked for no labels yet; run it with --audit-labels NUMBER first"
        )
    labels = read_table(asked, plan, held_out, class_names)
    answers = choice.finalist.answers, choice.baseline.answers
    verdict = audited(
        verdict, plan, labels, answers, options.margin, kind=held_out.modality.plural
    )
    returned = answers[0] if verdict.returned == "transfer" else answers[1]
    found = audit_open_set(draw_of(plan), labels, returned, seed=options.seed)
    if found is None:
        return verdict, None
    return replace(verdict, remarks=(*verdict.remarks, found.told)), found
