"""A network that reads samples behind the face of `Backbone`: stages and their features.

Each layer is a stage, the mean and the standard deviation over time beside each other. The
network's own embedding, where it has one, is the stage before the last.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.images.views import PLAIN, View
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.sounds.reading import sounds_of
from autotransfer.data.sounds.views import masked, varied
from autotransfer.models.backbone import StageFeatures
from autotransfer.models.source import Source
from autotransfer.models.stages import Stage
from autotransfer.models.whole_backbone import WholeBackbone

_SAMPLE_SECONDS = 0.3
_LEAST = 1e-12  # variance: the root of zero has no slope


class Heard(NamedTuple):
    """What a network makes of sounds.

    Args:
        layers: (b, f, d) states of each layer, the last one last.
        frames: (b,) frames of each sound; those after them are there to fill up.
        embedding: (b, d) the network's own embedding; None where it has none.
    """

    layers: list[Tensor]
    frames: Tensor
    embedding: Tensor | None = None


class SoundBackbone(WholeBackbone):
    """A source's network for sounds; its input is (b, 2, t) samples with a mask.

    Args:
        source: What the network was made from.
        network: Called with (b, t) samples and (b,) lengths, it returns `Heard`. What it says of
            a sound must not depend on the silence that fills it up.
    """

    def __init__(self, source: Source, network: nn.Module) -> None:
        assert isinstance(source.preprocessing, SoundPreprocessing)
        self._preprocessing = source.preprocessing
        super().__init__(source, network)

    @override
    def found_stages(self) -> tuple[Stage, ...]:
        """Return a stage for each layer, and the embedding before the last."""
        self.network.eval()
        with torch.no_grad():
            heard = _checked(self._heard(self.sample()))
            widths = [part.shape[1] for part in _pooled(heard)]
        names = [f"layer-{i + 1}" for i in range(len(heard.layers))]
        if heard.embedding is not None:
            names.insert(len(names) - 1, "embedding")
        return tuple(map(Stage, names, widths))

    @override
    def prepared(self, items: ImageSet, view: View = PLAIN) -> Tensor:
        """Return what the network reads of sounds: (b, c, t), the mask in the last row."""
        x = read_waves(items, self._preprocessing, view).to(self.device)
        return masked(self.ready(x), items.digests, view)

    def ready(self, x: Tensor) -> Tensor:
        """Return what the network reads of (b, 2, t) samples with their mask: just that."""
        return x

    @override
    def features(self, x: Tensor) -> StageFeatures:
        return StageFeatures(_pooled(self._heard(x)), None)

    @override
    def sample(self, size: int = 2) -> Tensor:
        """Return noise of two lengths, always the same."""
        count = round(_SAMPLE_SECONDS * self._preprocessing.sample_rate)
        generator = torch.Generator().manual_seed(0)
        waves = 0.1 * torch.randn(size, count, generator=generator)
        mask = torch.ones(size, count)
        mask[1:, count * 2 // 3 :] = 0
        return self.ready(torch.stack([waves * mask, mask], dim=1).to(self.device))

    def _heard(self, x: Tensor) -> Heard:
        found: Heard = self.network(x[:, 0], x[:, 1].sum(dim=1).long())
        return found


def read_waves(items: ImageSet, wanted: SoundPreprocessing, view: View = PLAIN) -> Tensor:
    """Return the (b, 2, t) samples of sounds, and a mask that is 1 where there is one.

    Args:
        items: Sounds.
        wanted: At which rate, and how long.
        view: How they are changed.
    """
    digests = items.digests

    def one(position: int) -> Tensor:
        sound = sounds_of(items.subset([position]))[0]
        samples = sound.at(wanted.sample_rate, wanted.max_seconds)
        wave = torch.from_numpy(varied(samples, digests[position], view))
        return torch.stack([wave, torch.ones_like(wave)], dim=1)

    rows = in_threads(one, range(len(items)))
    return pad_sequence(rows, batch_first=True).transpose(1, 2)


def _checked(found: object) -> Heard:
    """Return what a network made of sounds, if it is that.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(found, Heard) or not found.layers:
        raise TypeError(f"its network returned a {type(found).__name__}, not Heard with layers")
    frames = int(found.frames.max())
    short = [states.shape[1] for states in found.layers if states.shape[1] < frames]
    if short:
        raise TypeError(f"its network told of {frames} frames and returned states of {short[0]}")
    return found


def frame_mask(count: int, frames: Tensor) -> Tensor:
    """Return (b, count): 1 for the first frames of each, as many as there are, 0 for the rest."""
    return (torch.arange(count, device=frames.device) < frames[:, None]).float()


def masked_mean_and_std(states: Tensor, mask: Tensor) -> Tensor:
    """Return (b, 2 d): mean and standard deviation over the frames that are there.

    Args:
        states: (b, f, d).
        mask: (b, f) 1 where a frame is there.
    """
    weights = mask.unsqueeze(2)
    count = weights.sum(1).clamp(min=1)
    mean = (states * weights).sum(1) / count
    variance = ((states - mean.unsqueeze(1)).square() * weights).sum(1) / count
    return torch.cat([mean, variance.clamp(min=_LEAST).sqrt()], dim=1)


def _pooled(found: Heard) -> list[Tensor]:
    masks = [frame_mask(x.shape[1], found.frames).to(x.dtype) for x in found.layers]
    rows = list(map(masked_mean_and_std, found.layers, masks))
    if found.embedding is not None:
        rows.insert(len(rows) - 1, found.embedding)
    return rows
