"""The families of models that llama.cpp knows as we do: their names for each part, and how their numbers differ.

Source: the tensor map of the package `gguf`; llama.cpp's conversion/llama.py, gemma.py, phi.py, qwen.py, smollm.py,
granite.py and olmo.py for which family's rows are reordered and whose norms are shifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOWER = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")
_OTHER_TOWERS = re.compile(r"^(?:model\.)?(?:vision_tower|multi_modal_projector|audio_tower)\.")


class Family(NamedTuple):
    """One kind of model in GGUF files."""

    architecture: str
    """Its name there."""
    model_types: tuple[str, ...]
    """Its names in a checkpoint's config.json."""
    is_reordered: bool = False
    """Whether the rows of q and k stand in llama.cpp's rotary order, neighbour beside neighbour."""
    norm_shift: float = 0.0
    """What llama.cpp's norm weights have more than the checkpoint's."""

    def reorder(
        self, name: str, matrix: NDArray[Any], n_heads: tuple[int, int], *, is_back: bool = False
    ) -> NDArray[Any]:
        """Give a matrix with the rows of q and k in llama.cpp's order, and every other as it is.

        Args:
            name: ggml's name, with `.weight` or without.
            n_heads: Of q, and of k and v.
            is_back: From llama.cpp's order to transformers' instead.
        """
        parts = name.split(".")
        if not self.is_reordered or not {"attn_q", "attn_k"} & set(parts):
            return matrix
        return (unpermute_rows if is_back else permute_rows)(matrix, n_heads["attn_k" in parts])

    def shift_of(self, name: str) -> float:
        """What llama.cpp's tensor of this name, with `.weight`, has more than the checkpoint's."""
        return self.norm_shift if name.endswith("_norm.weight") else 0.0


FAMILIES = (
    Family("llama", ("llama", "mistral"), is_reordered=True),
    Family("smollm3", ("smollm3",), is_reordered=True),
    Family("granite", ("granite",), is_reordered=True),
    Family("qwen2", ("qwen2",)),
    Family("qwen3", ("qwen3",)),
    Family("gemma3", ("gemma3_text", "gemma3"), norm_shift=1.0),
    Family("phi3", ("phi3",)),
    Family("olmo2", ("olmo2",)),
)
"""Every family that is written as GGUF. Each is proven by tests/unit/models/test_models_families.py."""


def find_family(model_type: object) -> Family | None:
    """Give the family of a checkpoint by the `model_type` of its config.json; `None`: no map."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def find_architecture(architecture: str | None) -> Family | None:
    """Give the family of a GGUF file by its `general.architecture`; `None`: no map."""
    return next((family for family in FAMILIES if family.architecture == architecture), None)


def plain_name(name: str) -> str | None:
    """Give a tensor's or module's name without the place of the language model in a larger one.

    Gemma's larger models say `model.language_model.layers.0`, or `language_model.model.layers.0` on the hub, where a
    model of text says `model.layers.0`. `None`: a part of another tower, which sees or hears.
    """
    if _OTHER_TOWERS.match(name):
        return None
    found = _TOWER.sub("model.", name)
    return found.removeprefix("model.") if found.startswith("model.lm_head") else found


def map_names(family: Family, n_layers: int) -> Callable[[str], str | None]:
    """Give the function from a checkpoint's name of a tensor to ggml's; it gives `None` where there is no place."""
    import gguf

    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == family.architecture)
    names = gguf.get_tensor_name_map(kind, n_layers)
    return lambda name: names.get_name(name, try_suffixes=(".weight", ".bias"))


_LAYER_PARTS = (
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.q_norm",
    "self_attn.k_norm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip
"""What transformers calls the parts of a layer of Llama or Gemma 3."""


def name_back(family: Family, n_layers: int) -> dict[str, str]:
    """Give ggml's name of each part of a Llama or a Gemma 3, without `.weight`, with the checkpoint's."""
    layers = (f"model.layers.{n}.{part}" for n in range(n_layers) for part in _LAYER_PARTS)
    to_ggml = map_names(family, n_layers)
    named = {name: to_ggml(name) for name in ("model.embed_tokens", "model.norm", "lm_head", *layers)}
    return {found: name for name, found in named.items() if found is not None}


_GEMMA_27B_LAYERS = 62
"""By this number of layers llama.cpp tells the model whose attention is scaled by the width of all heads."""


def scale_gemma3(n_layers: int, *, width: int, n_heads: int, head_width: int) -> int:
    """Give the number that llama.cpp takes the root of and divides Gemma 3's attention by.

    Source: llama.cpp/src/llama-model.cpp, GEMMA3; so is the order of the layers below.
    """
    return width // n_heads if n_layers == _GEMMA_27B_LAYERS else head_width


def list_windows(n_layers: int, period: int) -> list[str]:
    """Give transformers' kind of each layer of Gemma 3: one in so many sees everything, the others a window."""
    return ["full_attention" if (n + 1) % period == 0 else "sliding_attention" for n in range(n_layers)]


def permute_rows(matrix: NDArray[Any], n_heads: int) -> NDArray[Any]:
    """Reorder the rows of a q or k projection from transformers' rotary order to llama.cpp's.

    transformers turns the first half of a head against the second half, llama.cpp turns neighbours.

    Source: LlamaModel.permute in llama.cpp/conversion/llama.py.
    """
    halves = matrix.reshape(n_heads, 2, -1, *matrix.shape[1:])
    return halves.swapaxes(1, 2).reshape(matrix.shape)


def unpermute_rows(matrix: NDArray[Any], n_heads: int) -> NDArray[Any]:
    """Undo `permute_rows`."""
    pairs = matrix.reshape(n_heads, -1, 2, *matrix.shape[1:])
    return pairs.swapaxes(1, 2).reshape(matrix.shape)


def count_heads(sizes: Mapping[str, Any]) -> tuple[int, int]:
    """Give the heads of q, and of k and v, by a config's own names."""
    n_heads = int(sizes["num_attention_heads"])
    return n_heads, int(sizes.get("num_key_value_heads") or n_heads)
