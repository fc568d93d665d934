"""Render the chat template of a model file: a stranger's program, so it runs in a sandbox, and not for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from econchatr.errors import ModelError

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE_DATE: Final = date(2024, 7, 26)
"""Today, for templates that write a date into every prompt: the one that Llama 3.1's takes where it is told none. A
prompt must not change overnight. Source: the chat template of meta-llama/Llama-3.1-8B-Instruct."""
_TRAINED_SPAN: Final = re.compile(r"(?<=\{%)(-?\s*)(end)?generation(\s*-?)(?=%\})")
"""A block of transformers' own around what a model says, which plain Jinja does not know."""
_TURNS: Final = "econchatr_loop_turns"
_MAX_LOOP_TURNS: Final = 1_000_000
"""Of all loops of a template together: a thousand turns for each of a thousand messages."""
# fmt: off
_FAULTS: Final = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError,
)
# fmt: on
"""What a template may raise beside jinja's own errors."""


def render_template(template: str, **parts: object) -> str:
    """What a template writes, given the values it may use.

    Raises:
        ModelError: The template cannot be read, fails, refuses, or loops for too long.
    """
    import jinja2

    try:
        return _compile(template).render(**parts, **{_TURNS: _LoopTurns()})
    except (jinja2.TemplateError, *_FAULTS) as exc:
        raise ModelError(
            f"the model's chat template fails: {exc}.", hint="Use a base model with a working template."
        ) from exc


class _LoopTurns:
    """Counts the turns of every loop while one template is rendered."""

    def __init__(self) -> None:
        self._n_left = _MAX_LOOP_TURNS

    def count(self, items: Iterable[object]) -> Iterator[object]:
        """Give the items, as long as turns are left."""
        for item in items:
            self._n_left -= 1
            if self._n_left < 0:
                raise ValueError(f"its loops take more than {_MAX_LOOP_TURNS:,} turns")
            yield item


@lru_cache(maxsize=8)
def _compile(template: str) -> Template:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    loops = ["jinja2.ext.loopcontrols"]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=loops)

    def refuse(message: str) -> None:
        raise ModelError(f"the model's chat template refuses: {message}.", hint="Use another base model.")

    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    environment.globals |= {"raise_exception": refuse, "strftime_now": TEMPLATE_DATE.strftime}
    try:
        tree = environment.parse(
            _TRAINED_SPAN.sub(lambda tag: f"{tag[1]}{'endif' if tag[2] else 'if true'}{tag[3]}", template)
        )
        for loop in tree.find_all(nodes.For):
            counted = nodes.Getattr(nodes.Name(_TURNS, "load"), "count", "load")
            loop.iter = nodes.Call(counted, [loop.iter], [], None, None)
        tree.set_environment(environment)
        return environment.from_string(tree)
    except (jinja2.TemplateError, RecursionError) as exc:
        raise ModelError(f"the model's chat template cannot be read: {exc}.", hint="Use another base model.") from exc
