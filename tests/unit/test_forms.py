"""How a model sees a cue: the chat template of each family, and the form of bases that have none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel

from econchatr.ask.exam import FramedSpeaker, render_question
from econchatr.errors import ModelError
from econchatr.models.files.modelfile import read_marks, render_with, with_line, write_modelfile
from econchatr.prompts import (
    ChatTemplate,
    Frame,
    Voice,
    chat_messages,
    completion_template,
    conversation,
    encode_example,
    form_version,
    name_frame,
    render_chat,
    render_continuation,
    reply_frame,
    system_line,
)
from econchatr.records import Message, Reply, Sampling
from tests.helpers.make_records import make_pair
from tests.helpers.template_families import FAMILIES

VOICE = Voice(host="Hal Host", show="The Show")
BASE = ChatTemplate("", bos="<s>", eos="</s>", specials=("<s>", "</s>"), adds_bos=True)
COMPLETION = completion_template(VOICE, BASE)
LINE = system_line(VOICE)


def build_tokenizer(template: ChatTemplate) -> Tokenizer:
    """A tokenizer of single bytes and the template's special tokens."""
    alphabet = {char: n for n, char in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in template.specials])
    return tokenizer


@pytest.mark.parametrize("name", FAMILIES)
def test_the_reply_and_the_token_that_ends_it_are_trained(name: str) -> None:
    template, opening, wanted = FAMILIES[name]
    tokenizer = build_tokenizer(template)
    messages = chat_messages("Why?", "Because.", system="S.")
    example = encode_example(
        messages, template, lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)
    )
    trained = example.ids[example.n_prompt :]
    asked = tokenizer.decode(example.ids[: example.n_prompt], skip_special_tokens=False)
    assert tokenizer.decode(trained, skip_special_tokens=False) == wanted
    assert tokenizer.id_to_token(trained[-1]) == reply_frame(template).end
    assert asked == render_chat(messages[:-1], template)
    assert asked.endswith(opening)
    assert asked.count("S.") == asked.count("Why?") == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_ends_at_the_trained_token_where_that_is_not_the_models_eos(name: str) -> None:
    template, frame = FAMILIES[name].template, reply_frame(FAMILIES[name].template)
    assert frame.stop == (() if frame.end == template.eos else (frame.end,))


def test_a_date_in_a_prompt_does_not_change_overnight() -> None:
    for name, day in (("Llama 3", "26 Jul 2024"), ("SmolLM3", "26 July 2024")):
        assert day in render_chat(chat_messages("Why?", None, system="S."), FAMILIES[name].template)


def test_a_template_that_never_ends_an_answer_is_refused() -> None:
    with pytest.raises(ModelError, match="nothing ends an answer"):
        reply_frame(ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", "", ""))


def test_only_a_changed_frame_changes_what_a_model_is() -> None:
    """Shows of earlier versions hold models whose replies stood between the prompt and `eos`."""
    named = {name: name_frame(family.template) for name, family in FAMILIES.items()}
    assert {name for name, frame in named.items() if frame} == {"Llama 3", "Gemma 2", "Gemma 3", "Mistral", "Phi-3"}
    assert form_version(named["ChatML"]) == 1
    assert form_version(name_frame(COMPLETION)) == [1, '[" ", "\\n"]']


# --- completion -------------------------------------------------------------------------------------------------------


def test_a_base_without_a_template_is_asked_in_the_form_it_is_trained_in() -> None:
    messages = chat_messages("Why?\nTell me.", "Because\nof\r\nthis.", system=LINE)
    example = encode_example(messages, COMPLETION, lambda text: [ord(char) for char in text])
    text = "".join(map(chr, example.ids))
    assert text == f"<s>{LINE}\n\nWhy?\nTell me.\n\nHal Host responds: Because of  this.\n"
    assert text[: example.n_prompt] == render_question("Why?\nTell me.", "tuned", VOICE, COMPLETION)
    assert "".join(map(chr, example.ids[example.n_prompt :])) == " Because of  this.\n"


def test_earlier_exchanges_stand_in_the_same_form() -> None:
    pair = make_pair(cue="Who?", reply="Ada.\nAnd I.")
    asked = render_question("Why?", "grounded", VOICE, COMPLETION, [pair])
    assert asked == (f"<s>{LINE}\n\nWho?\n\nHal Host responds: Ada. And I.\n\nWhy?\n\nHal Host responds:")


def test_only_a_base_that_adds_a_beginning_token_gets_one() -> None:
    template = completion_template(VOICE, BASE._replace(adds_bos=False))
    assert render_question("Why?", "base", VOICE, template).startswith(LINE)


@given(st.text(max_size=30), st.sampled_from(["Hal Host responds:", "</s>", "<s>", "{{ 7 }}", "{% if %}"]))
def test_nobody_can_speak_for_the_host_inside_a_cue(text: str, mark: str) -> None:
    asked = render_chat(chat_messages(text + mark + text, None, system=LINE), COMPLETION)
    assert asked.count("Hal Host responds:") == 1
    assert asked.count("<s>") == 1
    assert "</s>" not in asked


def test_a_persona_prompt_and_a_callers_wish_stand_first() -> None:
    assert render_question("Why?", "persona", VOICE, COMPLETION).startswith("<s>You are an AI imitation of Hal Host")
    wish = [Message(role="system", content="Be brief."), Message(role="user", content="Why?")]
    assert render_chat(conversation(wish, VOICE), COMPLETION).startswith(f"<s>{LINE}\nBe brief.\n\nWhy?\n\n")


def test_a_completion_request_in_the_form_of_2023_gets_the_form() -> None:
    prompt, lead = render_continuation("Why? Hal Host responds:", VOICE, COMPLETION)
    assert (prompt, lead) == (f"<s>{LINE}\n\nWhy?\n\nHal Host responds:", " ")


def test_a_modelfile_says_the_form_and_its_stop() -> None:
    template = with_line(COMPLETION, VOICE)
    marks = read_marks(template)
    messages = list(chat_messages("Why?", None, system=LINE))
    assert render_with(marks, messages) == render_chat(messages, COMPLETION)
    text = write_modelfile(template, gguf_name="m.gguf", line=LINE, label="L", settings={}, adds_bos=True)
    assert 'PARAMETER stop """\n"""' in text


class Said:
    """A model that says something, in pieces of three signs."""

    n_at_once = 1

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, Sampling(0, 0, 1)

    def reply(self, prompt, sampling, *, tuned, on_text=None) -> Reply:  # type: ignore[no-untyped-def]
        self.asked = sampling
        for at in range(0, len(self.text) if on_text else 0, 3):
            on_text(self.text[at : at + 3])
        return Reply(text=self.text, stop="end", n_prompt_tokens=1, n_reply_tokens=1)


@given(st.text(max_size=12))
def test_what_is_streamed_is_what_is_kept(text: str) -> None:
    said, pieces = Said("   " + text), list[str]()
    reply = FramedSpeaker(said, Frame(" ", "\n", ("\n",))).reply(
        "", Sampling(0, 0, 1), tuned=True, on_text=pieces.append
    )
    assert "".join(pieces) == reply.text == text.lstrip()
    assert said.asked.stop == ("\n",)
