"""Tiny texts, and tiny sources of texts with random weights in folders: no network, no kit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.texts.listing import read_texts
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Task
from autotransfer.results import ScenarioKind

TOPICS = {
    "money": ["bank", "card", "pay", "loan", "cash", "fee", "price", "coin"],
    "music": ["song", "drum", "tune", "band", "note", "beat", "choir", "flute"],
    "sport": ["ball", "goal", "team", "race", "run", "swim", "score", "match"],
}
FILLER = ["the", "a", "my", "is", "was", "one", "that", "has", "it", "not", "very", "some"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *FILLER, *(w for ws in TOPICS.values() for w in ws)]
WIDTH, LAYERS = 16, 3


def sentences(per_class: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return sentences of three topics, each with two words of its topic, and the topics."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for topic, own in TOPICS.items():
        for _ in range(per_class):
            words = [*rng.choice(own, 2, replace=False), *rng.choice(FILLER, rng.integers(3, 7))]
            texts.append(" ".join(rng.permutation(words)))
            labels.append(topic)
    return texts, labels


def text_set(per_class: int, seed: int = 0) -> ImageSet:
    """Return the same as a labelled set."""
    texts, labels = sentences(per_class, seed)
    listing = read_texts(texts, labels)
    numbers = [listing.class_names.index(label) for label in labels]
    return ImageSet(listing.reader, np.arange(len(texts)), numbers, listing.class_names)


def write_tokenizer(folder: Path, *, masks: bool = False) -> None:
    """Write a tokenizer that knows the words above and puts marks around a text.

    Args:
        folder: Where.
        masks: Whether it has a token for masked ones, the last of all.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate([*WORDS, *(["[MASK]"] if masks else [])])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a word
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))


def write_table(folder: Path) -> Path:
    """Write a static embedding in which words of one topic lie together."""
    write_tokenizer(folder)
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(len(WORDS), WIDTH))
    for own in TOPICS.values():
        rows[[WORDS.index(word) for word in own]] += 4 * rng.normal(size=WIDTH)
    table = torch.from_numpy(rows.astype(np.float32))
    save_file({"embedding.weight": table}, folder / "model.safetensors")
    return folder


def config_of(kind: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a small encoder of a kind."""
    own: dict[str, Any] = {
        "vocab_size": len(WORDS),
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
    if kind == "distilbert":
        own = {
            "vocab_size": len(WORDS),
            "dim": WIDTH,
            "n_layers": LAYERS,
            "n_heads": 2,
            "hidden_dim": 32,
            "max_position_embeddings": 64,
            "pad_token_id": 0,
        }
    if kind == "modernbert":
        own |= {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    return {"model_type": kind, **own, **more}


def write_encoder(
    folder: Path, kind: str = "bert", seed: int = 0, *, masks: bool = False, **more: Any
) -> Path:
    """Write an encoder with random weights, as `save_pretrained` lays it out.

    Args:
        folder: Where.
        kind: Of the encoder.
        seed: Of its weights.
        masks: Whether its tokenizer has a token for masked ones.
        more: Changes of the configuration.
    """
    import transformers

    write_tokenizer(folder, masks=masks)
    config = config_of(kind, **more)
    config["vocab_size"] += masks
    own = {key: value for key, value in config.items() if key != "model_type"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(transformers.CONFIG_MAPPING[kind](**own))
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return folder


def task_on(source: Source, per_class: int = 6) -> Task:
    """Return a labelled task of three topics on a source of texts."""
    cpu, train = torch.device("cpu"), text_set(per_class)
    return Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=train.class_names,
        train=train,
        features=FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, cpu)[source],
        device=cpu,
        load_backbone=lambda: load_backbone(source),
    )
