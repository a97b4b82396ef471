"""Search spaces and plugins of the user's own that are wrong."""

from __future__ import annotations

from collections.abc import Callable

from tests.hostile.place import Case, Place


def _with(option: str, name: str, content: str | bytes) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        place.write(name, content)
        return place.fit(option, name)

    return make


SPACES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "is not TOML": ("[fine-tune\n", ("TOML",)),
    "is not UTF-8": (b'description = "\xff"\n', ()),
    "is zeros": (b"\0" * 99, ()),
    "has a strategy of nobody": ("[magic]\nx = 1\n", ("magic",)),
    "lists a strategy of nobody": ('strategies = ["magic"]\n', ("magic",)),
    "lists no strategy": ("strategies = []\n", ("strategies",)),
    "lists a number": ("strategies = [3]\n", ("strategies",)),
    "has strategies that are text": ('strategies = "fine-tune"\n', ("strategies",)),
    "has a description that is a number": ("description = 3\n", ("description",)),
    "has a parameter of nobody": ("[fine-tune]\nbanana = 1\n", ("fine-tune.banana",)),
    "has low above high": (
        "[fine-tune]\nepochs = { low = 9, high = 2 }\n",
        ("fine-tune.epochs", "low"),
    ),
    "has text for a number": ('[fine-tune]\nepochs = "many"\n', ("fine-tune.epochs", "many")),
    "has a number out of range": ("[fine-tune]\nepochs = 0\n", ("fine-tune.epochs",)),
    "has NaN": ("[feature-extraction]\nregularisation = nan\n", ("regularisation",)),
    "has infinity": (
        "[feature-extraction]\nregularisation = { low = 1.0, high = inf }\n",
        ("regularisation",),
    ),
    "has an empty choice": ("[feature-extraction]\nhead = []\n", ("head",)),
    "has a choice of nobody": ('[feature-extraction]\nhead = ["magic"]\n', ("head", "magic")),
    "has a table of text": ('[feature-extraction]\nhead = { a = "b" }\n', ("head",)),
    "has a strategy that is a number": ("fine-tune = 3\n", ("fine-tune",)),
}
HOOK = "import autotransfer\n\n\n@autotransfer.hookimpl\ndef autotransfer_strategies():\n    "
PLUGINS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "is not Python": ("def (:\n", ()),
    "is not UTF-8": (b"x = '\xff'\n", ()),
    "is zeros": (b"\0" * 99, ()),
    "raises": ("1 / 0\n", ("ZeroDivisionError",)),
    "leaves": ("raise SystemExit(3)\n", ()),
    "ends the interpreter by BaseException": ("raise BaseException('no')\n", ()),
    "imports what is not there": ("import nothing_of_the_kind\n", ("nothing_of_the_kind",)),
    "interrupts": ("raise GeneratorExit\n", ()),
    "offers a number": (HOOK + "return [3]\n", ()),
    "offers no list": (HOOK + "return 3\n", ()),
    "raises when asked": (
        HOOK + "raise RuntimeError('no strategies today')\n",
        ("no strategies today",),
    ),
    "leaves when asked": (HOOK + "raise SystemExit(3)\n", ()),
    "raises a long text": ("raise ValueError('x' * 100_000)\n", ("ValueError",)),
    "raises many lines": ("raise ValueError('x\\n' * 1000)\n", ("ValueError",)),
}
CASES = [
    *(
        Case(f"a space {name}", _with("--space", "mine.toml", content), ("mine.toml", *words))
        for name, (content, words) in SPACES.items()
    ),
    *(
        Case(
            f"a plugin that {name}",
            _with("--plugin", f"mine_{i}.py", content),
            (f"mine_{i}", *words),
        )
        for i, (name, (content, words)) in enumerate(PLUGINS.items())
    ),
]
