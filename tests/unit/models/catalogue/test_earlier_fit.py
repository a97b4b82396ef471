from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.errors import InvalidSourceError, NoCandidateError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.catalogue.earlier_fit import source_of_selection
from autotransfer.models.heads import LinearHead
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.models.predictors.ensemble import EnsemblePredictor, Member
from autotransfer.models.predictors.neural import HeadedSuffix, HeadPredictor, NetworkPredictor
from autotransfer.models.source import Source
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.results import Layers
from autotransfer.search.checkpoint import Checkpoint, write_checkpoint
from autotransfer_fusion.predictor import FusedProbe, FusionPredictor

CLASSES = ("ant", "bee", "fly")


def tuned(source: Source, frozen: int = 2) -> NetworkPredictor:
    """Return a network whose layers after the cut were moved."""
    backbone = load_backbone(source)
    network = HeadedSuffix(backbone.suffix(frozen), backbone.num_features, 3).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    layers = Layers(backbone.num_stages, backbone.num_stages, backbone.num_stages - frozen)
    return NetworkPredictor.of(network, source, frozen=frozen, layers=layers)


def saved(folder: Path, kept: Checkpoint) -> Path:
    write_checkpoint(folder, kept)
    record: dict[str, Any] = {"name": "insects-1", "class_names": CLASSES}
    (folder / "selection.json").write_text(json.dumps(record))
    return folder


def test_a_tuned_network_is_a_source_with_its_layers_its_head_and_what_it_has_seen(
    tmp_path: Path,
) -> None:
    source = replace(tiny_source(), seen=("first",), license="cc-by-nc-4.0")
    predictor = tuned(source)
    kept = Checkpoint(predictor, "fine-tune", baseline=False, source=source, seen=("second",))
    found = source_of_selection(saved(tmp_path / "insects-1", kept))
    assert found.name == "insects-1"
    assert found.class_names == CLASSES
    assert found.seen == ("first", "second")
    assert found.pretrained_on.endswith("then insects-1")
    assert found.license == "cc-by-nc-4.0"  # it goes on with the tuned weights
    with pytest.raises(NoCandidateError, match="cc-by-nc"):
        resolve_sources(found, license="permissive")
    again = load_backbone(found)
    x = again.sample(2)
    with torch.no_grad():
        z = load_backbone(source).activations(x, predictor.frozen)
        expected = predictor.network(z).softmax(dim=1)
        probabilities = again.features(x).probabilities
    assert probabilities is not None
    torch.testing.assert_close(probabilities, expected, atol=1e-5, rtol=1e-4)


def test_a_frozen_network_stays_what_it_was(tmp_path: Path) -> None:
    source = tiny_source()
    width = load_backbone(source).num_features
    head = LinearHead(np.zeros((3, width)), np.zeros(3))
    kept = Checkpoint(
        HeadPredictor(head, 4), "feature-extraction", baseline=False, source=source, seen=("a",)
    )
    found = resolve_sources(str(saved(tmp_path / "probe", kept))).sources[0]
    assert found.fingerprint == source.fingerprint
    assert found.name == "probe"
    assert found.seen == ()  # nothing of the network has learnt from them


def test_of_an_ensemble_the_member_with_the_greatest_weight_is_taken(tmp_path: Path) -> None:
    first, second = tiny_source("one"), tiny_source("two", seed=1)
    members = tuple(
        Member("fine-tune", source, weight, tuned(source))
        for source, weight in ((first, 1), (second, 2))
    )
    kept = Checkpoint(EnsemblePredictor(members), "ensemble", baseline=False, source=first)
    found = load_backbone(source_of_selection(saved(tmp_path / "both", kept)))
    frozen = load_backbone(second).network.state_dict()
    name = next(key for key in frozen if "layer1" in key and key.endswith("weight"))
    assert torch.equal(found.network.state_dict()[name], frozen[name])


def _fused(*shares: tuple[Source, float]) -> FusionPredictor:
    """Return probes that read the last stage of their sources."""
    probe = HeadPredictor(LinearHead(np.zeros((3, 512)), np.zeros(3)), 4)
    return FusionPredictor(tuple(FusedProbe(source, probe, weight) for source, weight in shares))


def test_of_a_mixture_the_source_with_the_greatest_weight_stays_what_it_was(
    tmp_path: Path,
) -> None:
    first, second, third = (tiny_source(name, seed=seed) for seed, name in enumerate("abc"))
    predictor = _fused((first, 0.2), (second, 0.3), (third, 0.5))
    kept = Checkpoint(predictor, "mixture-of-probes", baseline=False, source=first, seen=("x",))
    found = source_of_selection(saved(tmp_path / "mixture", kept))
    assert found.fingerprint == third.fingerprint
    assert "whose network stayed frozen" in found.origin
    assert found.seen == ()


@pytest.mark.parametrize(("weight", "wanted"), [(0.3, "tuned"), (0.2, "third")])
def test_beside_a_mixture_a_tuned_network_counts_as_much_as_each_single_source(
    tmp_path: Path, weight: float, wanted: str
) -> None:
    # the third source has three tenths of the mixture's share: .21 of .7, or .24 of .8
    names = ("first", "second", "third", "fourth")
    sources = {name: tiny_source(name, seed=seed) for seed, name in enumerate(names)}
    shares = zip(sources.values(), (0.25, 0.2, 0.3, 0.25), strict=True)
    members = (
        Member("mixture-of-probes", sources["first"], 1 - weight, _fused(*shares)),
        Member("fine-tune", sources["second"], weight, tuned(sources["second"])),
    )
    kept = Checkpoint(
        EnsemblePredictor(members), "ensemble", baseline=False, source=sources["first"]
    )
    found = source_of_selection(saved(tmp_path / "both", kept))
    if wanted == "tuned":
        assert found.pretrained_on.endswith("then insects-1")
    else:
        assert found.fingerprint == sources["third"].fingerprint


def test_a_selection_without_a_network_is_refused(tmp_path: Path) -> None:
    kept = Checkpoint(MajorityPredictor(np.ones(3) / 3), "majority", baseline=True, source=None)
    with pytest.raises(InvalidSourceError, match="'majority', which has no network"):
        source_of_selection(saved(tmp_path / "none", kept))


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "predictor.json").write_text("{")
    with pytest.raises(InvalidSourceError, match="cannot be read"):
        source_of_selection(tmp_path)
