"""What is written for other programs says what the trained model says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from econchatr.errors import ModelError
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import open_transformers
from econchatr.models.files.adapters import write_merged_checkpoint
from econchatr.models.files.checkpoint_gguf import write_checkpoint_gguf
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.modelfile import read_marks, render_with, with_line, write_modelfile
from econchatr.models.files.weights import locate_embedded_gguf, read_chat_template
from econchatr.models.parity import LIMITS, Limit, Witness, compare_with, hear_witnesses
from econchatr.prompts import CHATML, ChatTemplate, Voice, chat_messages, render_chat, system_line
from econchatr.records import Message
from tests.helpers.model_material import CUES, make_prompt, open_embedded
from tests.helpers.server_material import write_adapter

VOICE = Voice(host='Ada "The Host" {{ 7*7 }} %} Ø', show="It's a Show\nwith lines")
LLAMA_2 = ChatTemplate(
    "{% for m in messages %}{% if m.role == 'system' %}{{ bos_token + '<<SYS>>' + m.content + '<</SYS>>' }}"
    "{% elif m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} {{ eos_token }}{% endif %}"
    "{% endfor %}",
    bos="<s>", eos="</s>",
)  # fmt: skip
COUNTING = ChatTemplate("{% for m in messages %}{{ loop.index }}{{ m.role }}: {{ m.content }}\n{% endfor %}", "", "")


class Weighs:
    """A model that gives tokens fixed log-probabilities, and -1 to the likeliest."""

    def __init__(self, *logprobs: float) -> None:
        self.logprobs = logprobs

    def weigh_tokens(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[tuple[float, float]]:
        return [(logprob, -1.0) for logprob in self.logprobs[: len(ids)]]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("made") / "adapter", seed=5).parent


@pytest.fixture(scope="module")
def merged(adapter: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merged")
    template = with_line(read_chat_template(locate_embedded_gguf()), VOICE)
    write_merged_checkpoint(open_embedded(cache).checkpoint_path, adapter, folder, template=template)
    return folder


def test_every_form_says_what_the_trained_model_says_and_the_base_does_not(
    adapter: Path, merged: Path, cache: Path, tmp_path: Path
) -> None:
    trained = open_transformers(open_embedded(cache).checkpoint_path, adapter=adapter, is_exact=True)
    witnesses = hear_witnesses(trained, [(cue, make_prompt(cue)) for cue in CUES[:2]], n_tokens=8)
    files = {"gguf F16": tmp_path / "F16.gguf", "gguf Q8_0": tmp_path / "Q8_0.gguf", "base": locate_embedded_gguf()}
    for form in ("F16", "Q8_0"):
        write_checkpoint_gguf(merged, out=tmp_path / f"{form}.gguf", name="m", kind=form)  # type: ignore[arg-type]
    found = {"checkpoint": compare_with(open_transformers(merged, adapter=None, is_exact=True), witnesses)}
    for form, path in files.items():
        with open_llamacpp(path, adapter=None, n_ctx=512) as served:
            found[form] = compare_with(served, witnesses)
    assert all(agreement.n_tokens == 16 for agreement in found.values())
    assert {
        form for form, agreement in found.items() if form in LIMITS and LIMITS[form].tell_breach(agreement)
    } == set()
    assert LIMITS["gguf Q8_0"].tell_breach(found["base"])


def test_both_engines_make_the_prompt_of_the_training_from_the_exported_template(merged: Path, tmp_path: Path) -> None:
    template = read_chat_template(locate_embedded_gguf())
    wanted = render_chat(chat_messages("Why?", None, system=system_line(VOICE)), template)
    write_checkpoint_gguf(merged, out=tmp_path / "f16.gguf", name="m")
    assert open_transformers(merged, adapter=None, is_exact=True).apply_template("Why?") == wanted
    with open_llamacpp(tmp_path / "f16.gguf", adapter=None, n_ctx=512) as served:
        assert served.apply_template("Why?") == wanted


NO_SYSTEM = ChatTemplate(
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system message.') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n",
    bos="", eos="<|im_end|>",
)  # fmt: skip
THINKING = CHATML._replace(
    template=CHATML.template
    + "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
)
DATED = CHATML._replace(template="Today: {{ strftime_now('%d %b %Y') }}\n" + CHATML.template)


@pytest.mark.parametrize("template", [NO_SYSTEM, THINKING, DATED], ids=["no system", "thinking", "dated"])
def test_an_odd_template_gives_the_prompt_of_the_training_elsewhere(
    template: ChatTemplate, adapter: Path, cache: Path, tmp_path: Path
) -> None:
    wanted = render_chat(chat_messages("Why?", None, system=system_line(VOICE)), template)
    write_merged_checkpoint(
        open_embedded(cache).checkpoint_path, adapter, tmp_path, template=with_line(template, VOICE)
    )
    assert open_transformers(tmp_path, adapter=None, is_exact=True).apply_template("Why?") == wanted
    write_checkpoint_gguf(tmp_path, out=tmp_path / "m.gguf", name="m", kind="Q8_0")
    with open_llamacpp(tmp_path / "m.gguf", adapter=None, n_ctx=512) as served:
        assert served.apply_template("Why?") == wanted


def test_a_line_is_put_only_where_no_system_message_stands() -> None:
    template = with_line(CHATML, VOICE)
    own = [Message(role="system", content="Mine."), Message(role="user", content="Why?")]
    assert render_chat(own, template) == render_chat(own, CHATML)
    assert f"system\n{system_line(VOICE)}<|im_end|>" in render_chat(own[1:], template)


def test_an_8_bit_file_has_the_texts_asked_for_and_the_tokens_of_the_base(merged: Path, tmp_path: Path) -> None:
    texts = {"tokenizer.chat_template": "x" * 999, "econchatr.label": "AI imitation of Ø"}
    write_checkpoint_gguf(merged, out=tmp_path / "q8.gguf", name="m", kind="Q8_0", texts=texts)
    before, after = read_gguf_file(locate_embedded_gguf()), read_gguf_file(tmp_path / "q8.gguf")
    same = ("tokens", "merges", "token_type", "pre", "model", "eos_token_id")
    for key in [f"tokenizer.ggml.{name}" for name in same]:
        assert after.metadata[key] == before.metadata[key]
    assert texts.items() <= after.metadata.items()
    assert {tensor.name: tensor.shape for tensor in after.tensors} == {t.name: t.shape for t in before.tensors}
    assert {tensor.type_code for tensor in after.tensors} == {0, 8}


def test_an_adapter_of_another_model_is_not_merged(cache: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    prefix = "base_model.model.model.layers.0.self_attn.q_proj"
    wrong = {
        f"{prefix}.lora_A.weight": np.ones((4, 8), np.float32),
        f"{prefix}.lora_B.weight": np.ones((8, 4), np.float32),
    }
    save_file(wrong, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 4}))
    with pytest.raises(ModelError, match="does not fit"):
        write_merged_checkpoint(open_embedded(cache).checkpoint_path, tmp_path, tmp_path, template=CHATML)


def test_the_worst_difference_is_named() -> None:
    witnesses = [
        Witness("Why?", "p", (1,), (5, 6, 7), (-1.0, -1.0, -2.0), ("<5>", "<6>", "<7>"), "t"),
        Witness("How?", "p", (1,), (8,), (-1.0,), ("<8>",), "t"),
    ]
    found = compare_with(Weighs(-1.0, -3.0, -2.5), witnesses)  # type: ignore[arg-type]
    assert (found.n_agreeing, found.n_tokens, found.worst_nats, found.mean_nats) == (2, 4, 2.0, 2.5 / 4)
    assert found.worst_at == "'Why?', token 2, where '<6>' was said"
    assert LIMITS["gguf F16"].tell_breach(found).startswith("its tokens differ by 0.625 nats on average")
    assert Limit(1.0, 1.0, 0.0).tell_breach(found) == f"at {found.worst_at}, it differs by 2.00 nats, and 1 are allowed"
    assert Limit(1.0, 2.0, 0.6).tell_breach(found) == "2 of 4 tokens agree, and 60% must"


# --- Ollama -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [CHATML, LLAMA_2, "embedded"], ids=["chatml", "llama 2", "embedded"])
def test_a_templates_marks_are_found(template: ChatTemplate | str) -> None:
    found = read_chat_template(locate_embedded_gguf()) if isinstance(template, str) else template
    said = [
        Message(role="system", content="Be."), Message(role="user", content="One?"),
        Message(role="assistant", content="Two."), Message(role="user", content="Three?"),
    ]  # fmt: skip
    assert render_with(read_marks(found), said) == render_chat(said, found)


def test_a_template_without_fixed_marks_is_refused() -> None:
    with pytest.raises(ModelError, match="no fixed marks"):
        read_marks(COUNTING)


def modelfile(template: ChatTemplate, **wanted: object) -> str:
    common = {"gguf_name": "m.gguf", "line": "Line.", "label": "AI imitation", "settings": {"temperature": 0.6}}
    return write_modelfile(template, **{**common, "adds_bos": False, **wanted})  # type: ignore[arg-type]


def test_a_modelfile_says_all_that_ollama_must_know() -> None:
    text = modelfile(CHATML, label="AI imitation\nFROM evil")
    assert text.splitlines()[:2] == ["# AI imitation FROM evil", "FROM ./m.gguf"]
    assert 'SYSTEM """Line."""' in text
    assert 'PARAMETER stop """<|im_end|>"""' in text
    assert "<|im_start|>user\n{{ .Content }}<|im_end|>\n<|im_start|>assistant\n" in text


def test_what_would_end_a_text_early_is_refused() -> None:
    with pytest.raises(ModelError, match="Modelfile"):
        modelfile(CHATML, line='x"""\nFROM evil')


