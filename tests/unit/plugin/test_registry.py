from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotransfer.errors import PluginError, PluginWarning, UnknownNameError
from autotransfer.plugin.registry import PLUGIN_VARIABLE, Registry, discover

GROUP = "autotransfer.tests"  # no installed distribution uses it
GOOD = """
from autotransfer.plugin import SearchSpace, Strategy, hookimpl

class Mine(Strategy):
    name = "NAME"
    def space(self, task):
        return SearchSpace.of()
    def fit(self, task, trial):
        raise NotImplementedError
    def restore(self, tensors, info, source):
        raise NotImplementedError

@hookimpl
def autotransfer_strategies():
    return [Mine()]
"""
HOOK = "from autotransfer.plugin import hookimpl\n@hookimpl\n"

Install = Callable[..., None]


@pytest.fixture
def forget_modules() -> Iterator[None]:
    """Forget the modules that a test imports."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("fake_", "file_")):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_modules: None) -> Install:
    """Return a function that installs a distribution with one module and one entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def _install(name: str, code: str, *, entry: str | None = None) -> None:
        module = f"fake_{name.replace('-', '_')}"
        (site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        folder = site / f"{name}-2.5.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{entry or name} = {module}\n")

    return _install


def _good(name: str) -> str:
    return GOOD.replace("NAME", name)


def _discover_with_broken() -> Registry:
    with pytest.warns(PluginWarning, match="was left out"):
        return discover(entry_point_group=GROUP)


def test_a_good_plugin_is_found_with_its_distribution(install: Install) -> None:
    install("good", _good("mine"))
    found = discover(entry_point_group=GROUP)
    assert found.strategy("mine").name == "mine"
    assert found.broken == ()
    plugin = found.plugins[-1]
    assert (plugin.name, plugin.distribution, plugin.version) == ("good", "good", "2.5")
    assert plugin.offers == ("strategies: mine",)


BREAKAGES = {
    "import": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
    "syntax": ("def (", "SyntaxError"),
    "exit": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "unknown": (
        HOOK + "def autotransfer_strategy(): return []",
        "unknown hook autotransfer_strategy; known: autotransfer_strategies",
    ),
    "arguments": (HOOK + "def autotransfer_strategies(config): return []", "config"),
    "raising": (
        HOOK + "def autotransfer_sources(): raise RuntimeError('no disk')",
        "RuntimeError: no disk",
    ),
    "raising-late": (
        HOOK + "def autotransfer_sources():\n    yield 1 / 0",
        "ZeroDivisionError",
    ),
    "nothing": (
        HOOK + "def autotransfer_strategies(): pass",
        "autotransfer_strategies returned None; return a list",
    ),
    "class": (
        _good("mine").replace("Mine()]", "Mine]"),
        "each has to be a Strategy",
    ),
    "abstract": (
        _good("mine").replace("def fit", "def other"),
        "Can't instantiate abstract class Mine",
    ),
    "spelling": (_good("My Strategy"), "'My Strategy' is not kebab-case"),
    "nameless": (_good("mine").replace('name = "mine"', "pass"), "AttributeError"),
    "no-file": (
        HOOK
        + "def autotransfer_search_spaces():\n"
        + "    from pathlib import Path\n    return [Path('none.toml')]",
        "none.toml: the search space cannot be read",
    ),
    "twice": (
        _good("mine").replace("[Mine()]", "[Mine(), Mine()]"),
        "the name 'mine' is taken",
    ),
}


@pytest.mark.parametrize("kind", BREAKAGES)
def test_a_broken_plugin_is_named_and_the_rest_works(install: Install, kind: str) -> None:
    code, reason = BREAKAGES[kind]
    install("a-bad", code)
    install("b-good", _good("theirs"))
    found = _discover_with_broken()
    (broken,) = found.broken
    assert (broken.name, broken.distribution, broken.version) == ("a-bad", "a-bad", "2.5")
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert list(found.strategies) == ["theirs"]
    assert "a-bad" not in [plugin.name for plugin in found.plugins]


def test_a_plugin_is_taken_whole_or_not_at_all(install: Install) -> None:
    install("half", _good("mine") + "\n" + HOOK + "def autotransfer_sources(): return [3]\n")
    found = _discover_with_broken()
    assert list(found.strategies) == []
    assert found.sources == {}


def test_of_two_parts_with_one_name_the_first_stays(install: Install) -> None:
    install("b-second", _good("same"))
    install("a-first", _good("same"))
    found = _discover_with_broken()
    assert [broken.name for broken in found.broken] == ["b-second"]
    assert "the name 'same' is taken by another plugin" in found.broken[0].reason
    assert type(found.strategy("same")).__module__ == "fake_a_first"


def test_of_two_entry_points_with_one_name_the_first_distribution_stays(install: Install) -> None:
    install("b-second", _good("two"), entry="shared-name")
    install("a-first", _good("one"), entry="shared-name")
    found = _discover_with_broken()
    assert list(found.strategies) == ["one"]
    assert [broken.distribution for broken in found.broken] == ["b-second"]
    assert found.broken[0].reason == "another plugin has this name"


