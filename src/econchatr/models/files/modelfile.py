"""The chat template that an export carries, and the Modelfile with which Ollama runs an exported GGUF file.

Ollama reads templates of Go's kind. One is made by looking at what the model's own template puts between the messages,
and checked against it on longer conversations; a template that puts something else there each time is refused.

Source: Ollama's docs/modelfile.md and docs/template.md; template/template.go for how messages reach a template.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from econchatr.errors import ModelError
from econchatr.prompts import ChatTemplate, Voice, render_chat, system_line, takes_system
from econchatr.records import Message
from econchatr.template_sandbox import TEMPLATE_DATE

_QUOTES = '"""'
_HINT = "Export the other forms; Ollama can be given a Modelfile of your own."


class Marks(NamedTuple):
    """What a template writes around the messages of a conversation."""

    head: str
    """Before the system message."""
    after_system: str
    before_user: str
    after_user: str
    """It opens the reply too."""
    before_reply: str
    """What stands before a reply of the past, beyond what opened it."""
    after_reply: str

    def around(self) -> dict[str, tuple[str, str]]:
        """Role -> what stands before and after its message."""
        return {
            "system": (self.head, self.after_system),
            "user": (self.before_user, self.after_user),
            "assistant": (self.before_reply, self.after_reply),
        }


def with_line(template: ChatTemplate, voice: Voice) -> ChatTemplate:
    """A template for use elsewhere, which gives the prompts of the training in programs that know nothing of it.

    A conversation without a system message begins with the line of training. Where the base's template takes no system
    message, its text stands before the first user's. The date and the choice not to think aloud are those of training.
    """
    line = json.dumps(system_line(voice), ensure_ascii=False)
    first = (
        "{% if messages[0]['role'] != 'system' %}"
        f"{{% set messages = [{{'role': 'system', 'content': {line}}}] + messages %}}"
        "{% endif %}"
    )
    if not takes_system(template):
        first += (
            "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\n\n' + messages[1]['content']}]"
            " + messages[2:] %}"
        )
    if "enable_thinking" in template.template:
        first += "{% set enable_thinking = false %}"
    if "strftime_now" in template.template:
        first += (
            "{% macro strftime_now(format) %}{% if format == '%Y-%m-%d' %}"
            f"{TEMPLATE_DATE:%Y-%m-%d}{{% else %}}{TEMPLATE_DATE:%d %b %Y}{{% endif %}}{{% endmacro %}}"
        )
    return template._replace(template=first + template.template)


def write_modelfile(
    template: ChatTemplate, *, gguf_name: str, line: str, label: str, settings: dict[str, float], adds_bos: bool
) -> str:
    """Give the text of a Modelfile.

    Args:
        line: The system line of the training.
        settings: Ollama's parameters by name.
        adds_bos: Whether the engine itself puts the beginning token in front, so that the template must not.

    Raises:
        ModelError: The template, or the line, cannot be said in a Modelfile.
    """
    marks = read_marks(template)
    if adds_bos and template.bos:
        marks = marks._replace(head=marks.head.removeprefix(template.bos))
    go = _go_template(marks)
    for text in (go, line, template.eos):
        if _QUOTES in text or text.endswith('"'):
            raise ModelError(f"{text!r} cannot stand in a Modelfile.", hint=_HINT)
    lines = [f"# {' '.join(label.split())}", f"FROM ./{gguf_name}"]
    lines += [f"TEMPLATE {_QUOTES}{go}{_QUOTES}", f"SYSTEM {_QUOTES}{line}{_QUOTES}"]
    lines += [f"PARAMETER {name} {value:g}" for name, value in settings.items()]
    if template.eos:
        lines.append(f"PARAMETER stop {_QUOTES}{template.eos}{_QUOTES}")
    return "\n".join([*lines, ""])


def read_marks(template: ChatTemplate) -> Marks:
    """Give what a template writes around messages.

    Raises:
        ModelError: It does not write the same around each.
    """
    said = [f"\ue000{n}\ue001" for n in range(4)]
    messages = _messages(said)
    text = render_chat(messages, template)
    parts = []
    for content in said:
        before, found, text = text.partition(content)
        if not found:
            raise ModelError("the model's chat template leaves out what was said.", hint=_HINT)
        parts.append(before)
    (head, after_system, around_user, after_reply), after_user = parts, text
    # Where a message is closed by the token that ends a reply, that belongs to it, not to the user who speaks next.
    before_user = _common_end(after_system, after_reply)
    if template.eos:
        before_user = before_user.rpartition(template.eos)[2].lstrip()
    after_system, after_reply = after_system.removesuffix(before_user), after_reply.removesuffix(before_user)
    before_reply = around_user.removeprefix(after_user)
    marks = Marks(head, after_system, before_user, after_user, before_reply, after_reply)
    for n in (2, 4, 6):
        messages = _messages([f"What {place}?" for place in range(n)])
        if render_with(marks, messages) != render_chat(messages, template):
            raise ModelError("the model's chat template has no fixed marks around messages.", hint=_HINT)
    return marks


def render_with(marks: Marks, messages: list[Message]) -> str:
    """Give what Ollama makes of a conversation, by the rules of the template written for it."""
    around = marks.around()
    return "".join(around[item.role][0] + item.content + around[item.role][1] for item in messages)


def _common_end(one: str, other: str) -> str:
    n = 0
    while n < min(len(one), len(other)) and one[-n - 1] == other[-n - 1]:
        n += 1
    return one[len(one) - n :]


def _messages(said: list[str]) -> list[Message]:
    """A conversation that ends with the user: system, user, assistant, user ..."""
    first, *rest = said
    return [
        Message(role="system", content=first),
        *(Message(role="assistant" if n % 2 else "user", content=text) for n, text in enumerate(rest)),
    ]


def _go_template(marks: Marks) -> str:
    quoted = Marks(*(mark.replace("{{", '{{ "{{" }}') for mark in marks))
    branches = [
        f'if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
        for role, (before, after) in quoted.around().items()
    ]
    return "{{ range .Messages }}{{ " + "{{ else ".join(branches) + "{{ end }}{{ end }}"
