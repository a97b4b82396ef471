"""Python, torch and the packages beside it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys

import torch
import torchvision

from autotransfer.cli.checks.finding import Finding

OLDEST_PYTHON = (3, 11)
# extra: its modules, and what it is for
EXTRAS = {
    "labels": (("cleanlab",), "the section on wrong labels in the report"),
    "onnx": (("onnx", "onnxruntime", "onnxscript"), "autotransfer export"),
    "ray": (("ray",), "fit --executor ray"),
    "text": (("tokenizers", "transformers"), "targets of texts"),
    "sound": (("soundfile", "soxr", "transformers"), "targets of sounds"),
    "postgresql": (("psycopg",), "fit --storage postgresql://..."),
}


def look_at_python() -> Finding:
    """Return whether this Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("python", "ok", version)
    remedy = f"make an environment with Python {'.'.join(map(str, OLDEST_PYTHON))} or newer"
    return Finding("python", "wrong", version, remedy)


def look_at_torchvision() -> Finding:
    """Return whether torchvision is the one that was built for this torch, and works."""
    installed, vision = _plain(torch.__version__), _plain(torchvision.__version__)
    found = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    wanted = _wanted_torch()
    if wanted is not None and wanted != installed:
        pair = f"'torch=={wanted}' 'torchvision=={vision}'"
        remedy = f"install the pair that belongs together: pip install {pair}"
        return Finding("torch", "wrong", f"{found}, which was built for torch {wanted}", remedy)
    try:
        torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except (RuntimeError, AttributeError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        problem = f"{found}; its compiled part does not load ({reason})"
        remedy = "install torch and torchvision again in one command, from the same index"
        return Finding("torch", "wrong", problem, remedy)
    return Finding("torch", "ok", found)


def _wanted_torch() -> str | None:
    """Return the version of torch that torchvision says it needs, if it says one."""
    for text in importlib.metadata.requires("torchvision") or ():
        named = re.fullmatch(r"torch\s*\(?==\s*([0-9.]+)\)?", text.split(";")[0].strip())
        if named is not None:
            return named.group(1)
    return None


def look_at_cuda() -> Finding:
    """Return which accelerator torch can use."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", f"CUDA {torch.version.cuda}: {', '.join(names)}")
    if shutil.which("nvidia-smi") is None:
        return Finding("gpu", "ok", "none; everything runs on the processor")
    if torch.version.cuda is None:
        remedy = "this torch was built without CUDA: install one with it, or use --device cpu"
    else:
        remedy = (
            f"torch was built for CUDA {torch.version.cuda}: update the driver, or install a "
            "torch for an older CUDA (nvidia-smi names the newest that the driver takes)"
        )
    return Finding("gpu", "wrong", "there is a GPU, but torch cannot use it", remedy)


def look_at_threads() -> Finding:
    """Return whether as many threads compute as there are cores to do so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    found = f"{threads} thread(s) on {cores} core(s)"
    if cores is not None and threads > cores:
        remedy = f"they hinder each other: set OMP_NUM_THREADS={cores}"
        return Finding("threads", "note", found, remedy)
    return Finding("threads", "ok", found)


def look_at_extras() -> list[Finding]:
    """Return which optional parts are installed; one that is not is no fault."""
    found = []
    for extra, (modules, purpose) in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            remedy = f"only for {purpose}: pip install 'autotransfer[{extra}]'"
            found.append(Finding(extra, "ok", f"not installed ({', '.join(missing)})", remedy))
        else:
            found.append(Finding(extra, "ok", "installed"))
    return found


def _plain(version: str) -> str:
    return version.partition("+")[0]
