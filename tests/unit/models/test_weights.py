from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from typing_extensions import override

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSourceError
from autotransfer.models.source import LocalWeights, Source, Untrained
from autotransfer.models.weights import hub_error, read_state_dict, sha256_of, write_state_dict


class _Exploit:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    @override
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.marker,)


def _source(path: Path, sha256: str | None = None) -> Source:
    weights = LocalWeights(path, sha256 or sha256_of(path))
    return Source("mine", "resnet18", weights, Preprocessing(32))


def test_tensors_come_back_bit_for_bit_and_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(3)}
    sha256 = write_state_dict(tmp_path / "w.safetensors", tensors)
    assert sha256 == sha256_of(tmp_path / "w.safetensors")
    found = read_state_dict(_source(tmp_path / "w.safetensors"))
    assert found is not None
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_wrong_hash_stops_and_names_both(tmp_path: Path) -> None:
    write_state_dict(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    with pytest.raises(InvalidSourceError, match="0" * 64):
        read_state_dict(_source(tmp_path / "w.safetensors", "0" * 64))


def test_a_pickle_with_code_is_refused_and_its_code_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"weight": _Exploit(marker)}))
    with pytest.raises(InvalidSourceError, match="safetensors"):
        read_state_dict(_source(tmp_path / "w.pth"))
    assert not marker.exists()


def test_a_torch_file_of_tensors_is_read_and_its_wrappers_removed(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.a": torch.ones(2)}}, tmp_path / "w.pth")
    found = read_state_dict(_source(tmp_path / "w.pth"))
    assert found is not None
    assert list(found) == ["a"]


def test_a_file_that_is_no_safetensors_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InvalidSourceError, match="not a safetensors file"):
        read_state_dict(_source(tmp_path / "w.safetensors"))


def test_an_untrained_source_has_no_file() -> None:
    assert read_state_dict(Source("u", "resnet18", Untrained(), Preprocessing(32))) is None


def test_the_error_of_a_hub_names_the_ways_out() -> None:
    source = Source("far", "resnet18", Untrained(), Preprocessing(32))
    text = str(hub_error(source.name, OSError("no route to host")))
    assert "catalogue" in text
    assert "HF_HOME" in text
    assert "no route to host" in text


def test_weights_that_hold_nan_are_named_with_the_tensor(tmp_path: Path) -> None:
    write_state_dict(tmp_path / "w.safetensors", {"a": torch.tensor([1.0, float("nan")])})
    with pytest.raises(InvalidSourceError, match="'a' holds NaN"):
        read_state_dict(_source(tmp_path / "w.safetensors"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_weights_that_are_no_plain_file_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.safetensors")  # opening it would wait for a writer for ever
    with pytest.raises(InvalidSourceError, match="is a named pipe, not a file"):
        read_state_dict(_source(tmp_path / "w.safetensors", "0" * 64))
