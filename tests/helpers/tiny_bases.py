"""Tiny checkpoints of the families that a rung may name, made from their configurations, with random numbers.

Each folder has what a checkpoint of the family has: config.json, model.safetensors, a tokenizer and a chat template in
the family's manner. Widths and heads are multiples of 32, so that llama.cpp can quantize and serve them. torch and
transformers are imported inside the functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import econchatr
from econchatr.prompts import EncodedExample

_N_WORDS = 160
"""Tokens that the tokenizer learns besides bytes and special tokens."""
_SPLITS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""How the families' tokenizers cut text before the merges, by llama.cpp's name. Source: their tokenizer.json."""

_CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_QWEN2 = (
    "{% if messages[0].role != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}" + _CHATML
)
_QWEN3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
_SMOLLM3 = (
    "{% set ns = namespace(line='You are a helpful AI assistant.') %}"
    "{% if messages[0].role == 'system' %}{% set ns.line = messages[0].content %}{% endif %}"
    "{{ '<|im_start|>system\n## Metadata\n\nReasoning Mode: /no_think\n\n## Custom Instructions\n\n' }}"
    "{{ ns.line + '\n\n<|im_end|>\n' }}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<|im_start|>user\n' + m.content + '<|im_end|>\n' }}"
    "{% elif m.role == 'assistant' %}"
    "{{ '<|im_start|>assistant\n<think>\n\n</think>\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n' }}{% endif %}"
)
_LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}"
    "{% if loop.first and m.role == 'system' %}"
    "{{ 'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n' }}{% endif %}"
    "{{ m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_GEMMA3 = (
    "{{ bos_token }}{% set ns = namespace(line='') %}"
    "{% for m in messages %}{% if m.role == 'system' %}{% set ns.line = m.content + '\n\n' %}{% else %}"
    "{% if m.role == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m.role %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + ns.line + m.content | trim + '<end_of_turn>\n' }}"
    "{% set ns.line = '' %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
_MISTRAL = (
    "{{ bos_token }}{% set ns = namespace(line='') %}"
    "{% for m in messages %}{% if m.role == 'system' %}{% set ns.line = m.content + '\n\n' %}"
    "{% elif m.role == 'user' %}{{ '[INST] ' + ns.line + m.content + '[/INST]' }}{% set ns.line = '' %}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ raise_exception('Only user, system and assistant roles are known.') }}{% endif %}{% endfor %}"
)
_PHI3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
_GRANITE = (
    "{% for m in messages %}"
    "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)
_OLMO2 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<|assistant|>\n' + m.content + eos_token }}{% if not loop.last %}{{ '\n' }}{% endif %}"
    "{% else %}{{ '<|' + m.role + '|>\n' + m.content + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """What makes a family of models: its configuration's class and its own sizes, its tokens and its template."""

    config: str
    template: str
    specials: tuple[str, ...]
    """The first is the end of a document, the last the end of a turn."""
    bos: str = ""
    turn_end: str = ""
    """What ends a turn, and is the tokenizer's `eos_token`; empty: the last of `specials`."""
    split: str = "gpt2"
    sizes: dict[str, Any] = field(default_factory=dict)


_ROPE_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 256,
}  # fmt: skip
_GEMMA_SIZES = {
    "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 32, "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention"],
}  # fmt: skip

FAMILIES = {
    "llama3.2": Family(
        "LlamaConfig", _LLAMA3,
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>", split="llama-bpe",
        sizes={"rope_parameters": _ROPE_LLAMA3, "tie_word_embeddings": True},
    ),
    "qwen2.5": Family(
        "Qwen2Config", _QWEN2, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), split="qwen2",
        sizes={"tie_word_embeddings": True},
    ),
    "qwen3": Family(
        "Qwen3Config", _QWEN3, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), split="qwen2",
        sizes={"tie_word_embeddings": True, "head_dim": 32},
    ),
    "gemma3": Family(
        "Gemma3TextConfig", _GEMMA3, ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        bos="<bos>", sizes={**_GEMMA_SIZES, "head_dim": 32},
    ),
    "gemma3-conditional": Family(
        "Gemma3Config", _GEMMA3,
        ("<pad>", "<eos>", "<bos>", "<image_soft_token>", "<start_of_image>", "<end_of_image>", "<start_of_turn>",
         "<end_of_turn>"),
        bos="<bos>", sizes={**_GEMMA_SIZES, "head_dim": 32},
    ),
    "mistral": Family(
        "MistralConfig", _MISTRAL, ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), bos="<s>", turn_end="</s>",
        split="llama-bpe", sizes={"sliding_window": None, "head_dim": 32},
    ),
    "phi3": Family(
        "Phi3Config", _PHI3, ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        sizes={"sliding_window": None, "original_max_position_embeddings": 2048},
    ),
    "smollm3": Family(
        "SmolLM3Config", _SMOLLM3, ("<|end_of_text|>", "<|im_start|>", "<|im_end|>"), split="llama-bpe",
        sizes={"num_hidden_layers": 4, "no_rope_layer_interval": 4},
    ),
    "granite": Family(
        "GraniteConfig", _GRANITE, ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"),
        turn_end="<|end_of_text|>",
        sizes={"embedding_multiplier": 6.0, "residual_multiplier": 0.4, "logits_scaling": 4.0,
               "attention_multiplier": 0.1, "tie_word_embeddings": True},
    ),
    "olmo2": Family(
        "Olmo2Config", _OLMO2, ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>"),
        bos="<|endoftext|>", turn_end="<|endoftext|>", split="llama-bpe",
    ),
}  # fmt: skip
"""Every family of the tests, by the name they use."""


