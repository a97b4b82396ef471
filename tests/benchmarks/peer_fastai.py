"""fastai, a peer of the scoreboard: `python peer_fastai.py ORDER ANSWER` in fastai's environment.

What its documentation shows first: images resized to the network's size, its standard
augmentations, its own head on concatenated pooling, and `fine_tune`: one epoch of the head alone,
then all layers, with its one-cycle schedule and standard learning rates. ORDER is a JSON file
that `against_peers.py` writes, ANSWER the JSON file that it reads. Imports nothing of the package.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import timm
import torch
from fastai.vision.all import (
    CategoryBlock,
    ColReader,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    Learner,
    Normalize,
    Resize,
    aug_transforms,
    set_seed,
)
from fastai.vision.learner import TimmBody, add_head, default_split
from pandas import DataFrame
from safetensors.torch import load_file

LARGEST_BATCH = 16


def main() -> None:
    """Train, predict, and write the classes."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    set_seed(order["seed"], reproducible=True)
    described = order["network"]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=sorted(set(order["labels"])))),
        get_x=ColReader("image"),
        get_y=ColReader("label"),
        splitter=IndexSplitter([]),
        item_tfms=Resize(described["input_size"]),
        batch_tfms=[
            *aug_transforms(),
            Normalize.from_stats(described["mean"], described["std"]),
        ],
    )
    table = DataFrame({"image": order["images"], "label": order["labels"]})
    batch = min(LARGEST_BATCH, len(table))
    loaders = block.dataloaders(table, bs=batch, num_workers=0, device=torch.device("cpu"))
    learner = Learner(loaders, _with_head(described, len(loaders.vocab)), splitter=default_split)
    learner.freeze()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(order["epochs"])
        given = loaders.test_dl(order["tested"])
        probabilities, _ = learner.get_preds(dl=given)
    classes = [int(loaders.vocab[i]) for i in probabilities.argmax(dim=1)]
    Path(sys.argv[2]).write_text(json.dumps({"predicted": classes}), encoding="utf-8")


def _with_head(described: dict[str, Any], num_classes: int) -> Any:
    """Return what `vision_learner` makes of a timm network, of these weights."""
    network = timm.create_model(described["architecture"], **described["kwargs"])
    weights = {name: tensor.float() for name, tensor in load_file(described["weights"]).items()}
    network.load_state_dict(weights)
    return add_head(TimmBody(network), network.num_features, num_classes)


if __name__ == "__main__":
    main()
