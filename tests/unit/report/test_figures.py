from __future__ import annotations

from xml.etree import ElementTree

from matplotlib.axes import Axes

from autotransfer.report.figures import FAINT, INK, figure, label

SCRIPTS = ("蜜蜂", "نحلة", "मधुमक्खी", "пчела", "🐝")


def _drawn(*texts: str, key: str = "k", alt: str = "alt") -> str:
    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], "o-", label="line")
        for place, text in enumerate(texts):
            label(axes, 0.1, place / 10, text)
        axes.legend()

    return str(figure(plot, key=key, height=200, alt=alt))


def test_class_names_of_any_script_stay_text() -> None:
    drawn = _drawn(*SCRIPTS)
    assert all(f">{name}</text>" in drawn for name in SCRIPTS)


def test_dollars_are_no_formula_and_markup_is_no_markup() -> None:
    drawn = _drawn("$x^2$", "<script>", 'id="q" url(#q)')
    assert "$x^2$" in drawn
    assert "&lt;script&gt;" in drawn
    assert 'id="q" url(#q)' in drawn  # text is not taken for an attribute


def test_a_figure_has_a_role_a_title_and_no_size_of_its_own() -> None:
    drawn = _drawn(alt='gap "+3"')
    root = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])  # noqa: S314
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'gap "+3"'
    assert root[0].text == 'gap "+3"'
    assert root.get("width") is None
    assert root.get("viewBox", "").startswith("0 0 360 200")


def test_ids_belong_to_the_figure_and_every_reference_finds_its_own() -> None:
    drawn = _drawn(key="gap")
    root = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])  # noqa: S314
    ids = {e.get("id") for e in root.iter() if e.get("id")}
    links = {v[1:] for e in root.iter() for a, v in e.attrib.items() if a.endswith("href")}
    clips = {e.get("clip-path", "")[5:-1] for e in root.iter() if e.get("clip-path")}
    assert all(name is not None and name.startswith("gap-") for name in ids)
    assert links | clips <= ids
    assert links
    assert clips


def test_colours_and_fonts_are_those_of_the_page() -> None:
    drawn = _drawn("x")
    assert INK not in drawn
    assert FAINT not in drawn
    assert "currentColor" in drawn
    assert "DejaVu" not in drawn


def test_the_same_figure_is_the_same_bytes() -> None:
    assert _drawn("x") == _drawn("x")
    assert "<metadata" not in _drawn("x")
