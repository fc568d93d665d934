"""Jinja's immutable sandbox with limits on the work that one rendering does.

Every value that a template makes is weighed when it is made: its characters, and something for each entry of a list,
as often as the entry stands in it. So nothing that is written, compared or hashed later is larger than the limit, also
where lists hold one another many times over. An operation whose result can be much longer than what it is given is
foreseen before it is done.

jinja2 is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import functools
import re
import time
from collections import defaultdict
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextvars import ContextVar
from string import Formatter
from typing import Any, Final

from jinja2 import Template, nodes
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

_MAX_STEPS: Final = 1_000_000
"""Turns of loops: a thousand for each of a thousand messages. A call or a filter counts as ten."""
_CALL_STEPS: Final = 10
_STEPS_PER_LOOK: Final = 8
"""Between two looks at the clock, which cost more than a step."""
_MAX_SECONDS: Final = 5.0
"""Of computing. A template of a real model takes milliseconds."""
_MAX_WEIGHT: Final = 10_000_000
"""Of a value that an operator, a filter or a call makes: its characters, and `_ENTRY_WEIGHT` for each entry in it."""
_ENTRY_WEIGHT: Final = 64
_FIELD_WEIGHT: Final = 320
"""Of a field of a format beside what it is given: `%f` writes the largest number with so many characters."""
_BITS_PER_DIGIT: Final = 3
_MAX_SLOW_WEIGHT: Final = 20_000
"""Of what a filter is given that can take long for each character, such as the wrapping of lines."""
_MAX_SPLIT: Final = 300_000
"""Characters of a text that is taken apart into a list, where it is not known into how many."""
_MAX_TEMPLATE: Final = 300_000
"""Characters. Those of real models have up to 30,000."""
_MAX_KEPT: Final = 5_000_000
"""Entries of all lists that one rendering makes."""
_MAX_WRITTEN: Final = 50_000_000
"""Characters that a template writes and makes, those between its tags too; those inside macros count again outside."""
_MAX_ARGUMENT: Final = 100_000
"""The largest whole number that a filter, a call or a format is given: how wide, how many times, how many decimals."""
_MAX_INDENT: Final = 16
_MAX_BITS: Final = 10_000
"""Of a whole number."""

_SLOW: Final = frozenset({"pprint", "striptags", "title", "urlize", "wordcount", "wordwrap", "xmlattr"})
_TAKING_APART: Final = frozenset(
    {"batch", "groupby", "join", "list", "map", "max", "min", "random", "reject", "rsplit", "select", "slice", "sort",
     "split", "splitlines", "sum", "unique"}
)  # fmt: skip
_GROWING: Final = frozenset({"expandtabs", "indent", "translate"})
"""What can make each character of a text into as many as its argument says."""
_ENCODINGS: Final = frozenset({"utf-8", "utf8", "ascii", "latin-1"})
"""Others can take long."""
_DIRECTIVE: Final = re.compile(r"%(?:\([^()]*\))?[#0\- +]*(\*|\d*)(?:\.(\*|\d*))?(\(?)")


class _Work:
    """What one rendering has done so far."""

    def __init__(self) -> None:
        self._n_steps = self._n_looks = self._n_written = self._n_kept = 0
        self._end = time.thread_time() + _MAX_SECONDS
        self._weighed: dict[int, tuple[object, int]] = {}
        """By the value's id; the value is held, so that no other gets its id."""

    def step(self, n_steps: int = 1) -> None:
        self._n_steps += n_steps
        if self._n_steps > _MAX_STEPS:
            raise ValueError(f"its loops and calls take more than {_MAX_STEPS:,} turns")
        self._n_looks += 1
        if self._n_looks % _STEPS_PER_LOOK == 0 and time.thread_time() > self._end:
            raise ValueError(f"it computes for more than {_MAX_SECONDS:.0f} seconds")

    def write(self, n_characters: int) -> None:
        self._n_written += n_characters
        if self._n_written > _MAX_WRITTEN:
            raise ValueError(f"it writes more than {_MAX_WRITTEN:,} characters")

    def weigh(self, value: object) -> int:
        """How many characters a value has, with something for each entry in it, however often it is the same one."""
        if isinstance(value, str | bytes):
            return len(value)
        if isinstance(value, int):
            return value.bit_length() // _BITS_PER_DIGIT + 1
        if not isinstance(value, list | tuple | Mapping | ItemsView | KeysView | ValuesView):
            return _ENTRY_WEIGHT * len(value) if isinstance(value, range) else _ENTRY_WEIGHT
        known = self._weighed.get(id(value))
        if known is None:
            self._n_kept += len(value)
            if self._n_kept > _MAX_KEPT:
                raise ValueError(f"its lists have more than {_MAX_KEPT:,} entries together")
            pairs = value.items() if isinstance(value, Mapping) else value if isinstance(value, ItemsView) else ()
            parts = (part for pair in pairs for part in pair) if pairs else value
            weight = sum(_ENTRY_WEIGHT + self.weigh(part) for part in parts)
            known = self._weighed[id(value)] = (value, weight)
        return known[1]


