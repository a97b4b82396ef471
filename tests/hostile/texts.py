"""Texts that cannot be used, and sources and options that do not fit them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

import autotransfer
from tests.hostile.folders import Spoil
from tests.hostile.place import Case, Place

ROWS = [(f"{word} number {i}", word) for word in ("ball", "song") for i in range(6)]
BODY = "".join(f"{text},{label}\n" for text, label in ROWS)
GOOD = f"text,label\n{BODY}"


def _written(content: str | bytes, name: str = "t.csv") -> Spoil:
    def make(place: Place) -> str:
        place.write(name, content)
        return name

    return make


def _lines(*more: Any) -> Spoil:
    rows = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    told = [row if isinstance(row, str) else json.dumps(row) for row in more]
    return _written("\n".join([*rows, *told]), "t.jsonl")


def _parquet(**columns: Any) -> Spoil:
    def make(place: Place) -> str:
        frame = pd.DataFrame(ROWS, columns=["text", "label"]).assign(**columns)
        stream = io.BytesIO()
        frame.to_parquet(stream)
        place.write("t.parquet", stream.getvalue())
        return "t.parquet"

    return make


def _files(members: dict[str, bytes | str], archive: str = "") -> Spoil:
    """Write files into the folder `t`, or into an archive."""

    def make(place: Place) -> str:
        if not archive:
            for name, content in members.items():
                place.write(f"t/{name}", content)
            return "t"
        with zipfile.ZipFile(place.root / archive, "w") as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
        return archive

    return make


FOLDERS = {f"{label}/{i}.txt": text for i, (text, label) in enumerate(ROWS)}
TARGETS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no text column": (
        _written(f"words,label\n{BODY}"),
        ("'words', 'label'", "text"),
    ),
    "a table of texts without head": (_written(BODY), ("no column", "text")),
    "two columns of texts": (
        _written("sentence,query,label\na,b,x\n"),
        ("'sentence', 'query'", "'text'"),
    ),
    "an empty text": (_written(f"{GOOD},ball\n"), ("1 text", "row 13: empty")),
    "a blank text": (_written(f"{GOOD}   ,ball\n"), ("row 13: empty",)),
    "texts that are all empty": (_written("text,label\n\"\",x\n' ',y\n"), ("text",)),
    "a NUL among texts": (_written(f"{GOOD}a\0b,ball\n"), ("NUL",)),
    "texts without label": (_written("text\na b\nc d\n"), ("no labels",)),
    "a text with an empty label": (_written(f"{GOOD}a,\n"), ("'label'", "row 13")),
    "texts of one class": (_written(f"text,label\n{BODY[:100]}".rpartition("\n")[0]), ("'ball'",)),
    "a class of one text": (
        _written(f"{GOOD}alone,seldom\n"),
        ("too few training texts", "'seldom' has 1"),
    ),
    "a class for each text": (
        _written("text,label\n" + "".join(f"t {i},c{i}\n" for i in range(30))),
        ("'c0' has 1", "10 more"),
    ),
    "texts in another encoding": (
        _written(f"{GOOD}caf\xe9,ball\n".encode("latin-1")),
        ("line 14", "UTF-8"),
    ),
    "texts in UTF-16 without mark": (_written(GOOD.encode("utf-16-le")), ("t.csv", "NUL")),
    "texts as an Excel file": (_written(b"PK\x03\x04" + b"\0" * 99), ("t.csv", "Excel")),
    "texts as one JSON": (_written(json.dumps([{"text": "a"}]), "t.json"), ("t.json", ".jsonl")),
    "texts as JSON named csv": (_written(json.dumps([{"text": "a"}])), ("t.csv", "JSON")),
    "a comma too many in a text": (
        _written(f"{GOOD}yes, please,ball\n"),
        ("line 14 has 3 field", "quotes"),
    ),
    "an open quote in a text": (_written(f'{GOOD}"no end,ball\n'), ("a quote",)),
    "a table of texts of its head": (_written("text,label\n"), ("no rows",)),
    "an empty table of texts": (_written("", "t.tsv"), ("t.tsv", "empty")),
    "two columns called text": (_written("text,text,label\na,b,x\n"), ("'text'",)),
    "texts of an unknown split": (
        _written("text,label,split\n" + BODY.replace("\n", ",later\n")),
        ("'later'", "train"),
    ),
    "texts for the test alone": (
        _written("text,label,split\n" + BODY.replace("\n", ",test\n")),
        ("no training texts", "test"),
    ),
    "a text that is a book": (
        _written(f"{GOOD}{'word ' * 2_000_001},ball\n"),
        ("row 13", "10,000,000"),
    ),
    "a line of JSON that is none": (_lines("no json"), ("line 13", "JSON")),
    "a line of JSON that is a list": (_lines([1, 2]), ("line 13", "list")),
    "a number among texts": (_lines({"text": 3, "label": "ball"}), ("row 13: a int",)),
    "a list among texts": (_lines({"text": ["a"], "label": "ball"}), ("row 13: a list",)),
    "null among texts": (_lines({"text": None, "label": "ball"}), ("row 13: empty",)),
    "a list among labels": (_lines({"text": "a", "label": ["x"]}), ("'label'", "row 13", "list")),
    "null among labels": (_lines({"text": "a", "label": None}), ("'label'", "row 13")),
    "half a character": (
        _lines('{"text": "half \\ud83d of it", "label": "ball"}'),
        ("row 13", "half a character"),
    ),
    "NaN among texts": (_parquet(text=[None, *(t for t, _ in ROWS[1:])]), ("row 1: empty",)),
    "numbers as texts": (_parquet(text=list(range(12))), ("12 text", "row 1: a int")),
    "bytes as texts": (_parquet(text=[b"ab"] * 12), ("row 1: a bytes",)),
    "NaN among labels of texts": (_parquet(label=[None, *"abcdefghijk"]), ("'label'", "row 1")),
    "NaN among groups of texts": (_parquet(group=[None, *"abcdefghijk"]), ("'group'", "row 1")),
    "a zip of no texts": (_files({}, "t.zip"), ("t.zip", "images, sounds or texts")),
    "a zip of texts without classes": (
        _files({f"{i}.txt": text for i, (text, _) in enumerate(ROWS)}, "t.zip"),
        (".txt 12", "one folder a class", "--modality text"),
    ),
    "a file of texts in another encoding": (
        _files({**FOLDERS, "ball/x.txt": "caf\xe9".encode("latin-1")}),
        ("1 text", "ball/x.txt: line 1", "UTF-8"),
    ),
    "an empty file among texts": (_files({**FOLDERS, "ball/x.txt": ""}), ("ball/x.txt: empty",)),
    "a folder of PDFs": (
        _files({f"{name}.pdf": b"%PDF" for name in FOLDERS}),
        ("texts", ".pdf 12", ".txt"),
    ),
}


def _fit(spoil: Spoil, *more: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        target = spoil(place)
        return place.fit(*more, target=target, sources=str(place.have("words")))

    return make


good = _written(GOOD)


def _beside_bars(place: Place) -> str:
    place.have("bars")
    return good(place)


def _compared(place: Place) -> list[str]:
    return ["distance", _beside_bars(place), "bars", "--sources", str(place.have("words"))]


def _authors(name: str) -> Spoil:
    return _written("text,label,author\n" + BODY.replace("\n", f",{name}\n"))


OPTIONS: dict[str, tuple[Callable[[Place], list[str]], tuple[str, ...]]] = {
    "texts grouped by nothing": (
        _fit(good, "--group-column", "author"), ("'author'", "'text', 'label'"),
    ),
    "texts grouped by a column with a gap": (
        _fit(_authors(""), "--group-column", "author"), ("'author'", "row 1"),
    ),
    "texts of one author": (
        _fit(_authors("me"), "--group-column", "author"), ("two different texts (or groups)",),
    ),
    "texts read as images": (_fit(good, "--modality", "image"), ("no column", "'image'")),
    "texts read as sounds": (_fit(good, "--modality", "sound"), ("no column", "'sound'")),
    "images read as texts": (
        _fit(lambda place: str(place.have("bars").name), "--modality", "text"),
        ("bars", "no texts"),
    ),
    "texts read as smells": (_fit(good, "--modality", "smell"), ("smell", "image, text, sound")),
    "texts and a source of images": (
        lambda place: place.fit(target=good(place)), ("it reads images", "texts"),
    ),
    "images and a source of texts": (
        lambda place: place.fit(sources=str(place.have("words"))), ("it reads texts", "images"),
    ),
    "texts to label on a page": (
        lambda place: ["label", _written("text\na b\nc d\n")(place)],
        ("images", "these are texts", "'label'"),
    ),
    "texts compared with images": (_compared, ("bars", "no texts", ".png 36")),
    "texts beside source images": (
        _fit(_beside_bars, "--source-data", "bars"), ("bars", "no texts", ".png 36"),
    ),
    "source texts without labels": (
        _fit(_written("text\na b\nc d\n"), "--scenario", "unlabelled", "--source-data", "t.csv"),
        ("source texts need labels",),
    ),
}  # fmt: skip


def _source(change: Callable[[Place], Any]) -> Callable[[Place], list[str]]:
    """Spoil the folder of the source, then fit."""

    def make(place: Place) -> list[str]:
        place.have("words")
        change(place)
        return place.fit(target=good(place), sources="words")

    return make


def _config(**values: Any) -> Callable[[Place], list[str]]:
    return _source(lambda place: place.write("words/config.json", json.dumps(values)))


SOURCES: dict[str, tuple[Callable[[Place], list[str]], tuple[str, ...]]] = {
    "a source of texts without weights": (
        _source(lambda place: (place.root / "words" / "model.safetensors").unlink()),
        ("'words'", "model.safetensors"),
    ),
    "a source of texts with weights of torch": (
        _source(
            lambda place: (place.root / "words" / "model.safetensors").rename(
                place.root / "words" / "pytorch_model.bin"
            )
        ),
        ("pytorch_model.bin", "may run code"),
    ),
    "a source of texts whose weights are noise": (
        _source(lambda place: place.write("words/model.safetensors", b"noise")),
        ("'words'", "model.safetensors"),
    ),
    "a source of texts whose tokenizer is noise": (
        _source(lambda place: place.write("words/tokenizer.json", b"noise")),
        ("tokenizer.json",),
    ),
    "a source of texts that generates": (_config(model_type="llama"), ("'llama'", "bert")),
    "a source of texts with code of its own": (
        _config(model_type="mine", auto_map={"AutoModel": "evil.Model"}),
        ("'mine'", "no code"),
    ),
    "a source of texts whose configuration is a list": (
        _source(lambda place: place.write("words/config.json", "[]")),
        ("config.json",),
    ),
    "a source of texts that is too large": (
        _config(model_type="bert", hidden_size=10**12),
        ("'words'", "hidden_size"),
    ),
    "a source of texts whose weights do not fit": (
        _config(model_type="bert", hidden_size=8, num_attention_heads=2, num_hidden_layers=1),
        ("words", "do not fit"),
    ),
}


def _python(call: Callable[[Place], Any]) -> Callable[[Place], Callable[[], Any]]:
    def make(place: Place) -> Callable[[], Any]:
        words = str(place.have("words"))
        return lambda: autotransfer.fit(
            call(place), sources=words, budget="1 trials", tracking_uri="off", modality="text"
        )

    return make


TEXTS = [text for text, _ in ROWS]
CALLS: dict[str, tuple[Callable[[Place], Any], tuple[str, ...]]] = {
    "a text in place of texts": (_python(lambda _: ("one text", ["x"])), ("str", "no texts")),
    "a list of numbers as texts": (
        _python(lambda _: ([1, 2], ["x", "y"])),
        ("2 text", "a int, not a text"),
    ),
    "texts and too few labels": (_python(lambda _: (TEXTS, ["x", "y"])), ("12 item", "(2,)")),
    "texts and labels with a gap": (
        _python(lambda _: (TEXTS, ["x", None] * 6)),
        ("labels", "item 1"),
    ),
    "texts and a list of labels each": (
        _python(lambda _: (TEXTS, [["x", "y"]] * 12)),
        ("12, 2", "12"),
    ),
    "no texts": (_python(lambda _: ([], [])), ("no texts",)),
    "texts of mixed types": (_python(lambda _: ([*TEXTS[1:], 3.5], [*"xy"] * 6)), ("float",)),
}


def _cases(
    kinds: Sequence[dict[str, tuple[Callable[[Place], Any], tuple[str, ...]]]],
) -> list[Case]:
    return [Case(name, make, words) for kind in kinds for name, (make, words) in kind.items()]


CASES = [
    *(Case(f"fit on {name}", _fit(spoil), words) for name, (spoil, words) in TARGETS.items()),
    *_cases([OPTIONS, SOURCES, CALLS]),
]
