"""Chat templates in the manner of each family of models, written for these tests; none is a family's own text."""

from __future__ import annotations

from typing import NamedTuple

from econchatr.prompts import CHATML, ChatTemplate


class Family(NamedTuple):
    template: ChatTemplate
    opening: str
    """What stands right before the reply, in training and in asking."""
    trained: str
    """What is trained of the reply "Because."."""


LLAMA_3 = (
    "{{- bos_token }}{%- if strftime_now is defined %}{%- set day = strftime_now('%d %b %Y') %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set line = messages[0]['content'] %}"
    "{%- set messages = messages[1:] %}"
    "{%- else %}{%- set line = '' %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + day + '\n\n' + line + '<|eot_id|>' }}"
    "{%- for m in messages %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' }}"
    "{{- m['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
_GEMMA_TURNS = (
    "{%- for m in turns -%}{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('roles must alternate') }}{%- endif -%}"
    "{%- set role = 'model' if m['role'] == 'assistant' else 'user' -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') }}{{ m['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
GEMMA_2 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('no system role') }}{%- endif -%}"
    "{%- set turns, first = messages, '' -%}" + _GEMMA_TURNS
)
GEMMA_3 = (
    "{{ bos_token }}{%- set turns, first = messages, '' -%}{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}{%- endif -%}" + _GEMMA_TURNS
)
MISTRAL = (
    "{%- if messages[0].role == 'system' %}{%- set line, turns = messages[0].content, messages[1:] %}"
    "{%- else %}{%- set line, turns = '', messages %}{%- endif %}{{- bos_token }}"
    "{%- for m in turns %}{%- if m.role == 'user' %}"
    "{%- if loop.last and line %}{{- '[INST] ' + line + '\n\n' + m.content + '[/INST]' }}"
    "{%- else %}{{- '[INST] ' + m.content + '[/INST]' }}{%- endif %}"
    "{%- else %}{{- ' ' + m.content | trim + eos_token }}{%- endif %}{%- endfor %}"
)
PHI_3 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
QWEN_3 = (
    "{%- set ns = namespace(last=0) %}{%- for m in messages %}"
    "{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' and loop.index0 > ns.last %}"
    "{{- '<think>\n\n</think>\n\n' + m.content.lstrip('\n') }}{%- else %}{{- m.content }}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}"
    "{%- endif %}{%- endif %}"
)
SMOLLM_3 = (
    "{%- if enable_thinking is not defined %}{%- set enable_thinking = true %}{%- endif %}"
    "{%- set line = messages[0].content if messages[0].role == 'system' else '' %}"
    "{{- '<|im_start|>system\nToday Date: ' + strftime_now('%d %B %Y') + '\n' + line + '<|im_end|>\n' }}"
    "{%- for m in messages %}{%- if m.role == 'user' %}{{- '<|im_start|>user\n' + m.content + '<|im_end|>\n' }}"
    "{%- elif m.role == 'assistant' %}{% generation %}"
    "{{- '<|im_start|>assistant\n<think>\n\n</think>\n' + m.content + '<|im_end|>\n' }}{% endgeneration %}"
    "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if not enable_thinking %}{{- '<think>\n\n</think>\n' }}{%- endif %}{%- endif %}"
)
GRANITE = (
    "{%- for m in messages %}{{- '<|start_of_role|>' + m['role'] + '<|end_of_role|>' + m['content'] }}"
    "{{- '<|end_of_text|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}"
)
OLMO_2 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

_IM = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
FAMILIES = {
    "ChatML": Family(CHATML._replace(specials=_IM), "<|im_start|>assistant\n", "Because.<|im_end|>"),
    "Llama 3": Family(
        ChatTemplate(
            LLAMA_3, "<|begin_of_text|>", "<|end_of_text|>",
            ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ), "<|start_header_id|>assistant<|end_header_id|>\n\n", "Because.<|eot_id|>",
    ),
    "Gemma 2": Family(
        ChatTemplate(GEMMA_2, "<bos>", "<eos>", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")),
        "<start_of_turn>model\n", "Because.<end_of_turn>",
    ),
    "Gemma 3": Family(
        ChatTemplate(GEMMA_3, "<bos>", "<eos>", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")),
        "<start_of_turn>model\n", "Because.<end_of_turn>",
    ),
    "Mistral": Family(
        ChatTemplate(MISTRAL, "<s>", "</s>", ("<s>", "</s>", "[INST]", "[/INST]")), "[/INST]", " Because.</s>"
    ),
    "Phi-3": Family(
        ChatTemplate(
            PHI_3, "<s>", "<|endoftext|>",
            ("<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        ), "<|assistant|>\n", "Because.<|end|>",
    ),
    "Qwen 3": Family(
        ChatTemplate(QWEN_3, "", "<|im_end|>", _IM),
        "<|im_start|>assistant\n<think>\n\n</think>\n\n", "Because.<|im_end|>"
    ),
    "SmolLM3": Family(
        ChatTemplate(SMOLLM_3, "", "<|im_end|>", _IM),
        "<|im_start|>assistant\n<think>\n\n</think>\n", "Because.<|im_end|>"
    ),
    "Granite": Family(
        ChatTemplate(
            GRANITE, "<|end_of_text|>", "<|end_of_text|>", ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")
        ), "<|start_of_role|>assistant<|end_of_role|>", "Because.<|end_of_text|>",
    ),
    "OLMo 2": Family(
        ChatTemplate(
            OLMO_2, "<|endoftext|>", "<|endoftext|>", ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>")
        ), "<|assistant|>\n", "Because.<|endoftext|>",
    ),
}  # fmt: skip