def test_nobody_takes_the_name_of_a_first_party_part(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("aaa", _good("mine"))
    install("autotransfer", _good("mine"), entry="zzz")
    found = _discover_with_broken()
    assert [broken.name for broken in found.broken] == ["aaa"]


def test_a_hook_may_have_another_function_name(install: Install) -> None:
    code = _good("mine").replace(
        "@hookimpl\ndef autotransfer_strategies",
        '@hookimpl(specname="autotransfer_strategies")\ndef offer',
    )
    install("good", code)
    assert list(discover(entry_point_group=GROUP).strategies) == ["mine"]


def test_the_installed_parts_are_whole() -> None:
    found = discover()
    assert found.broken == ()
    assert {"feature-extraction", "fine-tune"} <= found.strategies.keys()
    assert {"logme", "knn", "regularised-h-score"} <= found.estimators.keys()
    assert {"quick", "default", "thorough"} <= found.presets.keys()


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("strategy", lambda found: found.strategy("none")),
        ("estimator", lambda found: found.estimator("none")),
        ("search space", lambda found: found.preset("none")),
    ],
)
def test_an_unknown_name_lists_the_known_ones(
    kind: str, ask: Callable[[Registry], object]
) -> None:
    found = discover(entry_point_group=GROUP)
    with pytest.raises(UnknownNameError, match=f"no {kind} named 'none'; available: "):
        ask(found)


def test_a_preset_may_be_a_file() -> None:
    found = discover(entry_point_group=GROUP)
    assert found.preset("folder/mine.toml") == Path("folder/mine.toml")
    assert found.preset(Path("folder/mine.toml")) == Path("folder/mine.toml")


def _file(folder: Path, name: str, code: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    return path


def test_a_plugin_file_is_loaded(tmp_path: Path, forget_modules: None) -> None:
    path = _file(tmp_path, "file_good", _good("mine"))
    found = discover(files=[path], entry_point_group=GROUP)
    assert list(found.strategies) == ["mine"]
    assert found.plugins[-1].distribution == str(path)


def test_a_plugin_file_runs_once_and_sees_itself_among_the_modules(
    tmp_path: Path, forget_modules: None
) -> None:
    code = "import sys\nassert sys.modules[__name__].__name__ == __name__\n"
    code += "with open('runs.txt', 'a') as file: file.write('x')\n"
    path = _file(tmp_path, "file_hookless", code)
    for _ in range(2):
        assert list(discover(files=[path], entry_point_group=GROUP).strategies) == []
    assert (tmp_path / "runs.txt").read_text() == "x"


def test_plugin_files_come_from_the_environment_too(
    tmp_path: Path, forget_modules: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _file(tmp_path, "file_first", _good("one"))
    second = _file(tmp_path, "file_second", _good("two"))
    monkeypatch.setenv(PLUGIN_VARIABLE, f"{first}{os.pathsep}{second}")
    found = discover(files=[first], entry_point_group=GROUP)
    assert list(found.strategies) == ["one", "two"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('no disk')", "OSError: no disk"),
        ("import sys\nsys.exit(1)", "SystemExit: 1"),
        (HOOK + "def autotransfer_thing(): return []", "unknown hook autotransfer_thing"),
        (HOOK + "def autotransfer_sources(): return [3]", "each has to be a Source"),
    ],
)
def test_a_plugin_file_that_fails_is_an_error(
    tmp_path: Path, forget_modules: None, code: str, reason: str
) -> None:
    path = _file(tmp_path, "file_bad", code)
    with pytest.raises(PluginError, match=re.escape(reason)):
        discover(files=[path], entry_point_group=GROUP)


def test_a_missing_plugin_file_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"'none\.py': no such file"):
        discover(files=[Path("none.py")], entry_point_group=GROUP)


@pytest.mark.parametrize("name", ["json", "antigravity"])  # imported before, and not
def test_a_plugin_file_does_not_hide_another_module(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path, name, "")
    before = sys.modules.get(name)
    with pytest.raises(PluginError, match=f"a module named {name} is already there; rename it"):
        discover(files=[path], entry_point_group=GROUP)
    assert sys.modules.get(name) is before


UNUSUAL = {
    "base": ("class Gone(BaseException): pass\nraise Gone('away')", "Gone: away"),
    "generator-exit": ("raise GeneratorExit", "GeneratorExit"),
    "mute": (
        "class Mute(BaseException):\n    def __str__(self): raise OSError\nraise Mute",
        "Mute",
    ),
    "endless": ("raise ValueError('x' * 100_000)", "ValueError: xxx"),
    "secret": ("raise OSError('http://ann:sesame@host')", r"http://***@host"),
    "late": (
        "from autotransfer.plugin import hookimpl\nclass Gone(BaseException): pass\n@hookimpl\n"
        "def autotransfer_sources():\n    yield 1\n    raise Gone",
        "each has to be a Source",
    ),
    "in-hook": (
        "from autotransfer.plugin import hookimpl\n"
        + "class Gone(BaseException): pass\n@hookimpl\n"
        + "def autotransfer_sources(): raise Gone('in the hook')",
        "Gone: in the hook",
    ),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_whatever_a_plugin_raises_it_is_named_in_one_line(
    install: Install, tmp_path: Path, kind: str
) -> None:
    code, reason = UNUSUAL[kind]
    install("a-bad", code)
    install("b-good", _good("theirs"))
    found = _discover_with_broken()
    (broken,) = found.broken
    assert reason in broken.reason
    assert len(broken.reason) < 600
    assert list(found.strategies) == ["theirs"]
    file = tmp_path / f"file_{kind.replace('-', '_')}.py"
    file.write_text(code, encoding="utf-8")
    with pytest.raises(PluginError, match=file.stem) as refused:  # named by the user: it stops
        discover(files=[file], entry_point_group="autotransfer.none")
    assert reason in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_ctrl_c_while_a_plugin_is_imported_is_ctrl_c(install: Install) -> None:
    install("a-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover(entry_point_group=GROUP)


@pytest.mark.parametrize("name", ["", "a\0b.py", "x" * 5000, "/dev/null", "b\udcff.py"], ids=ascii)
def test_a_file_that_cannot_be_a_plugin_is_refused_by_name(name: str) -> None:
    with pytest.raises(PluginError, match="plugin") as refused:
        discover(files=[Path(name)], entry_point_group="autotransfer.none")
    assert len(str(refused.value)) <= 2000