_WORK: Final[ContextVar[_Work]] = ContextVar("work")
"""Of the rendering that runs in this thread. It is no value of the template, so no template can name or set it."""


# --- what templates are made to call ----------------------------------------------------------------------------------


def _count_turns(items: Iterable[object], n_literal: int = 0) -> Iterator[object]:
    """Give the items, as long as steps are left; each turn writes `n_literal` characters that stand between tags."""
    work = _WORK.get()
    for item in items:
        work.step()
        if n_literal:
            work.write(n_literal)
        yield item


def _count_yields(items: Iterator[object]) -> Iterator[object]:
    """Give what a filter makes one by one, as long as all of it together is no larger than a list may be."""
    work, weight = _WORK.get(), 0
    for item in items:
        work.step()
        weight += _ENTRY_WEIGHT + work.weigh(_check(item))
        _require_weight(weight)
        yield item


def _check(value: Any) -> Any:
    """A value that was made, if it is none too large."""
    work = _WORK.get(None)
    if work is None:
        return value  # jinja computes constants while it compiles
    work.step()
    if isinstance(value, int):
        _require_bits(value.bit_length())
    if isinstance(value, Iterator):
        return _count_yields(value)
    _require_weight(weight := work.weigh(value))
    work.write(0 if isinstance(value, range) else weight)  # it may be kept to the end; a range holds nothing
    return value


_OWN_CALLS: Final = (_count_turns, _check)


class _OpaqueNamespace(Namespace):
    """Jinja's, whose values are written by nobody: namespaces that hold one another would be written without end."""

    def __repr__(self) -> str:
        return "<Namespace>"


