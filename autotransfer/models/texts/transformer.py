"""Encoders of `transformers`: stages, features of all stages, and the layers after a cut.

The layers are the list of modules whose length is the number of hidden layers that the
configuration states. What comes after a layer is a copy of the network that has the later layers
alone and whose embeddings return what they are given; whether the two halves equal the whole is
checked on numbers.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import InvalidSourceError
from autotransfer.models.architecture import LONGEST, is_plain
from autotransfer.models.backbone import Backbone
from autotransfer.models.network_size import LimitedNetwork
from autotransfer.models.source import Source, Untrained
from autotransfer.models.stages import MAX_STAGES, Stage
from autotransfer.models.texts.backbone import (
    TextBackbone,
    pooled,
    with_mask,
    without_pooler,
)
from autotransfer.models.texts.tokens import needed
from autotransfer.models.weights import load_weights, read_state_dict
from autotransfer.results import Json

# Encoders whose code comes with transformers; nothing else is ever run.
MODEL_TYPES = (
    *("bert", "roberta", "distilbert", "mpnet", "electra", "deberta-v2", "xlm-roberta"),
    *("camembert", "albert", "modernbert"),
)
# What a configuration says beside the architecture: names of files and code, tasks, and runtime.
_LEFT_OUT = (
    *("architectures", "auto_map", "model_type", "quantization_config", "attn_implementation"),
    *("id2label", "label2id", "task_specific_params", "torch_dtype", "dtype", "use_cache"),
    *("transformers_version", "custom_pipelines", "problem_type", "gradient_checkpointing"),
)
_LAYER = "layer-"
_NO_WEIGHTS = ("position_ids", "token_type_ids", "pooler.")  # kept in files, and not used


def arguments_of(config: Mapping[str, Any]) -> dict[str, Json]:
    """Return what a configuration says of the architecture itself, as plain values.

    Args:
        config: The values of a `config.json`.

    Raises:
        ValueError: If a value is too large, or of a kind that no architecture has.
    """
    found = {}
    for name, value in config.items():
        if name.startswith("_") or name in _LEFT_OUT or value is None:
            continue
        if not is_plain(value, tables=True):
            raise ValueError(f"{name} in config.json is {str(value)[:LONGEST]!r}")
        found[name] = value
    return found


def build(source: Source, *, pretrained: bool) -> Backbone:
    """Return the encoder of a source, its weights as 32-bit numbers.

    Raises:
        InvalidSourceError: If transformers is missing, or the configuration or the weights
            cannot be used.
    """
    state = read_state_dict(source) if pretrained else None
    seed = source.weights.seed if isinstance(source.weights, Untrained) else 0
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments that a later version has renamed
        torch.manual_seed(seed)
        network = _created(source, state)
    if state is not None:
        load_tensors(network.model, state, source)
    return TransformerBackbone(source, network.requires_grad_(requires_grad=False)).eval()


class Encoder(nn.Module):
    """An encoder with what finds its layers.

    For each stage there is an identity by its name, through which the hidden states of the tokens
    that are there go: that is where a stage can be watched.

    Args:
        model: What transformers makes of a configuration.
        first: The number of layers that were left out at its beginning.
    """

    def __init__(self, model: nn.Module, first: int = 0) -> None:
        super().__init__()
        self.model, self._first = model, first
        self._ends = stage_depths(first + int(model.config.num_hidden_layers))  # type: ignore[union-attr, arg-type]
        for depth in self._ends:
            self.add_module(f"{_LAYER}{depth}", nn.Identity())

    def hidden(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the (b, t, d) hidden states of the embeddings and of every layer, in order."""
        return self._passed(mask, input_ids=ids)

    def later(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the last (b, t, d) hidden states, given those before the first layer."""
        return self._passed(mask, inputs_embeds=hidden)[-1]

    def _passed(self, mask: Tensor, **given: Tensor) -> list[Tensor]:
        found = self.model(attention_mask=mask, output_hidden_states=True, **given)
        states: list[Tensor] = [*found.hidden_states[:-1], found.last_hidden_state]
        for depth in self._ends:
            if depth >= self._first:
                end = self.get_submodule(f"{_LAYER}{depth}")
                end(states[depth - self._first] * mask.unsqueeze(2))
        return states


class TransformerBackbone(TextBackbone):
    """An encoder: the embeddings, groups of layers, and the last one are its stages."""

    def __init__(self, source: Source, network: Encoder) -> None:
        self._depths = stage_depths(int(network.model.config.num_hidden_layers))  # type: ignore[union-attr, arg-type]
        super().__init__(source, network)

    @override
    def found_stages(self) -> tuple[Stage, ...]:
        """Return the stages; their depth is in their name."""
        width = int(self.network.model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        return tuple(Stage(f"{_LAYER}{depth}", width) for depth in self._depths)

    @override
    def _hidden(self, x: Tensor) -> list[Tensor]:
        hidden = super()._hidden(x)
        return [hidden[depth] for depth in self._depths]

    @override
    def suffix(self, stage: int) -> nn.Module:
        if not 0 < stage < self.num_stages:
            return super().suffix(stage)
        return self.after(self._depths[stage - 1], stage)

    def after(self, depth: int, stage: int = 0) -> nn.Module:
        """Return a copy of the layers after so many of them; see `activations` for its input.

        Args:
            depth: 0 keeps all layers and leaves out the embeddings.
            stage: Named in an error.

        Raises:
            CutError: If the two halves differ from the whole.
        """
        network = self.network
        assert isinstance(network, Encoder)

        def halves(x: Tensor) -> tuple[nn.Module, Tensor]:
            suffix = LaterLayers(network, depth, self._preprocessing.pooling)
            return suffix, with_mask(network.hidden(x[:, 0], x[:, 1])[depth], x[:, 1])

        return self.checked_suffix(stage, halves)


class LaterLayers(nn.Module):
    """The layers after a cut, from (b, t, d + 1) hidden states with their mask to (b, d).

    Args:
        network: The whole encoder; left as it is.
        depth: How many layers are left out.
        pooling: "mean" or "cls".
    """

    def __init__(self, network: Encoder, depth: int, pooling: str) -> None:
        super().__init__()
        embeddings, layers = network.model.get_submodule("embeddings"), layers_of(network.model)
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError("its layers share their weights")
        memo: dict[int, Any] = {id(embeddings): _Given(), id(layers): LaterOf(layers, depth)}
        if hasattr(network.model, "embeddings_project"):  # of electra; between both
            memo[id(network.model.embeddings_project)] = nn.Identity()
        model = without_pooler(copy.deepcopy(network.model, memo))
        model.config.num_hidden_layers = len(layers) - depth  # type: ignore[union-attr]
        if depth and hasattr(model, "encoder") and hasattr(model.encoder, "conv"):
            model.encoder.conv = None  # of deberta-v2; after its first layer
        self.network = Encoder(model, depth)
        self._pooling = pooling

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the (b, d) features of hidden states."""
        return pooled(self.states(z), z[:, :, -1], self._pooling)

    def states(self, z: Tensor) -> Tensor:
        """Return the (b, t, d) last hidden states of the tokens."""
        return self.network.later(z[:, :, :-1], z[:, :, -1].long())


class LaterOf(nn.ModuleList):
    """Copies of the later ones of some layers; each keeps its name, its place among all of them.

    Args:
        layers: All layers; left as they are.
        first: How many are left out.
    """

    def __init__(self, layers: nn.ModuleList, first: int) -> None:
        super().__init__()
        for place in range(first, len(layers)):
            self.add_module(str(place), copy.deepcopy(layers[place]))

    @override
    def __getitem__(self, index: int | slice) -> Any:
        """Return one of them by its place among the later ones, or several."""
        return list(self)[index]


class _Given(nn.Module):
    """Stands for embeddings: returns the hidden states that it is given."""

    @override
    def forward(self, *given: Any, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        """Return them, whether they come by name or by their place."""
        found = [inputs_embeds, *given]
        return next(x for x in found if isinstance(x, Tensor) and x.ndim == 3)


def layers_of(model: nn.Module) -> nn.ModuleList:
    """Return the layers of an encoder.

    Raises:
        ValueError: If there is no one list of them.
    """
    count = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if not lists:
        raise ValueError(f"there is no list of {count} layers in it")
    return lists[0]


def stage_depths(num_layers: int) -> tuple[int, ...]:
    """Return after how many layers each stage ends; 0 is the embeddings.

    Of many layers there are four groups.
    """
    if num_layers + 1 <= MAX_STAGES:
        return tuple(range(num_layers + 1))
    return (0, *(round((i + 1) * num_layers / 4) for i in range(4)))


def _created(source: Source, state: Mapping[str, Tensor] | None) -> Encoder:
    library, kind = needed("transformers"), source.architecture.partition("/")[2]
    if kind not in MODEL_TYPES:
        raise InvalidSourceError(
            f"source {source.name!r}: {kind!r} is no encoder that can be read; there are "
            f"{', '.join(MODEL_TYPES)}"
        )
    where = f"source {source.name!r}: {kind} as in its config.json"
    with refused_as(InvalidSourceError, f"{where} cannot be made"):
        config = library.CONFIG_MAPPING[kind](**arguments_of(source.kwargs))
        with LimitedNetwork(where, state):
            return Encoder(library.AutoModel.from_config(config))


def load_tensors(
    model: nn.Module,
    state: Mapping[str, Tensor],
    source: Source,
    prefixes: Sequence[str] = (),
) -> None:
    """Load weights, whatever their names begin with; those of a task's head are left out.

    Args:
        model: What transformers makes of the configuration.
        state: The tensors of a file.
        source: Named in errors.
        prefixes: What names may begin with; empty is whatever there is.

    Raises:
        InvalidSourceError: If tensors are missing, or have other shapes.
    """
    wanted = model.state_dict()
    prefix = next((p for p in prefixes or _prefixes(state) if _shared(p, state, wanted)), "")
    found = {
        k.removeprefix(prefix): v.float() if v.is_floating_point() else v
        for k, v in state.items()
        if k.startswith(prefix) and k.removeprefix(prefix) in wanted
    }
    load_weights(model, found, source, spare=_NO_WEIGHTS)


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    heads = dict.fromkeys(f"{key.partition('.')[0]}." for key in state)
    return ["", "model.", *heads]


def _shared(prefix: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Return whether half of the wanted tensors are there under a prefix."""
    return 2 * sum(prefix + key in state for key in wanted) >= len(wanted)
