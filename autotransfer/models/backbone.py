"""A timm network behind one face: stages, features of all stages, and the layers after a cut.

Stage 0 is the input; the last stage gives the pooled features that a classifier would read.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.images.views import PLAIN, View
from autotransfer.data.untrusted_files import reason, refused_as
from autotransfer.errors import CutError, InvalidSourceError, UndefinedScoreError
from autotransfer.models.architecture import check_arguments
from autotransfer.models.builders import BackboneBuilder, builder_of
from autotransfer.models.cutting import cut_after
from autotransfer.models.hub import cached_only_when_unreachable
from autotransfer.models.network_size import LimitedNetwork
from autotransfer.models.small_cnn import SMALL_NETWORK
from autotransfer.models.source import HubWeights, Source, Untrained
from autotransfer.models.stages import Stage, captured, find_stages, pool
from autotransfer.models.timm_models import is_timm_model, timm_models
from autotransfer.models.timm_outputs import num_source_classes, pooled_and_logits, pooled_output
from autotransfer.models.weights import hub_error, load_weights, read_state_dict

_making = threading.RLock()  # the generator that draws weights is one for all threads


@dataclass(frozen=True)
class StageFeatures:
    """What one forward pass yields.

    Args:
        pooled: The (b, d_s) pooled features of stages 1..S.
        probabilities: The (b, Z) output of the source's own head, None without one.
    """

    pooled: list[Tensor]
    probabilities: Tensor | None


class _StopForwardError(Exception):
    """Ends a forward pass once the stage that was asked for has run."""


class Backbone(nn.Module):
    """A source's network.

    Args:
        source: What the network was made from.
    """

    def __init__(self, source: Source, network: nn.Module) -> None:
        super().__init__()
        self.source = source
        self.network = network
        self.num_source_classes = num_source_classes(network)
        self.stages = self.found_stages()

    def found_stages(self) -> tuple[Stage, ...]:
        """Return the stages of the network."""
        return find_stages(self.network, self.sample(), self)

    def prepared(self, items: ImageSet, view: View = PLAIN) -> Tensor:
        """Return the input of the network for items that are no images.

        Args:
            items: Of the modality of the source.
            view: How they are changed before.

        Raises:
            TypeError: If this is a network for images; their pixels are kept elsewhere.
        """
        raise TypeError(f"{self.source.name} reads {items.modality.plural} as pixels, {view.kind}")

    @property
    def num_stages(self) -> int:
        """Return the number S of stages."""
        return len(self.stages)

    @property
    def num_features(self) -> int:
        """Return the width d of the last stage."""
        return self.stages[-1].num_features

    @property
    def has_head(self) -> bool:
        """Return whether the source has a classifier of its own."""
        return self.num_source_classes > 0

    @property
    def device(self) -> torch.device:
        """Return where the network computes."""
        found = next(self.parameters(), None)
        return torch.device("cpu") if found is None else found.device

    @property
    def megabytes(self) -> float:
        """Return the size of parameters and buffers, 1e6 bytes."""
        tensors = [*self.parameters(), *self.buffers()]
        return sum(tensor.nbytes for tensor in tensors) / 1e6

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Return the (b, d) pooled features of the last stage of standardised images."""
        return pooled_output(self.network, x)

    def features(self, x: Tensor) -> StageFeatures:
        """Return the pooled features of every stage, and the head's output, from one pass."""
        names = [stage.module for stage in self.stages if not stage.pooled]
        with captured(self.network, names) as found:
            if self.has_head:
                last, logits = pooled_and_logits(self.network, x)
            else:
                last, logits = self(x), None
        pooled = [
            last if stage.pooled else pool(found[stage.module], stage.num_features)
            for stage in self.stages
        ]
        return StageFeatures(pooled, None if logits is None else logits.softmax(dim=1))

    def activations(self, x: Tensor, stage: int) -> Tensor:
        """Return the raw output of a stage; the pass stops there. Stage 0 returns x."""
        if stage == 0:
            return x
        module = self.network.get_submodule(self._module_of(stage))
        found: list[Tensor] = []

        def stop(_module: nn.Module, _args: Any, output: Tensor) -> None:
            found.append(output)
            raise _StopForwardError

        handle = module.register_forward_hook(stop)
        try:
            self(x)
        except _StopForwardError:
            pass
        finally:
            handle.remove()
        return found[0]

    def own_part(self, row: Tensor) -> Tensor:
        """Return a copy of one row of `activations` without what fills it up in its batch."""
        return row.clone()

    def suffix(self, stage: int) -> nn.Module:
        """Return a copy of the layers after a stage: raw stage output to (b, d).

        Raises:
            CutError: If the network cannot be cut there; stage 0, the whole network, always can.
        """
        if stage == 0:
            return cut_after(self.network, None, self.sample(), pooled_output)
        module = self._module_of(stage)
        self.eval()
        return self.checked_suffix(
            stage,
            lambda x: (
                cut_after(self.network, module, x, pooled_output),
                self.activations(x, stage),
            ),
        )

    def checked_suffix(
        self, stage: int, halves: Callable[[Tensor], tuple[nn.Module, Tensor]]
    ) -> nn.Module:
        """Return the layers after a cut, once they have been compared with the whole on numbers.

        Args:
            stage: Named in an error.
            halves: Returns the layers after the cut, and what the others make of a sample.

        Raises:
            CutError: If they cannot be made, or differ from the whole.
        """
        sample = self.sample()
        try:
            with torch.no_grad():
                suffix, z = halves(sample)
                same = torch.allclose(suffix.eval()(z), self(sample), atol=1e-5, rtol=1e-4)
        except Exception as error:
            raise CutError(self.source.name, stage, str(error).split("\n")[0]) from error
        if not same:
            raise CutError(self.source.name, stage, "the two halves differ from the whole")
        return suffix

    def cut(self, frozen: int) -> tuple[int, nn.Module]:
        """Return how many stages are frozen, and a copy of the layers after them, which learn.

        At least one stage learns. Where the network cannot be cut there, nothing is frozen.

        Args:
            frozen: How many stages shall be frozen.
        """
        frozen = min(frozen, self.num_stages - 1)
        try:
            return frozen, self.suffix(frozen)
        except CutError:
            return 0, self.suffix(0)

    def classifier(self) -> nn.Linear:
        """Return a copy of the source's own classifier, (b, d) features to (b, Z) logits.

        Raises:
            UndefinedScoreError: If there is none, or it is not one linear layer.
        """
        layer = self.network.get_classifier() if self.has_head else None  # type: ignore[operator]
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            linear = nn.Linear(layer.in_channels, layer.out_channels, layer.bias is not None)
            state = layer.state_dict()
            linear.load_state_dict({**state, "weight": state["weight"].flatten(1)})
            return linear.requires_grad_(requires_grad=False)
        if not isinstance(layer, nn.Linear) or layer.in_features != self.num_features:
            raise UndefinedScoreError(
                f"{self.source.name} has no linear classifier of its own; choose a conservation "
                "that needs none (l2-sp, delta, rkd)"
            )
        return copy.deepcopy(layer).requires_grad_(requires_grad=False)

    def sample(self, size: int = 2) -> Tensor:
        """Return a standard-normal batch of the input's shape, always the same."""
        assert isinstance(self.source.preprocessing, Preprocessing)
        side = self.source.preprocessing.input_size
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(size, self.source.num_channels, side, side, generator=generator)
        return x.to(self.device)

    def _module_of(self, stage: int) -> str:
        if not 1 <= stage <= self.num_stages:
            raise ValueError(f"stage must be in 0..{self.num_stages}, got {stage}")
        found = self.stages[stage - 1]
        if found.pooled:
            self.refuse_cut(stage)
        return found.module

    def refuse_cut(self, stage: int) -> NoReturn:
        """Refuse to cut after the last stage.

        Raises:
            CutError: In any case.
        """
        raise CutError(self.source.name, stage, "nothing comes after the pooled features")


