"""Jinja's immutable sandbox with limits on the work that one rendering does.

jinja2 is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from jinja2 import Template, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MAX_STEPS: Final = 1_000_000
"""Turns of loops: a thousand for each of a thousand messages. A call or a filter counts as ten."""
_CALL_STEPS: Final = 10
_MAX_SECONDS: Final = 5.0
"""Of computing. A template of a real model takes milliseconds."""
_MAX_ITEMS: Final = 10_000_000
"""Characters of a text or entries of a list that an operator, a filter or a call makes."""
_MAX_WRITTEN: Final = 50_000_000
"""Characters that all `{{ ... }}` of a template write together, and those inside of macros count again outside."""
_MAX_ARGUMENT: Final = 1_000_000
"""The largest whole number that a filter or a call is given: how wide, how many times, how many decimals."""
_MAX_BITS: Final = 10_000
"""Of a whole number that `*` or `**` makes."""


class _Work:
    """What one rendering has done so far."""

    def __init__(self) -> None:
        self._n_steps = self._n_written = 0
        self._end = time.thread_time() + _MAX_SECONDS

    def step(self, n_steps: int = 1) -> None:
        self._n_steps += n_steps
        if self._n_steps > _MAX_STEPS:
            raise ValueError(f"its loops and calls take more than {_MAX_STEPS:,} turns")
        if time.thread_time() > self._end:
            raise ValueError(f"it computes for more than {_MAX_SECONDS:.0f} seconds")

    def write(self, n_characters: int) -> None:
        self._n_written += n_characters
        if self._n_written > _MAX_WRITTEN:
            raise ValueError(f"it writes more than {_MAX_WRITTEN:,} characters")


_WORK: Final[ContextVar[_Work]] = ContextVar("work")
"""Of the rendering that runs in this thread. It is no value of the template, so no template can name or set it."""


def _count_turns(items: Iterable[object]) -> Iterator[object]:
    """Give the items, as long as steps are left."""
    work = _WORK.get()
    for item in items:
        work.step()
        yield item


class BoundedSandbox(ImmutableSandboxedEnvironment):
    """A sandbox whose templates are rendered by `render_bounded` and compiled by `compile_bounded`."""

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, finalize=_count_written)
        self.binop_table |= {"+": _add, "*": _multiply, "**": _raise_to_power}
        self.filters = {name: _bound_filter(function) for name, function in self.filters.items()}

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        """Call something for a template."""
        _WORK.get().step(_CALL_STEPS)
        _require_small((*args, *named.values()))
        if isinstance(__obj, LoopContext) and args:  # `loop(items)` begins a recursive loop anew
            args = (_count_turns(args[0]), *args[1:])
        return _require_short(super().call(__context, __obj, *args, **named))

    count_turns = staticmethod(_count_turns)


def compile_bounded(environment: BoundedSandbox, text: str) -> Template:
    """A template whose loops count their turns, and whose `~` joins no endless texts.

    Raises:
        jinja2.TemplateError: The text is no template.
    """
    tree = environment.parse(text)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Call(nodes.EnvironmentAttribute("count_turns"), [loop.iter], [], None, None)
    for joined in tree.find_all(nodes.Concat):
        joined.nodes = [nodes.Filter(part, "string", [], [], None, None) for part in joined.nodes]
    tree.set_environment(environment)
    return environment.from_string(tree)


def render_bounded(template: Template, parts: dict[str, object]) -> str:
    """What a template writes within the limits.

    Raises:
        ValueError: The template passes a limit.
        jinja2.TemplateError: The template fails.
    """
    token = _WORK.set(_Work())
    try:
        return template.render(**parts)
    finally:
        _WORK.reset(token)


def _count_written(value: object) -> object:
    # jinja also calls this while it compiles, for constants: then nothing is rendered.
    if isinstance(value, str) and (work := _WORK.get(None)):
        work.write(len(value))
    return value


def _bound_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    n_own = 2 if hasattr(function, "jinja_pass_arg") else 1  # what jinja passes, and the value that is filtered

    @functools.wraps(function)
    def bounded(*args: Any, **named: Any) -> Any:
        if work := _WORK.get(None):
            work.step(_CALL_STEPS)
        _require_small((*args[n_own:], *named.values()))
        return _require_short(function(*args, **named))

    return bounded


def _require_small(arguments: Iterable[object]) -> None:
    for value in arguments:
        if isinstance(value, int) and abs(value) > _MAX_ARGUMENT:
            raise ValueError(f"a call is given a number above {_MAX_ARGUMENT:,}")


def _require_short(value: Any) -> Any:
    return value if _count_items(value) <= _MAX_ITEMS else _refuse_size()


def _count_items(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _refuse_size() -> None:
    raise ValueError(f"a text or list in it becomes longer than {_MAX_ITEMS:,}")


def _add(left: Any, right: Any) -> Any:
    if _count_items(left) + _count_items(right) > _MAX_ITEMS:
        _refuse_size()
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if isinstance(other, int) and _count_items(one) * other > _MAX_ITEMS:
            _refuse_size()
    if isinstance(left, int) and isinstance(right, int):
        _require_bits(left.bit_length() + right.bit_length())
    return left * right


def _raise_to_power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _require_bits(left.bit_length() * right)
    return left**right


def _require_bits(n_bits: int) -> None:
    if n_bits > _MAX_BITS:
        raise ValueError(f"a number in it has more than {_MAX_BITS:,} bits")
