from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSpaceError
from autotransfer.models.source import Source, Untrained
from autotransfer.plugin.presets import Preset, read_preset
from autotransfer.plugin.registry import discover
from autotransfer.plugin.space import SearchSpace, choice, depth, floating, integer, regularisation
from autotransfer.plugin.strategy import TaskInfo
from autotransfer.results import ParamValue, ScenarioKind

HEADS = SearchSpace.of(
    depth=depth(),
    regularisation=regularisation(),
    head=choice(("ridge", "logistic", "svm"), default="ridge"),
)
TUNE = SearchSpace.of(
    depth=depth(default=0.7), regularisation=regularisation(), epochs=integer(3, 30, default=8)
)
SPACES = {"heads": HEADS, "tune": TUNE}


@pytest.fixture
def preset(tmp_path: Path) -> Preset:
    """A preset that says nothing."""
    return _preset(tmp_path, "")


def _preset(folder: Path, text: str) -> Preset:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return read_preset(path)


def test_an_empty_preset_changes_nothing(preset: Preset) -> None:
    preset.check(SPACES)
    assert preset.strategies is None
    assert preset.apply("tune", TUNE) == TUNE


def test_a_preset_chooses_strategies(tmp_path: Path) -> None:
    assert _preset(tmp_path, 'strategies = ["tune"]').strategies == ("tune",)


def test_a_scalar_fixes_a_parameter(tmp_path: Path) -> None:
    found = _preset(tmp_path, "[tune]\nepochs = 5\ndepth = 1").apply("tune", TUNE)
    assert found.parameters["epochs"] == integer(5, 5, default=5)
    assert found.parameters["depth"] == floating(1.0, 1.0, default=1.0)


def test_a_range_is_narrowed_and_the_default_moves_inside(tmp_path: Path) -> None:
    found = _preset(tmp_path, "[tune]\nepochs = { low = 10, high = 20 }").apply("tune", TUNE)
    assert found.parameters["epochs"] == integer(10, 20, default=10)


def test_a_range_is_widened_and_gets_a_default(tmp_path: Path) -> None:
    text = "[tune]\nepochs = { high = 100, log = true, default = 50 }"
    found = _preset(tmp_path, text).apply("tune", TUNE)
    assert found.parameters["epochs"] == integer(3, 100, default=50, log=True)


def test_choices_are_listed_or_excluded(tmp_path: Path) -> None:
    listed = _preset(tmp_path, '[heads]\nhead = { choices = ["svm", "ridge"] }')
    assert listed.apply("heads", HEADS).parameters["head"] == choice(
        ("svm", "ridge"), default="ridge"
    )
    excluded = _preset(tmp_path, '[heads]\nhead = { exclude = ["ridge"] }')
    assert excluded.apply("heads", HEADS).parameters["head"] == choice(
        ("logistic", "svm"), default="logistic"
    )


def test_an_excluded_parameter_stays_at_its_default(tmp_path: Path) -> None:
    found = _preset(tmp_path, '[tune]\nexclude = ["depth"]').apply("tune", TUNE)
    assert found.parameters["depth"] == floating(0.7, 0.7, default=0.7)


def test_a_shared_knob_changes_for_every_strategy_that_has_it(tmp_path: Path) -> None:
    preset = _preset(tmp_path, "[shared]\ndepth = { low = 0.5 }")
    for name, space in SPACES.items():
        assert preset.apply(name, space).parameters["depth"].distribution == (
            floating(0.5, 1.0, default=1.0).distribution
        )


@pytest.mark.parametrize("change", ["regularisation = 1.0", 'exclude = ["regularisation"]'])
def test_a_shared_knob_that_one_strategy_fixes_is_still_searched_by_the_other(
    tmp_path: Path, change: str
) -> None:
    preset = _preset(tmp_path, f"[heads]\n{change}")
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    tried: dict[str, set[ParamValue]] = {"heads": set(), "tune": set()}
    for name in ("tune", "heads", "tune", "heads"):
        trial = study.ask()
        params = preset.apply(name, SPACES[name]).suggest(trial, name)
        tried[name].add(params["regularisation"])
        study.tell(trial, 0.0)
    assert tried["heads"] == {1.0}
    assert len(tried["tune"]) == 2


