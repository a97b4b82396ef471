"""Sounds that cannot be used, and sources and options that do not fit them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import autotransfer
from autotransfer.data.sounds.decoding import needed
from tests.hostile.folders import Spoil
from tests.hostile.place import Case, Place
from tests.tiny_sounds import RATE, encoded, tone

WAVE = tone(440)


def _floats(wave: np.ndarray[Any, Any]) -> bytes:
    """Return a file whose samples are floats, which may be anything."""
    stream = io.BytesIO()
    needed("soundfile").write(stream, wave, RATE, format="WAV", subtype="FLOAT")
    return stream.getvalue()


def _gap(value: float) -> bytes:
    wave = WAVE.copy()
    wave[7] = value
    return _floats(wave)


def _among(content: bytes | str, name: str = "tones/low/bad_99.wav") -> Spoil:
    """Put a file among good sounds."""

    def make(place: Place) -> str:
        place.have("tones")
        place.write(name, content)
        return "tones"

    return make


def _folder(files: dict[str, bytes]) -> Spoil:
    def make(place: Place) -> str:
        for name, content in files.items():
            place.write(f"s/{name}", content)
        return "s"

    return make


def _zip(files: dict[str, bytes], cut: int = 0) -> Spoil:
    def make(place: Place) -> str:
        with zipfile.ZipFile(place.root / "s.zip", "w") as zipped:
            for name, content in files.items():
                zipped.writestr(name, content)
        if cut:
            path = place.root / "s.zip"
            path.write_bytes(path.read_bytes()[:-cut])
        return "s.zip"

    return make


def _table(
    head: str = "sound,label,speaker", *more: str, change: tuple[str, str] = ("", "")
) -> Spoil:
    """Write a table beside good sounds, with further rows or a change in all of them."""

    def make(place: Place) -> str:
        rows = (place.have("tones") / "sounds.csv").read_text("utf-8").splitlines()[1:]
        body = "\n".join(
            [head, *(row.replace(*change) if change[0] else row for row in rows), *more]
        )
        place.write("tones/t.csv", body)
        return "tones/t.csv"

    return make


def _parquet(**columns: Any) -> Spoil:
    def make(place: Place) -> str:
        stream = io.BytesIO()
        pd.DataFrame({"label": [*"xxxyyy"], **columns}).to_parquet(stream)
        place.write("s.parquet", stream.getvalue())
        return "s.parquet"

    return make


GOOD = {f"{label}/{i}.wav": encoded(tone(300 + 50 * i)) for label in "xy" for i in range(3)}
TARGETS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "text named wav": (_among("no sound"), ("low/bad_99.wav", "no sound that can be read")),
    "an empty wav": (_among(b""), ("low/bad_99.wav", "no sound that can be read")),
    "a head of a wav": (_among(encoded(WAVE)[:30]), ("low/bad_99.wav",)),
    "a wav of a head alone": (_among(encoded(WAVE)[:44]), ("low/bad_99.wav", "no samples")),
    "a silent wav": (_among(encoded(0 * WAVE)), ("bad_99.wav: silent", "--on-bad-image skip")),
    "a wav that is all but silent": (_among(_floats(1e-6 * WAVE)), ("bad_99.wav: silent",)),
    "a click": (_among(encoded(tone(440, 0.01))), ("10 ms long", "25 are needed")),
    "an hour": (
        _among(encoded(np.zeros(3600 * 1000), "FLAC", 1000), "tones/low/bad_99.flac"),
        ("60 minutes long", "10 are the limit"),
    ),
    "a sound of few samples a second": (_among(encoded(WAVE, rate=100)), ("100 samples",)),
    "a sound of too many samples a second": (
        _among(encoded(WAVE, rate=500_000)), ("500000 samples a second", "400,000"),
    ),
    "NaN in a wav": (_among(_gap(np.nan)), ("bad_99.wav", "NaN")),
    "infinity in a wav": (_among(_gap(np.inf)), ("bad_99.wav", "infinite")),
    "an MP3 of noise": (
        _among(np.random.default_rng(0).bytes(900), "tones/low/bad_99.mp3"), ("bad_99.mp3",),
    ),
    "a folder of m4a": (
        _folder({name.replace("wav", "m4a"): b"\0\0\0 ftypM4A" for name in GOOD}),
        ("sounds", ".m4a 6", ".flac"),
    ),
    "sounds of one class": (_folder({n: c for n, c in GOOD.items() if n < "y"}), ("'x'",)),
    "a class of one sound": (
        _folder({**GOOD, "z/0.wav": encoded(WAVE)}), ("too few training sounds", "'z' has 1"),
    ),
    "sounds that are all silent": (
        _folder(dict.fromkeys(GOOD, encoded(0 * WAVE))), ("6 sound", "no other is left"),
    ),
    "sounds without classes": (
        _folder({n.replace("/", "_"): c for n, c in GOOD.items()}), ("no labels",),
    ),
    "loose sounds beside classes": (_folder({**GOOD, "a.wav": encoded(WAVE)}), ("a.wav", "level")),
    "a zip of no sounds": (_zip({}), ("s.zip", "sounds")),
    "a zip of sounds cut short": (_zip(GOOD, cut=200), ("s.zip",)),
    "a zip with a bad sound": (_zip({**GOOD, "x/9.wav": b"no"}), ("x/9.wav",)),
    "a table of sounds that are not there": (
        _table("sound,label,speaker", "low/none.wav,low,bob"), ("low/none.wav", "no such file"),
    ),
    "a folder as a sound": (_table("sound,label,speaker", "low,low,bob"), ("low",)),
    "an URL as a sound": (
        _table("sound,label,speaker", "http://127.0.0.1:9/a.wav,low,bob"),
        ("http://127.0.0.1:9/a.wav", "URL"),
    ),
    "a sound without path": (_table("sound,label,speaker", ",low,bob"), ("'sound'", "row 13")),
    "a sound without label": (_table("sound,label,speaker", "low/alice_4.wav,,bob"), ("'label'",)),
    "a sound with two labels": (
        _table("sound,label,speaker", "low/alice_4.wav,high,alice"),
        ("low/alice_4.wav", "more than once"),
    ),
    "sounds of an unknown split": (_table("sound,label,split"), ("'alice'", "train")),
    "no column of sounds": (_table("noise,label,speaker"), ("no column", "'noise'")),
    "two columns of sounds": (
        _table("audio,wav,label"), ("'audio', 'wav'", "'sound'"),
    ),
    "a table of sounds of its head": (
        lambda place: str(place.write("t.csv", "sound,label\n").name), ("no rows",),
    ),
    "bytes that are no sounds": (_parquet(sound=[b"no"] * 6), ("6 sound", "row 1: no sound")),
    "a gap among bytes of sounds": (
        _parquet(sound=[encoded(WAVE), None, *[encoded(WAVE)] * 4]), ("'sound'", "row 2"),
    ),
    "numbers as sounds": (_parquet(sound=list(range(6))), ("6 sound", "no such file")),
}  # fmt: skip


def _fit(spoil: Spoil, *more: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        target, ears = spoil(place), (place.good / "ears")
        plugin = next(ears.glob("*.py"))
        return place.fit(
            "--plugin", str(plugin), *more, target=target, sources=str(ears / "ears.toml")
        )

    return make


def _good(place: Place) -> str:
    return str(place.have("tones").name)


def _fit_on(**files: str) -> Callable[[Place], list[str]]:
    """Return what fits on good sounds with a folder that is meant to be an encoder of sounds."""

    def command(place: Place) -> list[str]:
        for name, content in {"config.json": '{"model_type": "wavlm"}', **files}.items():
            place.write(f"ears/{name}", content)
        return place.fit(target=_good(place), sources="ears")

    return command


OPTIONS: dict[str, tuple[Callable[[Place], list[str]], tuple[str, ...]]] = {
    "sounds grouped without a table": (
        _fit(_good, "--group-column", "speaker"), ("'speaker'", "manifest"),
    ),
    "sounds grouped by nothing": (
        _fit(_table(), "--group-column", "voice"), ("'voice'", "'speaker'"),
    ),
    "sounds read as texts": (_fit(_good, "--modality", "text"), ("no texts", ".wav 12", ".txt")),
    "sounds read as images": (_fit(_good, "--modality", "image"), ("no images", ".wav 12")),
    "sounds and an encoder without weights": (_fit_on(), ("no model.safetensors", "ears")),
    "sounds and an encoder in a pickle": (
        _fit_on(**{"pytorch_model.bin": "x"}), ("pytorch_model.bin", "may run code"),
    ),
    "sounds and an encoder that says not how it reads": (
        _fit_on(**{"model.safetensors": "x"}), ("no preprocessor_config.json", "ears"),
    ),
    "sounds and a source of images": (
        lambda place: place.fit(target=_good(place)), ("it reads images", "sounds"),
    ),
    "sounds and a source of texts": (
        lambda place: place.fit(target=_good(place), sources=str(place.have("words"))),
        ("it reads texts", "sounds"),
    ),
}  # fmt: skip


def _catalogue(text: str, *more: str) -> Callable[[Place], list[str]]:
    """Fit with a catalogue of one source."""
    head = '[[source]]\nname = "ears"\narchitecture = "tiny-sounds/lstm"\nuntrained = true\n'

    def make(place: Place) -> list[str]:
        plugin = next((place.good / "ears").glob("*.py"))
        place.write("mine.toml", head + text if "architecture" not in text else text)
        plugins = ["--plugin", str(plugin)] if not more else []
        return place.fit(*plugins, target=_good(place), sources="mine.toml")

    return make


BAD_PLUGIN = """
from torch import nn
from autotransfer.plugin import hookimpl, networks
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(__import__("torch").zeros(1))
    def forward(self, waves, lengths):
        return {answer}
