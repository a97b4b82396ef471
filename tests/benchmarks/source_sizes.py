"""What the default sources cost: megabytes and multiply-adds of the networks that timm makes.

    python -m tests.benchmarks.source_sizes

writes `autotransfer/models/catalogue/default_sizes.json` and the table of
`docs/howto/default-sources.md`. Neither weights nor a forward pass are needed: the networks are
made on the device `meta`, where tensors have shapes and no values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from autotransfer.models.catalogue.default_sets import (
    DEFAULT_SETS,
    SIZES_FILE,
    Size,
    measured_sizes,
)
from autotransfer.models.catalogue.timm_names import timm_source
from autotransfer.models.source import HubWeights, Source

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "default-sources.md"
BEGIN, END = "<!-- written by tests/benchmarks/source_sizes.py -->", "<!-- end -->"


def measure(source: Source) -> Size:
    """Return the size of a source's network, the whole of it with its head if it has one."""
    assert isinstance(source.weights, HubWeights)
    with torch.device("meta"):
        network = timm.create_model(source.weights.tag, pretrained=False, **source.kwargs)
    network.eval().requires_grad_(requires_grad=False)
    side = source.preprocessing.input_size
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, source.num_channels, side, side, device="meta"))
    nbytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    return Size(round(nbytes / 1e6, 1), round(counter.get_total_flops() / 2e9, 2))


def write_sizes(path: Path = SIZES_FILE) -> None:
    """Measure all default sources and write their sizes, with the versions that made them."""
    names = [name for names in DEFAULT_SETS.values() for name in names]
    found = {name: vars(measure(timm_source(name))) for name in names}
    versions = {"timm": timm.__version__, "torch": torch.__version__.partition("+")[0]}
    path.write_text(json.dumps({**versions, "sources": found}, indent=2) + "\n", encoding="utf-8")


def table(sizes: Mapping[str, Size]) -> str:
    """Return the default sources, one a line, as they stand in the manual."""
    lines = [
        "| set | source | pixels | trained on | licence | MB | GMAC |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, names in DEFAULT_SETS.items():
        for name in names:
            source, size = timm_source(name), sizes[name]
            lines.append(
                f"| {title} | `{name}` | {source.preprocessing.input_size} | "
                f"{source.pretrained_on} | {source.license} | {size.megabytes:.1f} | "
                f"{size.gmacs:.2f} |"
            )
    return "\n".join(lines)


def with_table(page: str, sizes: Mapping[str, Size]) -> str:
    """Return a page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(sizes)}\n\n{END}{after}"


if __name__ == "__main__":
    write_sizes()
    PAGE.write_text(
        with_table(PAGE.read_text(encoding="utf-8"), measured_sizes()), encoding="utf-8"
    )