@given(bounds=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=2).map(sorted))
def test_a_narrowed_space_lies_within_the_original(
    bounds: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    low, high = bounds
    text = f"[shared]\nregularisation = {{ low = {low!r}, high = {high!r} }}"
    narrowed = _preset(tmp_path_factory.mktemp("preset"), text).apply("tune", TUNE)
    assert TUNE.contains(narrowed.defaults())
    assert TUNE.contains(narrowed.suggest(optuna.create_study().ask(), "tune"))


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('strategies = ["none-such"]', "strategies", "'none-such'; installed: heads, tune"),
        ('strategies = ["tune", "tune"]', "strategies", "a name occurs twice"),
        ("strategies = []", "strategies", "is empty"),
        ('strategies = "tune"', "strategies", "must be a list of names"),
        ("description = 3", "description", "must be a text, got 3"),
        ("[none-such]", "none-such", "installed: heads, tune"),
        ("tune = 3", "tune", "must be a table"),
        ("[shared]\nepochs = 3", "shared.epochs", "no such shared knob"),
        ("[tune]\nepoch = 3", "tune.epoch", "no such parameter; tune has depth"),
        ("[tune]\nepochs = { low = 9, high = 4 }", "tune.epochs", "low 9 is above high 4"),
        ('[tune]\nepochs = "many"', "tune.epochs", "expected int"),
        ("[tune]\nepochs = 2.5", "tune.epochs", "expected int"),
        ("[tune]\nepochs = true", "tune.epochs", "expected int"),
        ("[tune]\nepochs = { low = 2.5 }", "tune.epochs", "low must be a whole number"),
        ("[tune]\nepochs = { high = inf }", "tune.epochs", "high must be a finite number"),
        ("[tune]\nepochs = { default = 99 }", "tune.epochs", r"default 99 lies outside [3, 30]"),
        ("[tune]\nepochs = { default = 4.5 }", "tune.epochs", "default must be a whole number"),
        ("[tune]\nepochs = { step = 2 }", "tune.epochs", "unknown key 'step'"),
        ("[tune]\nepochs = { log = 1 }", "tune.epochs", "log must be true or false"),
        ("[tune]\ndepth = { high = 2.0 }", "tune.depth", "in [0, 1]"),
        ("[tune]\ndepth = nan", "tune.depth", "must be a finite number, got nan"),
        ("[tune]\nregularisation = 0.0", "tune.regularisation", "must hold for `log=True`"),
        (
            "[tune]\nregularisation = { log = false }",
            "tune.regularisation",
            "log can only change for all strategies",
        ),
        ('[heads]\nhead = "tree"', "heads.head", "'tree' is not one of"),
        ("[heads]\nhead = 3", "heads.head", "expected str"),
        ('[heads]\nhead = { choices = ["tree"] }', "heads.head", "'tree' is not one of"),
        ('[heads]\nhead = { choices = "ridge" }', "heads.head", "choices must be a list"),
        ("[heads]\nhead = { choices = [] }", "heads.head", "no choice is left"),
        ('[heads]\nhead = { exclude = ["svm", "svm"] }', "heads.head", "names a choice twice"),
        ('[heads]\nhead = { low = "a" }', "heads.head", "unknown key 'low'"),
        ('[heads]\nexclude = "head"', "heads.exclude", "must be a list of parameter names"),
        ('[heads]\nexclude = [["head"]]', "heads.exclude", "must be a list of parameter names"),
        ('[heads]\nexclude = ["tail"]', "heads.exclude", "'tail' is no parameter"),
        (
            '[heads]\nexclude = ["head"]\nhead = "svm"',
            "heads.exclude",
            "'head' is changed as well",
        ),
    ],
)
def test_an_error_names_the_file_and_the_key(
    tmp_path: Path, text: str, key: str, reason: str
) -> None:
    with pytest.raises(InvalidSpaceError) as caught:
        _preset(tmp_path, text).check(SPACES)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.toml'}: {key}: ")
    assert reason in message
    assert "\n" not in message


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpaceError, match=r"mine\.toml: not TOML \(.*line 2"):
        _preset(tmp_path, "description = 'x'\nepochs 3")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpaceError, match=r"none\.toml: the search space cannot be read"):
        read_preset(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["quick", "default", "thorough"])
def test_the_shipped_presets_fit_the_installed_strategies(name: str) -> None:
    registry = discover()
    source = Source("any", "test_resnet", Untrained(), Preprocessing(32))
    info = TaskInfo(source, ScenarioKind.LABELLED, num_images=100, num_classes=2)
    spaces = {key: strategy.space(info) for key, strategy in registry.strategies.items()}
    preset = read_preset(registry.preset(name))
    preset.check(spaces)
    assert preset.description
    for key, space in spaces.items():
        changed = preset.apply(key, space)
        assert changed.contains(changed.defaults())