def test_a_token_that_the_engine_adds_itself_is_not_written_twice() -> None:
    assert "<s>" in modelfile(LLAMA_2)
    assert "<s>" not in modelfile(LLAMA_2, adds_bos=True)


GO = """
package main

import ("os"; "text/template")

type Message struct { Role, Content string }

func main() {
    source, _ := os.ReadFile(os.Args[1])
    said := []Message{{"system", "Be."}, {"user", "One?"}, {"assistant", "Two."}, {"user", "Three?"}}
    made := template.Must(template.New("").Parse(string(source)))
    if err := made.Execute(os.Stdout, map[string]any{"Messages": said}); err != nil { panic(err) }
}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go, whose templates Ollama reads")
@pytest.mark.parametrize("template", [CHATML, LLAMA_2], ids=["chatml", "llama 2"])
def test_go_makes_the_same_prompt(template: ChatTemplate, tmp_path: Path) -> None:
    source = modelfile(template).split('TEMPLATE """')[1].split('"""\nSYSTEM')[0]
    (tmp_path / "main.go").write_text(GO)
    (tmp_path / "template").write_text(source)
    command = ["go", "run", str(tmp_path / "main.go"), str(tmp_path / "template")]
    said = [
        Message(role="system", content="Be."), Message(role="user", content="One?"),
        Message(role="assistant", content="Two."), Message(role="user", content="Three?"),
    ]  # fmt: skip
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == render_chat(said, template)
