"""Render the chat template of a model file: a stranger's program, so it runs in a sandbox with limits.

Bounded are: turns of loops, calls and filters together; the time of computing between two of those; what operators,
filters and calls make, lists that hold one another many times over included; the numbers that filters, calls and
formats are given; what is written. What a single operation would make too large (a format of a huge width, the
replacing of one long text by another inside a third) is refused before it is done. `econchatr.bounded_jinja` has the
figures.
"""

from __future__ import annotations

import re
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
# fmt: off
_FAULTS: Final = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError,
)
# fmt: on
"""What a template may raise beside jinja's own errors."""


def render_template(template: str, **parts: object) -> str:
    """What a template writes, given the values it may use.

    Raises:
        ModelError: The template cannot be read, fails, refuses, or passes a limit.
    """
    import jinja2

    from econchatr.bounded_jinja import render_bounded

    try:
        return render_bounded(_compile(template), parts)
    except (jinja2.TemplateError, *_FAULTS) as exc:
        raise ModelError(
            f"the model's chat template fails: {exc}.", hint="Use a base model with a working template."
        ) from exc


@lru_cache(maxsize=8)
def _compile(template: str) -> Template:
    import jinja2

    from econchatr.bounded_jinja import BoundedSandbox, compile_bounded

    loops = ["jinja2.ext.loopcontrols"]
    environment = BoundedSandbox(trim_blocks=True, lstrip_blocks=True, extensions=loops)

    def refuse(message: str) -> None:
        raise ModelError(f"the model's chat template refuses: {message}.", hint="Use another base model.")

    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    environment.globals |= {"raise_exception": refuse, "strftime_now": TEMPLATE_DATE.strftime}
    try:
        plain = _TRAINED_SPAN.sub(lambda tag: f"{tag[1]}{'endif' if tag[2] else 'if true'}{tag[3]}", template)
        return compile_bounded(environment, plain)
    except (jinja2.TemplateError, RecursionError, ValueError) as exc:
        raise ModelError(f"the model's chat template cannot be read: {exc}.", hint="Use another base model.") from exc