def load_backbone(
    source: Source, device: str | torch.device = "cpu", *, pretrained: bool = True
) -> Backbone:
    """Return the source's network in eval mode.

    Args:
        source: What to load.
        device: Where to put it.
        pretrained: False leaves out the weights, where they are overwritten anyway.

    Raises:
        InvalidSourceError: If the architecture is unknown, the weights cannot be had, or they
            do not fit the architecture.
    """
    build = builder_of(source.architecture)
    if isinstance(build, BackboneBuilder):
        return _drawn(build, source, pretrained=pretrained).to(device).eval()
    if build is not None:
        loaded: Backbone = build(source, pretrained=pretrained)
        return loaded.to(device).eval()
    state = read_state_dict(source) if pretrained else None
    with _making, torch.random.fork_rng(devices=[]):
        match source.weights:
            case HubWeights(tag=tag) if pretrained:
                with cached_only_when_unreachable():
                    network = _create(source, tag, state, fetch=True)
            case Untrained(seed=seed):
                torch.manual_seed(seed)
                network = _create(source, source.architecture, state)
            case _:
                network = _create(source, source.architecture, state)
    if state is not None:
        load_weights(network, state, source)
    network.to(memory_format=torch.channels_last)
    what = f"source {source.name!r}: {source.architecture} cannot be read stage by stage"
    with refused_as(InvalidSourceError, what):
        backbone = Backbone(source, network.eval())
    return backbone.to(device).eval()


