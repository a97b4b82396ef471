from __future__ import annotations

from markupsafe import Markup

from autotransfer.report.markup import bar, bullets, clean, name, table


def test_markup_in_a_name_becomes_text() -> None:
    assert name('<b onclick="x">') == "<bdi>&lt;b onclick=&#34;x&#34;&gt;</bdi>"


def test_control_characters_and_halves_of_pairs_are_replaced() -> None:
    assert clean("a\x00b\ud800c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_a_long_text_is_cut_at_the_length_asked_for() -> None:
    assert clean("abcdef", 4) == "abc…"


def test_a_table_shows_numbers_with_three_digits_counts_whole_and_nothing_as_a_dash() -> None:
    found = table(("a", "<b>"), [(0.5, 7), (None, "x & y")])
    assert '<td class="number">0.500</td>' in found
    assert '<td class="number">7</td>' in found
    assert '<td class="number">\N{EN DASH}</td>' in found
    assert "<td>x &amp; y</td>" in found
    assert '<th scope="col">&lt;b&gt;</th>' in found


def test_items_that_are_markup_already_stay_so_and_no_item_is_no_list() -> None:
    assert bullets([Markup("<b>x</b>"), "<i>"]) == (
        "<ul><li><b>x</b></li>\n<li>&lt;i&gt;</li></ul>"
    )
    assert bullets([]) == ""


def test_a_bar_stays_within_its_track() -> None:
    assert "width:100.0%" in bar(1.7)
    assert "width:0.0%" in bar(-1.0)
