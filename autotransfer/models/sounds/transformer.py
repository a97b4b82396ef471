"""Encoders of `transformers` for sounds as sources: stages, their features, and the cut."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.backbone import Backbone, StageFeatures
from autotransfer.models.cutting import Suffix
from autotransfer.models.network_size import LimitedNetwork
from autotransfer.models.sounds.backbone import SoundBackbone
from autotransfer.models.sounds.encoder import LAYER, SoundEncoder
from autotransfer.models.sounds.kinds import INSTALL, KINDS, Kind
from autotransfer.models.source import Source, Untrained
from autotransfer.models.stages import Stage
from autotransfer.models.texts.backbone import with_mask
from autotransfer.models.texts.tokens import needed
from autotransfer.models.texts.transformer import arguments_of, load_tensors
from autotransfer.models.weights import read_state_dict


class SoundTransformer(SoundBackbone):
    """An encoder of sounds: what stands before its layers, groups of them, and the last one.

    What comes out of a stage is (b, f, d + 1): the state of every frame, and the mask as one more
    column.

    Args:
        source: What the network was made from.
        network: The encoder.
        front: Makes what it reads of (b, 2, t) samples with their mask.
    """

    def __init__(self, source: Source, network: SoundEncoder, front: nn.Module) -> None:
        super().__init__(source, network)
        self.front = front

    @property
    def encoder(self) -> SoundEncoder:
        """Return the network."""
        assert isinstance(self.network, SoundEncoder)
        return self.network

    @override
    def found_stages(self) -> tuple[Stage, ...]:
        """Return the stages; their depth is in their name."""
        encoder, last = self.encoder, self.encoder.ends[-1]
        return tuple(
            Stage(f"{LAYER}{depth}", encoder.pooled_width(last=depth == last))
            for depth in encoder.ends
        )

    @override
    def ready(self, x: Tensor) -> Tensor:
        found: Tensor = self.front(x)
        return found

    @override
    def features(self, x: Tensor) -> StageFeatures:
        encoder, last = self.encoder, self.encoder.ends[-1]
        states, mask = encoder.states(x)
        pooled = [encoder.pooled(states[d], mask, last=d == last) for d in encoder.ends]
        return StageFeatures(pooled, None)

    @override
    def activations(self, x: Tensor, stage: int) -> Tensor:
        if stage == 0:
            return x
        depth = self.encoder.ends[stage - 1]
        states, mask = self.encoder.states(x, most=depth)
        return with_mask(states[depth], mask)

    @override
    def own_part(self, row: Tensor) -> Tensor:
        if self.encoder.fixed or row.ndim < 2 or row.shape[1] != self.encoder.width + 1:
            return row.clone()
        return row[: int(row[:, -1].sum())].clone()

    @override
    def suffix(self, stage: int) -> nn.Module:
        """Return a copy of the layers after a stage, of stage 0 the whole; its parameters learn.

        Raises:
            CutError: If nothing comes after the stage, or the two halves differ from the whole.
        """
        if stage == 0:
            return Suffix(copy.deepcopy(self.encoder), operator.call)
        if stage >= self.num_stages:
            self.refuse_cut(stage)
        return self.after(self.encoder.ends[stage - 1], stage)

    def after(self, depth: int, stage: int = 0) -> nn.Module:
        """Return a copy of the layers after so many of them; see `activations` for its input.

        Args:
            depth: 0 keeps all layers and leaves out what stands before them.
            stage: Named in an error.

        Raises:
            CutError: If the two halves differ from the whole.
        """

        def halves(x: Tensor) -> tuple[nn.Module, Tensor]:
            states, mask = self.encoder.states(x, most=depth)
            return Suffix(self.encoder.after(depth), _later), with_mask(states[depth], mask)

        return self.checked_suffix(stage, halves)


def _later(network: nn.Module, z: Tensor) -> Tensor:
    """Return the (b, w) features of (b, f, d + 1) states with their mask, by the later layers."""
    assert isinstance(network, SoundEncoder)
    hidden, mask = z[:, :, :-1], z[:, :, -1]
    return network.pooled(network.later(hidden, mask)[-1], mask, last=True)


def build(source: Source, *, pretrained: bool) -> Backbone:
    """Return the encoder of a source, its weights as 32-bit numbers.

    Raises:
        InvalidSourceError: If transformers is missing, or the configuration or the weights
            cannot be used.
    """
    name = source.architecture.partition("/")[2]
    kind = KINDS.get(name)
    if kind is None or not isinstance(source.preprocessing, SoundPreprocessing):
        raise InvalidSourceError(
            f"source {source.name!r}: {name!r} is no encoder of sounds that can be read; there "
            f"are {', '.join(KINDS)}"
        )
    state = read_state_dict(source) if pretrained else None
    seed = source.weights.seed if isinstance(source.weights, Untrained) else 0
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments that a later version has renamed
        torch.manual_seed(seed)
        model, front = _made(source, name, kind, state)
    if state is not None:
        load_tensors(model, _named(state, model, kind), source, kind.prefixes)
    network = kind.encoder(model).requires_grad_(requires_grad=False)
    return SoundTransformer(source, network, front).eval()


def _made(
    source: Source, name: str, kind: Kind, state: Mapping[str, Tensor] | None
) -> tuple[nn.Module, nn.Module]:
    found = needed("transformers", INSTALL)
    where = f"source {source.name!r}: {name} as in its config.json"
    with refused_as(InvalidSourceError, f"{where} cannot be made"):
        config = found.CONFIG_MAPPING[name](**arguments_of(source.kwargs["config"]))
        with LimitedNetwork(where, state):
            model = kind.made(found, config)
        rate = source.preprocessing.sample_rate
        return model, kind.front(source.kwargs["reading"], rate)


def _named(state: Mapping[str, Tensor], model: nn.Module, kind: Kind) -> dict[str, Tensor]:
    """Return tensors by the names that the installed library gives them."""
    wanted = model.state_dict()

    def known(name: str) -> bool:
        return any(name.removeprefix(prefix) in wanted for prefix in kind.prefixes)

    return {name if known(name) else kind.name_now(name): tensor for name, tensor in state.items()}