def _drawn(builder: BackboneBuilder, source: Source, *, pretrained: bool) -> Backbone:
    """Return a network with random weights, or those of a file where it has them."""
    if pretrained and isinstance(source.weights, HubWeights):
        raise InvalidSourceError(
            f"source {source.name!r}: {source.architecture} is made by a plugin, and nobody "
            "fetches weights for it; name a file with the key weights"
        )
    state = read_state_dict(source) if pretrained else None
    seed = source.weights.seed if isinstance(source.weights, Untrained) else 0
    try:
        with _making, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = builder.build(source)
        if not isinstance(backbone, Backbone):
            raise TypeError(f"a {type(backbone).__name__} and no Backbone was made")  # noqa: TRY301
    except Exception as error:
        raise InvalidSourceError(
            f"source {source.name!r}: {source.architecture} cannot be made ({reason(error)})"
        ) from error
    if state is not None:
        renamed = {builder.rename(name): tensor for name, tensor in state.items()}
        load_weights(backbone.network, renamed, source)
    return backbone


def fresh_backbone(source: Source, seed: int) -> Backbone:
    """Return the source's architecture without its weights, initialised from a seed."""
    return load_backbone(replace(source, weights=Untrained(seed)))


def _create(
    source: Source, name: str, state: Mapping[str, Tensor] | None, *, fetch: bool = False
) -> nn.Module:
    if not is_timm_model(name):
        raise InvalidSourceError(
            f"source {source.name!r}: timm has no architecture {name!r}, nor is it our "
            f"{SMALL_NETWORK}; if a file registers it, name that file with --plugin"
        )
    # again: unpickling makes a source without it
    check_arguments(f"source {source.name!r}", source.kwargs)
    arguments = dict(source.kwargs)
    try:
        with LimitedNetwork(f"source {source.name!r}: {name} with {arguments}", state):
            network: nn.Module = timm_models().create_model(name, pretrained=fetch, **arguments)
    except InvalidSourceError:
        raise
    except Exception as error:
        if fetch and not isinstance(error, TypeError | AttributeError):
            raise hub_error(source.name, error) from error
        raise InvalidSourceError(
            f"source {source.name!r}: {name} does not take {arguments} ({reason(error)})"
        ) from error
    return network
