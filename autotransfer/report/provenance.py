"""Where everything comes from, and what to do next."""

from __future__ import annotations

from markupsafe import Markup

from autotransfer.data.modality import plural_of
from autotransfer.report.markup import clean, facts, joined, name, paragraph
from autotransfer.report.material import Material


def provenance_section(material: Material) -> Markup:
    """Return hashes, licences and the commands that go on from here."""
    record = material.record
    rows = [
        ("fit", name(record.name)),
        ("scenario", record.scenario),
        ("metric", record.metric),
        ("seed", str(record.seed)),
        ("model", Markup("<code>{}</code>").format(clean(record.model))),
        ("MLflow run", record.run_id or "not written"),
        *((key, name(value)) for key, value in record.provenance.items() if value),
    ]
    items = plural_of(record.modality).upper()
    next_step = Markup("<code>autotransfer predict {} {}</code>").format(
        clean(record.model), items
    )
    return joined([facts(rows), paragraph(Markup("Next: ") + next_step)])
