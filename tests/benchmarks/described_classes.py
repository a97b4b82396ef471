"""Classes without texts, described by a sentence each: accuracy on the classes not learnt from.

    python -m tests.benchmarks.described_classes KIT [--draws N]

In a draw half of the classes are seen: their training texts are learnt from, and the training
texts of the others are named among the others, by sentences of ours about each class or by the
names of the classes. Prints a row for each data set, source and kind of description: per-class
top-1 in percent, a mean over draws, of naming one class always (majority), of the nearest
description by cosine, which learns nothing, of what the seen classes correct, and of ESZSL on the
same features. `docs/benchmarks/texts.md` has the table. Six penalties of the correction were
looked at, on the same draws.
Needs the kit's banking20, clinc15_open, minilm_l6 and wordllama_256; two cores, no GPU.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_images, open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.zero_shot import AttributePredictor
from autotransfer.results import ScenarioKind
from autotransfer_attribute_zero_shot import AttributeZeroShot
from autotransfer_attribute_zero_shot.described import CorrectedDescription, NearestDescription
from tests.benchmarks.texts import SOURCES, UNKNOWN

BANKING = {
    "atm_support": "Where can I withdraw cash, and which ATMs accept my card?",
    "automatic_top_up": "How to set up or change automatic top-up of my account.",
    "balance_not_updated_after_bank_transfer": (
        "I made a bank transfer and my balance has not changed."
    ),
    "balance_not_updated_after_cheque_or_cash_deposit": (
        "I deposited cash or a cheque and my balance has not been updated."
    ),
    "cancel_transfer": "I want to cancel or reverse a transfer that I made.",
    "card_acceptance": "Which shops and places accept my card for payment.",
    "card_arrival": "My new card has not arrived in the mail yet.",
    "card_not_working": "My card does not work any more.",
    "card_swallowed": "The cash machine kept my card and did not give it back.",
    "declined_card_payment": "My card payment was declined.",
    "declined_cash_withdrawal": "The cash machine refused to give me money.",
    "extra_charge_on_statement": "There is an extra fee on my statement that I do not recognise.",
    "getting_virtual_card": "How do I get a virtual card?",
    "pending_card_payment": "My card payment is still shown as pending.",
    "pin_blocked": "My PIN is blocked after too many wrong attempts.",
    "terminate_account": "I want to close my account.",
    "transfer_fee_charged": "I was charged a fee for a transfer.",
    "transfer_into_account": "How do I transfer money into my account?",
    "transfer_not_received_by_recipient": (
        "The person I sent money to has not received the transfer."
    ),
    "unable_to_verify_identity": "I cannot verify my identity in the app.",
}
CLINC = {
    "book_hotel": "Book a hotel room for me.",
    "change_accent": "Change your accent or voice.",
    "change_language": "Speak to me in another language.",
    "direct_deposit": "How do I set up direct deposit of my pay check?",
    "directions": "Give me directions to a place.",
    "find_phone": "Help me find my lost phone.",
    "gas_type": "Which type of fuel does my car need?",
    "ingredient_substitution": "Can I replace one ingredient of a recipe by another one?",
    "insurance_change": "I want to change my insurance policy.",
    "no": "The answer is no.",
    "restaurant_reviews": "Does this restaurant have good reviews?",
    "shopping_list_update": "Add something to my shopping list or remove it.",
    "smart_home": "Turn on a light or another device in my house.",
    "timer": "Set a timer for some minutes.",
    "who_made_you": "Who created or programmed you?",
}
DESCRIPTIONS = {"banking20": BANKING, "clinc15_open": CLINC}
METHODS: Mapping[str, Strategy] = {
    "nearest": NearestDescription(),
    "corrected": CorrectedDescription(),
    "eszsl": AttributeZeroShot(),
}


def of_draw(
    train: ImageSet, rows: NDArray[np.float64], source: Source, readers: FeatureReaders, draw: int
) -> dict[str, float]:
    """Return per-class top-1 of each method on the classes that a draw leaves out."""
    order = np.random.default_rng(draw).permutation(len(rows))
    unseen, seen = np.sort(order[: len(rows) // 2]), np.sort(order[len(rows) // 2 :])
    names = train.class_names
    table = Attributes(
        tuple(map(str, range(rows.shape[1]))),
        tuple(names[k] for k in (*seen, *unseen)),
        rows[[*seen, *unseen]],
        len(seen),
        describer=source.name,
        describer_key=source.fingerprint,
    )
    learnt = np.flatnonzero(np.isin(train.labels, seen))
    labels = np.searchsorted(seen, train.labels[learnt])
    task = Task(
        source=source,
        scenario=ScenarioKind.ZERO_SHOT,
        class_names=table.class_names,
        train=train.relabelled(learnt, labels, table.seen),
        features=readers[source],
        device=readers.device,
        load_backbone=lambda: load_backbone(source),
        attributes=table,
    )
    tested = train.subset(np.flatnonzero(np.isin(train.labels, unseen)))
    truth = np.searchsorted(unseen, tested.labels)
    found = {"majority": 100 / len(unseen)}
    for title, strategy in METHODS.items():
        trial = Trial(strategy.space(task.info).defaults(), _ignore, None, 0)
        predictor = strategy.fit(task, trial)
        assert isinstance(predictor, AttributePredictor)
        scores = predictor.scores(tested, task.features, table.values[table.num_seen :])
        right = scores.argmax(axis=1) == truth
        found[title] = 100 * float(np.mean([right[truth == k].mean() for k in range(len(unseen))]))
    return found


def _ignore(_progress: float, _predictor: object, /) -> None:
    """Take a report and do nothing."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    for data, said in DESCRIPTIONS.items():
        frame = pd.read_csv(given.kit / "data" / f"{data}.csv")
        train = open_target(frame[frame["split"] != UNKNOWN]).train
        kinds = {
            "sentences": [said[name] for name in train.class_names],
            "names": [name.replace("_", " ") for name in train.class_names],
        }
        for folder in SOURCES:
            source = source_of_folder(given.kit / "weights" / folder)
            for kind, texts in kinds.items():
                rows = readers[source](open_images(texts, modality=Modality.TEXT))
                every: defaultdict[str, list[float]] = defaultdict(list)
                for draw in range(given.draws):
                    found = of_draw(train, np.asarray(rows, float), source, readers, draw)
                    for title, value in found.items():
                        every[title].append(value)
                told = "  ".join(f"{title} {np.mean(v):.1f}" for title, v in every.items())
                print(f"{data} {folder} {kind}: {told}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