@hookimpl
def autotransfer_backbones():
    return [networks.BackboneBuilder("bad{kind}", lambda source: {build})]
"""


def _plugin(
    answer: str = "waves", build: str = "networks.SoundBackbone(source, Network())"
) -> Any:
    def make(place: Place) -> list[str]:
        kind = zlib.crc32(f"{answer} {build}".encode())
        name = f"bad_{kind}.py"
        place.write(name, BAD_PLUGIN.format(answer=answer, build=build, kind=kind))
        entry = (
            f'name = "bad"\narchitecture = "bad{kind}/x"\nuntrained = true\nsample_rate = 16000\n'
        )
        place.write("mine.toml", f"[[source]]\n{entry}")
        return place.fit("--plugin", name, target=_good(place), sources="mine.toml")

    return make


SOURCES: dict[str, tuple[Callable[[Place], list[str]], tuple[str, ...]]] = {
    "a source of sounds without rate": (_catalogue(""), ("'input_size'", "'sample_rate'")),
    "a source of sounds of no rate": (_catalogue("sample_rate = 0"), ("sample_rate", "got 0")),
    "a rate in words": (_catalogue('sample_rate = "16k"'), ("sample_rate", "int", "'16k'")),
    "a source that hears nothing": (
        _catalogue("sample_rate = 16000\nmax_seconds = 0"), ("max_seconds", "got 0"),
    ),
    "a source of sounds and images": (
        _catalogue("sample_rate = 16000\ninput_size = 32"), ("input_size", "sample_rate"),
    ),
    "a rate misspelt": (
        _catalogue("sample_rate = 16000\nmax_second = 3"), ("'max_second'", "max_seconds"),
    ),
    "a source of sounds without its plugin": (
        _catalogue(
            '[[source]]\nname = "far"\narchitecture = "not-there/x"\nuntrained = true\n'
            "sample_rate = 16000\n"
        ),
        ("'not-there'", "--plugin"),
    ),
    "a network of sounds that answers with samples": (_plugin(), ("bad", "Heard")),
    "a network of sounds of one frame too many": (
        _plugin("networks.Heard([waves.unsqueeze(2)], lengths + 1)"), ("bad", "frames"),
    ),
    "a builder of sounds that makes nothing": (_plugin(build="None"), ("bad", "NoneType")),
    "a builder of sounds that fails": (_plugin(build="1 / 0"), ("bad", "division by zero")),
}  # fmt: skip


def _python(sounds: Any, labels: Any = ("x", "x", "y", "y"), **options: Any) -> Any:
    def make(place: Place) -> Callable[[], Any]:
        ears = place.good / "ears"
        return lambda: autotransfer.fit(
            (sounds, [*labels]), sources=str(ears / "ears.toml"), plugins=[*ears.glob("*.py")],
            budget="1 trials", tracking_uri="off", **{"modality": "sound", **options},
        )  # fmt: skip

    return make


FOUR = [(WAVE, RATE)] * 3
CALLS: dict[str, tuple[Callable[[Place], Any], tuple[str, ...]]] = {
    "samples without rate": (_python([*FOUR, WAVE]), ("1 sound", "3: a ndarray", "samples, rate")),
    "a rate of nothing": (_python([*FOUR, (WAVE, None)]), ("3: its rate is None",)),
    "a rate of no samples": (_python([*FOUR, (WAVE, 0)]), ("3: 0", "samples a second")),
    "rate and samples in the wrong order": (
        _python([(RATE, WAVE)] * 4, modality=None),
        ("samples, rate",),
    ),
    "one pair in the wrong order": (
        _python([*FOUR, (RATE, WAVE)]),
        ("3: a pair", "samples, rate"),
    ),
    "samples that are a cube": (
        _python([*FOUR, (np.zeros((2, 3, 4)), RATE)]),
        ("3: samples", "(2, 3, 4)"),
    ),
    "samples that are names": (
        _python([*FOUR, (np.array(["a", "b"]), RATE)]),
        ("3: samples", "type"),
    ),
    "no samples": (_python([*FOUR, (np.zeros(0), RATE)]), ("3: has no samples",)),
    "nothing as a sound": (_python([*FOUR, None]), ("3: there is nothing",)),
    "a path of nothing as a sound": (
        _python([*FOUR, "nowhere.wav"]),
        ("3: there is no such file",),
    ),
    "no sounds at all": (_python([], []), ("no sounds",)),
    "too few labels of sounds": (_python([*FOUR, (WAVE, RATE)], "xy"), ("4 item", "(2,)")),
}
CASES = [
    *(Case(f"fit on {name}", _fit(spoil), words) for name, (spoil, words) in TARGETS.items()),
    *(
        Case(n, make, words)
        for kind in (OPTIONS, SOURCES, CALLS)
        for n, (make, words) in kind.items()
    ),
]
