"""A sentence about each of the twenty animals of the kit's awa_cifar100."""

from __future__ import annotations

import csv
from pathlib import Path

ANIMALS = {
    "beaver": "A brown rodent with a flat tail that swims and builds dams of wood.",
    "chimpanzee": "A dark ape that climbs trees in the forest and has hands.",
    "cow": "A large farm animal with hooves that eats grass on a meadow.",
    "dolphin": "A smooth grey sea mammal that leaps out of the blue water.",
    "elephant": "A huge grey animal with a trunk and tusks on the savanna.",
    "fox": "A red-brown wild dog with a bushy tail and pointed ears.",
    "grizzly+bear": "A large brown bear with thick fur and claws.",
    "hamster": "A small round furry pet with short legs that eats seeds.",
    "humpback+whale": "A huge dark whale with flippers in the blue ocean.",
    "leopard": "A big wild cat with yellow fur and black spots.",
    "lion": "A big yellow-brown wild cat with a mane on the savanna.",
    "mouse": "A tiny grey rodent with round ears and a thin tail.",
    "otter": "A brown furry animal that swims in rivers and eats fish.",
    "rabbit": "A small furry animal with long ears that hops on grass.",
    "raccoon": "A grey furry animal with a black mask and a striped tail.",
    "seal": "A smooth sea animal with flippers that lies on ice and rocks.",
    "skunk": "A small black animal with white stripes and a bad smell.",
    "squirrel": "A small rodent with a bushy tail that climbs trees and eats nuts.",
    "tiger": "A big wild cat with orange fur and black stripes.",
    "wolf": "A grey wild dog that hunts in packs in the forest.",
}


def write_animals(path: Path) -> Path:
    """Write the sentences as a table of classes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["class", "description"])
        rows.writerows(ANIMALS.items())
    return path