class _Bounding(NodeTransformer):
    """Puts the calls above into a template."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        node.iter = _call("count_turns", node.iter, nodes.Const(_count_literal(node)))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Two by two, so that what is joined is looked at before more is joined to it."""
        self.generic_visit(node)
        parts = [_as_text(part) for part in node.nodes]
        while len(parts) > 1:
            parts = [
                _as_text(nodes.Concat(parts[place : place + 2])) if place + 1 < len(parts) else parts[place]
                for place in range(0, len(parts), 2)
            ]
        return parts[0]

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        node.expr = _call("check", node.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _call("check", node) if isinstance(node.arg, nodes.Slice) else node

    def _visit_made(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else _call("check", node)

    visit_List = visit_Tuple = visit_Dict = _visit_made  # noqa: N815


def _call(name: str, *arguments: Any) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(arguments), [], None, None)


def _as_text(part: nodes.Expr | None) -> nodes.Filter:
    return nodes.Filter(part, "string", [], [], None, None)


def _count_literal(node: nodes.Node) -> int:
    """How many characters a node has between its tags, and in them as texts."""
    texts = (
        getattr(part, "data", None) or getattr(part, "value", None)
        for part in node.find_all((nodes.TemplateData, nodes.Const))
    )
    return sum(len(text) for text in texts if isinstance(text, str))


# --- the sandbox ------------------------------------------------------------------------------------------------------


class BoundedSandbox(ImmutableSandboxedEnvironment):
    """A sandbox whose templates are rendered by `render_bounded` and compiled by `compile_bounded`."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    count_turns, check = staticmethod(_count_turns), staticmethod(_check)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, finalize=_count_written)
        self.globals |= {"namespace": _OpaqueNamespace}
        del self.globals["lipsum"]  # it makes as much as it is asked for
        self.filters = {name: _bound_filter(name, function) for name, function in self.filters.items()}
        self.tests = {name: _bound_test(test) for name, test in self.tests.items()}  # type: ignore[arg-type]
        self.n_literal: dict[str, int] = defaultdict(int)
        """By macro: how many characters stand between its tags, the most of those of one name."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        """Call something for a template."""
        if any(__obj is own for own in _OWN_CALLS):
            return __obj(*args)
        given = (*args, *(value for name, value in named.items() if name not in ("_loop_vars", "_block_vars")))
        work = _WORK.get()
        work.step(_CALL_STEPS)
        _require_small(given)
        if isinstance(__obj, LoopContext) and args:  # `loop(items)` begins a recursive loop anew
            args = (_count_turns(args[0], max(__self.n_literal.values(), default=0)), *args[1:])
            return super().call(__context, __obj, *args, **named)
        if isinstance(__obj, Macro):
            work.write(__self.n_literal[__obj.name])
        if isinstance(text := getattr(__obj, "__self__", None), str | bytes):
            _foresee(__obj.__name__, text, given)
        return _check(super().call(__context, __obj, *args, **named))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute for a template."""
        _foresee_operator(operator, left, right)
        return _check(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` within limits."""
        formatted = super().wrap_str_format(value)
        if formatted is None:
            return None
        text = str(value.__self__)

        def bounded(*args: Any, **named: Any) -> str:
            _foresee_fields(text, (*args, *named.values()))
            return formatted(*args, **named)

        return bounded


def compile_bounded(environment: BoundedSandbox, text: str) -> Template:
    """A template that weighs what it makes and counts the turns of its loops.

    Raises:
        jinja2.TemplateError: The text is no template.
        ValueError: It is too long for one.
    """
    if len(text) > _MAX_TEMPLATE:
        raise ValueError(f"it has more than {_MAX_TEMPLATE:,} characters")
    tree = environment.parse(text)
    for macro in tree.find_all((nodes.Macro, nodes.CallBlock, nodes.For)):
        name = getattr(macro, "name", "caller")
        environment.n_literal[name] = max(environment.n_literal[name], _count_literal(macro))
    tree = _Bounding().visit(tree)
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
    if work := _WORK.get(None):
        work.write(work.weigh(value))
    return value


def _bound_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    n_own = 1 if hasattr(function, "jinja_pass_arg") else 0  # what jinja passes before the value that is filtered

    @functools.wraps(function)
    def bounded(*args: Any, **named: Any) -> Any:
        if (work := _WORK.get(None)) is None:
            raise nodes.Impossible  # jinja would compute it while it compiles, without limits
        work.step(_CALL_STEPS)
        passed, value, given = args[:n_own], args[n_own], args[n_own + 1 :]
        _require_small((*given, *named.values()))
        if name in ("join", "sum") and isinstance(value, Iterator):
            value = list(_count_yields(value))
        _foresee_filter(name, value, given, named)
        return _check(function(*passed, value, *given, **named))

    return bounded


def _bound_test(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def bounded(*args: Any, **named: Any) -> Any:
        if work := _WORK.get(None):
            work.step()
        return function(*args, **named)

    return bounded


# --- what is foreseen -------------------------------------------------------------------------------------------------


def _foresee_operator(operator: str, left: Any, right: Any) -> None:
    """Refuse what would take long or much memory."""
    if operator == "+" and type(left) is not int:
        _require_weight(_weigh(left) + _weigh(right))
    elif operator == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(other, int) and isinstance(one, str | bytes | list | tuple):
                _require_weight(_weigh(one) * other)
        if isinstance(left, int) and isinstance(right, int):
            _require_bits(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int) and left not in (-1, 0, 1):
        _require_bits(left.bit_length() * right)
    elif operator == "%" and isinstance(left, str | bytes):
        _foresee_directives(left if isinstance(left, str) else left.decode("latin-1"), right)


def _foresee_filter(name: str, value: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuse what would take long or much memory."""
    arguments = (*given, *named.values())
    is_slow = name in _SLOW or (name == "sum" and any(not isinstance(one, int | float | str) for one in arguments))
    if is_slow and (_weigh(value) + _weigh(arguments)) > _MAX_SLOW_WEIGHT:
        raise ValueError(f"the filter {name} is given more than {_MAX_SLOW_WEIGHT:,} characters")
    if name == "wordwrap":
        _require_weight(_weigh(value) * (1 + _weigh(arguments)))
    if name == "tojson" and any(isinstance(one, int) and one > _MAX_INDENT for one in arguments):
        raise ValueError(f"an indent is wider than {_MAX_INDENT}")
    if name == "format":
        _foresee_directives(str(value), named or given)
    elif isinstance(value, str | bytes):
        _foresee(name, value, arguments)
    elif name == "join" and hasattr(value, "__len__"):
        _require_weight(_weigh(value) + len(value) * _weigh(given[0] if given else named.get("d", "")))


def _foresee(name: str, text: str | bytes, arguments: tuple[Any, ...]) -> None:
    """Refuse what a method or a filter would make of a text."""
    n = len(text)
    if name in _SLOW and n > _MAX_SLOW_WEIGHT:
        raise ValueError(f"{name} is given more than {_MAX_SLOW_WEIGHT:,} characters")
    if name in ("encode", "decode") and any(isinstance(one, str) and one not in _ENCODINGS for one in arguments[:1]):
        raise ValueError(f"{name} is for UTF-8 here")
    if name in ("split", "rsplit") and arguments and isinstance(arguments[0], str | bytes) and arguments[0]:
        _require_weight(n + _ENTRY_WEIGHT * text.count(arguments[0]))  # type: ignore[arg-type]
    elif name in _TAKING_APART and n > _MAX_SPLIT:
        raise ValueError(f"a text of more than {_MAX_SPLIT:,} characters is taken apart")
    if name in _GROWING:
        _require_weight(n * (1 + sum(one if isinstance(one, int) else _weigh(one) for one in arguments)))
    elif name == "join" and arguments and not isinstance(arguments[0], str):
        items = arguments[0]
        _require_weight(n * len(items) if hasattr(items, "__len__") else n * _MAX_ARGUMENT)
    elif name == "join" and arguments:
        _require_weight((n + _ENTRY_WEIGHT) * len(arguments[0]))
    elif name == "replace" and len(arguments) >= 2 and all(isinstance(one, str | bytes) for one in arguments[:2]):
        old, new = arguments[:2]
        if n * len(new) > _MAX_WEIGHT:
            _require_weight(n + (text.count(old) if old else n + 1) * len(new))


def _foresee_directives(text: str, values: Any) -> None:
    """Refuse a format with `%` whose result can be huge."""

    def list_numbers() -> Iterator[list[str]]:
        for found in _DIRECTIVE.finditer(text):
            *numbers, bracket = found.groups("")
            if bracket or "*" in numbers:
                raise ValueError("a format takes its width from what it is given, or a name in it has brackets")
            yield numbers

    _foresee_format(list_numbers(), values)


def _foresee_fields(text: str, values: Any) -> None:
    """Refuse a format with `{}` whose result can be huge."""

    def list_numbers() -> Iterator[list[str]]:
        for _, name, spec, _ in Formatter().parse(text):
            if "{" in (spec or ""):
                raise ValueError("a format takes its width from what it is given")
            if name is not None:
                yield re.findall(r"[0-9]+", spec or "")

    _foresee_format(list_numbers(), values)


def _foresee_format(fields: Iterable[list[str]], values: Any) -> None:
    """Refuse a format by the widths and decimals of its fields, each of which may write all that it is given."""
    weight, each = 0, _FIELD_WEIGHT + _weigh(values)
    for numbers in fields:
        widths = (int(number) if len(number) < len(str(_MAX_WEIGHT)) else _MAX_WEIGHT for number in numbers if number)
        weight += each + sum(widths)
        _require_weight(weight)


def _weigh(value: object) -> int:
    work = _WORK.get(None)
    return work.weigh(value) if work else 0


def _require_small(arguments: Iterable[object]) -> None:
    for value in arguments:
        if isinstance(value, int) and abs(value) > _MAX_ARGUMENT:
            raise ValueError(f"a call is given a number above {_MAX_ARGUMENT:,}")


def _require_weight(weight: int) -> None:
    if weight > _MAX_WEIGHT:
        raise ValueError(f"a text or list in it becomes longer than {_MAX_WEIGHT:,}")


def _require_bits(n_bits: int) -> None:
    if n_bits > _MAX_BITS:
        raise ValueError(f"a number in it has more than {_MAX_BITS:,} bits")
