from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.transferability.distances import domain_distance

CASES = (
    "g_n60_d128_c3_NltD",
    "relu_n60_d2048_c5_NltltD",
    "imb_n1000_d64_c10",
    "degenerate_n2000_d256_c20",
    "randlabel_n500_d100_c4",
    "f32_n800_d512_c10_offset",
    "duprows_n240_d200_c2",
    "digits_raw_n1797_d64_c10",
    "digits_pca16",
    "digits_conv_d256",
    "breast_n569_d30_c2",
)
REFERENCES = {
    "mmd": "mmd2_unbiased_median",
    "mk-mmd": "mkmmd_tllib",
    "js-divergence": "js_hist32_log2_mean",
    "proxy-a-distance": "pad_logreg5",
    "coral": "coral_4d2",
    "frechet": "frechet_nuclear",
    "energy": "energy_distance",
    "sliced-wasserstein": "sliced_w2_pot64_seed0",
}


@cache
def found(folder: Path, case: str) -> dict[str, float]:
    with np.load(folder / f"{case}.npz") as arrays:
        left, right = arrays["X"][:400], arrays["X2"][:200]
    return domain_distance(left, right)


@cache
def expected(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return values


@pytest.mark.kit
@pytest.mark.parametrize("measure", REFERENCES)
@pytest.mark.parametrize("case", CASES)
def test_distances_equal_the_reference(kit: Path, case: str, measure: str) -> None:
    values = expected(kit / "oracles")[case]["scores"]
    key = REFERENCES[measure]
    if key not in values:
        pytest.skip(f"the kit has no {key} for {case}")
    value = found(kit / "oracles", case)[measure]
    assert value == pytest.approx(values[key]["value"], rel=1e-6, abs=1e-9)