def write_tiny_base(family: str, folder: Path, *, is_chat: bool = True, seed: int = 0) -> Path:
    """Write a family's checkpoint into a new folder and give that folder.

    Args:
        family: A key of `FAMILIES`.
        is_chat: False leaves the chat template out, as a base model has it.
        seed: Of the weights.
    """
    import torch
    import transformers

    kind = FAMILIES[family]
    tokenizer = _make_tokenizer(family, is_chat=is_chat)
    tokenizer.save_pretrained(str(folder))
    config = _make_config(kind, tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        is_conditional = kind.config == "Gemma3Config"
        model = (
            transformers.Gemma3ForConditionalGeneration(config)
            if is_conditional
            else transformers.AutoModelForCausalLM.from_config(config)
        )
        # Weights of norms and biases begin at 0 or 1, which hides mistakes in them.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.data += torch.randn_like(parameter) * 0.1
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(_ends(kind)))
    model.generation_config.pad_token_id = 0
    model.save_pretrained(str(folder))
    return folder


def read_encoder(folder: Path) -> Callable[[str], list[int]]:
    """Give a folder's tokenizer as a function from text to ids; special tokens in the text are read as such."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return encode


def make_tiny_examples(folder: Path, family: str, *, n: int = 8) -> list[EncodedExample]:
    """Give short examples of unlike lengths, in the folder's own template."""
    from transformers import AutoTokenizer

    tokenizer, encode = AutoTokenizer.from_pretrained(str(folder)), read_encoder(folder)
    examples = []
    for number in range(n):
        said = [
            {"role": "system", "content": "You are the host."},
            {"role": "user", "content": "What did you learn from the bridge? " * (number % 3 + 1)},
        ]
        prompt = encode(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
        reply = encode("Rust sleeps, and the hinge remembers. " * (number % 4 + 1) + _ends(FAMILIES[family])[0])
        examples.append(EncodedExample((*prompt, *reply), len(prompt)))
    return examples


def _ends(kind: Family) -> tuple[str, ...]:
    """The end of a turn, and the end of a document where that is another token."""
    turn = kind.turn_end or kind.specials[-1]
    document = next((token for token in kind.specials if token in ("<eos>", "<|end_of_text|>", "<|endoftext|>")), turn)
    return tuple(dict.fromkeys((turn, document)))


def _make_tokenizer(family: str, *, is_chat: bool) -> Any:
    from transformers import PreTrainedTokenizerFast

    kind = FAMILIES[family]
    if family.startswith("gemma3"):
        core = _train_sentencepiece(kind.specials)
    else:
        core = _train_byte_level(kind.specials, kind.split)
    from tokenizers import Tokenizer

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(core),
        bos_token=kind.bos or None,
        eos_token=_ends(kind)[0],
        pad_token=kind.specials[0],
        chat_template=kind.template if is_chat else None,
        model_max_length=2048,
    )


def _shows_text() -> list[str]:
    folder = Path(econchatr.__file__).parent / "demo" / "episodes"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))[:4]]


@cache
def _train_byte_level(specials: tuple[str, ...], split: str) -> str:
    """A byte-level BPE tokenizer as JSON, trained on the bundled show; special tokens come first."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(_SPLITS[split]), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_round_up(256 + len(specials) + _N_WORDS),
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_shows_text(), trainer)
    return str(tokenizer.to_str())


@cache
def _train_sentencepiece(specials: tuple[str, ...]) -> str:
    """A BPE tokenizer as JSON that writes spaces as `▁` and unknown characters as bytes, as Gemma's does."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    # `<unk>` stands where Gemma has it, behind `<bos>`.
    first = (*specials[:3], "<unk>", *specials[3:])
    octets = [f"<0x{n:02X}>" for n in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()],
    )
    trainer = trainers.BpeTrainer(
        vocab_size=_round_up(256 + len(first) + _N_WORDS),
        special_tokens=[*first, *octets],
        limit_alphabet=80,
        show_progress=False,
    )
    words = [f"▁{word}" for text in _shows_text() for word in text.split()]
    training = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    training.train_from_iterator(words, trainer)
    content = json.loads(tokenizer.to_str())
    trained = json.loads(training.to_str())
    content["model"] = trained["model"]
    # Bytes are ordinary tokens that no text is searched for.
    content["added_tokens"] = [token for token in trained["added_tokens"] if token["content"] not in octets]
    return json.dumps(content)


def _make_config(kind: Family, tokenizer: Any) -> Any:
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": _round_up(len(tokenizer)), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048,
        "initializer_range": 0.1, "tie_word_embeddings": False, "pad_token_id": 0,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    if kind.config == "Gemma3Config":
        return _conditional_config(sizes | kind.sizes | {"tie_word_embeddings": True}, tokenizer)
    if kind.config == "Gemma3TextConfig":
        sizes["tie_word_embeddings"] = True
    return getattr(transformers, kind.config)(**(sizes | kind.sizes))


def _conditional_config(text: dict[str, Any], tokenizer: Any) -> Any:
    """Gemma 3 from 4B up: the language model behind a vision tower."""
    import transformers

    named = dict(
        zip(("image", "boi", "eoi"), ("<image_soft_token>", "<start_of_image>", "<end_of_image>"), strict=True)
    )
    tokens = {f"{name}_token_index": tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
        "patch_size": 14, "vision_use_head": False, "model_type": "siglip_vision_model",
    }  # fmt: skip
    return transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, tie_word_embeddings=True, **tokens
    )


def _round_up(n: int) -> int:
    return -(-n // 32) * 32
