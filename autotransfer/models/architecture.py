"""What a source may say of its architecture: the arguments that reach `timm.create_model`.

The others of timm's arguments open files, fetch from hubs or replace functions
(`checkpoint_path`, `cache_dir`, `pretrained_cfg`, ...), past every check of weights. A catalogue
or a model folder may come from anybody, so they are refused by not being named here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from autotransfer.errors import InvalidSourceError
from autotransfer.results import Json

GIVEN_FEATURES = "given-features"  # stands for a feature matrix; there is no network
LARGEST = 10**6  # of an integer: beyond any width, so that a typo does not fill the memory
MOST_ENTRIES = 64  # of a list
LONGEST = 64  # characters of a word

_NAMES = """
aa_layer act_layer attn_drop_rate attn_ratio avg_down base_dim base_dims base_width block_config
block_reduce_first bn_eps bn_momentum bn_tf cardinality channel_multiplier channels class_token
conv_bias conv_mlp depth depth_mult depths dim dims distillation distilled down_kernel_size
downsample drop_block_rate drop_path_rate drop_rate dynamic_img_pad dynamic_img_size embed_dim
embed_dims expand_ratio expansion_ratio fc_norm features_only final_norm first_stride fix_init
fix_stem global_pool groups growth_rate head_bias head_dim head_hidden_size head_init_scale
head_norm head_norm_first head_widths heads img_size in_chans init_values kernel_size kernel_sizes
key_dim layer_scale layer_scale_init_value layers levels ls_init_value mlp_bias mlp_ratio
mlp_ratios no_embed_class norm_eps norm_layer num_classes num_features num_heads num_kv_heads
num_reg_tokens out_features out_indices output_norm output_stride pad_type patch_drop_rate
patch_norm patch_size patch_sizes patch_stride pool_include_prefix pool_size pos_drop_rate
pos_embed pre_norm preact proj_bias proj_drop_rate qk_norm qkv_bias qkv_fused reduction
ref_feat_shape reg_tokens rel_pos_type replace_stem_pool rope_grid_indexing rope_grid_offset
rope_rotate_half rope_temperature rope_theta rope_type scale_attn_norm scale_mlp scale_mlp_norm
se_from_exp se_layer se_ratio sr_ratios stages stem_bias stem_chs stem_kernel_size stem_norm
stem_size stem_stride stem_type stem_width strict_img_size strides swiglu_mlp use_abs_pos
use_abs_pos_emb use_fc_norm use_grn use_pos_embed use_post_norm use_rel_pos use_rel_pos_bias
use_rot_pos_emb use_shared_rel_pos_bias width width_factor width_mult widths window_ratio
window_size window_sizes zero_init_last
"""
_COUNTS = {"in_chans": (1, 10**4), "num_classes": (0, LARGEST)}  # the least, and the most
ARGUMENTS = frozenset(_NAMES.split())


def check_arguments(where: str, arguments: Mapping[str, Json]) -> None:
    """Refuse arguments that do more than describe an architecture.

    Args:
        where: What the message begins with: the source, and the file that names it.
        arguments: Its `kwargs`.

    Raises:
        InvalidSourceError: If a name is not among `ARGUMENTS`, or a value is none of a number, a
            short word, true, false, nothing, or a list of those.
    """
    if not isinstance(arguments, Mapping):
        raise InvalidSourceError(f"{where}: kwargs must be a table of names and values")
    for name, value in arguments.items():
        if name not in ARGUMENTS:
            raise InvalidSourceError(
                f"{where}: {str(name)[:LONGEST]!r} is not allowed in kwargs, which "
                "describe the architecture alone: num_classes, in_chans, img_size and the others "
                "in docs/howto/own-weights.md; a file of weights is named by the key weights"
            )
        bounds = _COUNTS.get(name)
        if not is_plain(value) or (bounds is not None and not _count(value, *bounds)):
            raise InvalidSourceError(
                f"{where}: {name} in kwargs must be "
                + (
                    f"a number up to {LARGEST}, a word, true, false, or a short list of these"
                    if bounds is None
                    else f"a whole number in {bounds[0]}..{bounds[1]}"
                )
                + f", got {str(value)[:LONGEST]!r}"
            )


def _count(value: Json, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def is_plain(value: Json, depth: int = 0, *, tables: bool = False) -> bool:
    """Return whether a value is a number, a short word, true, false, nothing, or a list of those.

    Args:
        value: What a file says.
        depth: In how many lists or tables it lies.
        tables: Whether there may be tables as well, and any fraction.
    """
    if tables and isinstance(value, dict):
        value = list(value.values())
    match value:
        case None | bool():
            return True
        case float() if tables:
            return True
        case int() | float():
            return math.isfinite(value) and abs(value) <= LARGEST
        case str():
            return len(value) <= LONGEST
        case list() | tuple():
            short = depth < 2 and len(value) <= MOST_ENTRIES
            return short and all(is_plain(entry, depth + 1, tables=tables) for entry in value)
    return False
