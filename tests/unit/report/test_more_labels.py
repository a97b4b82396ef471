from __future__ import annotations

from autotransfer.cli.texts import fit_json, fit_text
from autotransfer.forecasts import LabelForecast, More, Range
from autotransfer.report.material import Material
from autotransfer.report.more_labels import more_labels_section
from autotransfer.search.record_file import record_to_json
from tests.unit.conftest import MakeRecord

FORECAST = LabelForecast(
    100, 90, 3, (50, 100), (0.7, 0.8), Range(0.8, 0.7, 0.85),
    (More(50, Range(0.82, 0.75, 0.88), Range(0.021, 0.008, 0.035)),), 0.9, Range(420, 260, 900),
)  # fmt: skip


def test_the_section_draws_the_curve_and_says_the_figures(make_record: MakeRecord) -> None:
    body = more_labels_section(Material(make_record(forecast=FORECAST)))
    assert body is not None
    assert "<svg" in body
    assert "+50 labels: +2.1 points (0.8 to 3.5)" in body
    assert "90 % needs about 420 more (260 to 900)" in body
    assert more_labels_section(Material(make_record())) is None


def test_the_terminal_and_json_say_the_same_and_nothing_where_there_is_none(
    make_record: MakeRecord,
) -> None:
    record = make_record(forecast=FORECAST)
    assert "+50 labels: +2.1 points (0.8 to 3.5)" in fit_text(record)
    told = fit_json(record)["forecast"]
    assert told["more"][0]["gain"] == {"value": 0.021, "low": 0.008, "high": 0.035}
    assert told["sentences"][1] == "+50 labels: +2.1 points (0.8 to 3.5)"
    assert "forecast" not in fit_json(make_record())
    assert "forecast" in record_to_json(record)
    assert "forecast" not in record_to_json(make_record())
