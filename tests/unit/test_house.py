"""How the code is laid out: the figures that hold of every module at once. CONTRIBUTING.md says what they are for."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import econchatr
from econchatr.pipeline.show_folder import STAGE_NAMES

SRC = Path(econchatr.__file__).parent

MAX_FILES = 322
"""With many shows on a Ray cluster, the training server with kept answers, permissions and graders, the back ends of
four shapes of services, the lines that messages say to install, the recorded demo (its command, its tab), workers that
train together, the packed model's projections, and what spreads work over the cores."""
MAX_PIPELINE_FILES = 22
"""The last are what reads transcripts and pairs episodes, each once, and what chooses among draws."""
MAX_LINES = 62_100
"""The aim is 34,500: whoever takes lines away lowers this figure. The last 150 mend chats, money and reports, the 320
before spread reading, pairing and drafting over every core, the 260 before let several workers train one rung, the 720
before draw many replies together, the 410 before weigh whether new episodes are worth a training, the 80 before are
questions of `init`; the 145 before are an honest bar and a heard Ctrl-C, the 830 before what is kept of each episode,
so that one more costs seconds; the 250 before are the recorded demo, the 800 before what the fine-tuning server needs
to pass OpenAI's own tests of it, the 3,000 before many shows on a Ray cluster, the loop of our own at Tinker,
preferences on the fine-tuning server, the bounds of templates and the best of several draws; before them came the blind
test for the web, feeds in `init` and that server."""
MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
MAX_WIDE_SHARE = 0.008
"""Of all functions, how many may have more than six parameters."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def read_modules() -> dict[str, ast.Module]:
    """Every module by its path below src/econchatr."""
    return {path.relative_to(SRC).as_posix(): ast.parse(path.read_text()) for path in sorted(SRC.rglob("*.py"))}


def count_lines(module: str) -> int:
    return len((SRC / module).read_text().splitlines())


def list_functions() -> Iterator[tuple[str, Function]]:
    """Every function and method, with `module: name`."""
    for module, tree in read_modules().items():
        yield from ((f"{module}: {node.name}", node) for node in ast.walk(tree) if isinstance(node, Function))


def count_parameters(function: Function) -> int:
    own = [*function.args.args, *function.args.kwonlyargs]
    return sum(one.arg not in ("self", "cls") for one in own)


def list_kinds(tree: ast.Module) -> Iterator[str]:
    """Give the public classes of a module, and its names for sets of fixed words (`Outcome = Literal[...]`)."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal["):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def name_module(module: str) -> str:
    """`score` for both score/__init__.py and pipeline/score.py."""
    path = Path(module)
    return path.parent.name if path.stem == "__init__" else path.stem


def find_repeated(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Give each name that stands in more than one place, with the places."""
    places = defaultdict[str, list[str]](list)
    for name, place in named:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_public_class_name_stands_twice() -> None:
    # library.Show is what a caller of the library holds, pipeline.show.Show what the stages hold of the same show.
    named = [
        (name, module)
        for module, tree in read_modules().items()
        for name in list_kinds(tree)
        if not name.startswith("_") and (name, module) != ("Show", "library.py")
    ]
    assert find_repeated(named) == {}


def test_no_module_name_stands_twice() -> None:
    # A stage's module in pipeline/ bears the name of its stage, and so of the package that does the stage's work;
    # records/money.py holds the records of the package money.
    same = {f"pipeline/{stage}.py" for stage in STAGE_NAMES} | {"records/money.py"}
    assert find_repeated((name_module(module), module) for module in read_modules() if module not in same) == {}


def test_no_function_is_too_long_to_read_at_once() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in list_functions()}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_no_module_is_too_long_to_know() -> None:
    lengths = {module: count_lines(module) for module in read_modules()}
    assert {module: length for module, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_few_functions_have_more_than_six_parameters() -> None:
    wide = [name for name, node in list_functions() if count_parameters(node) > MAX_PARAMETERS]
    assert len(wide) <= MAX_WIDE_SHARE * len(list(list_functions())), wide


def test_the_code_stays_small() -> None:
    assert sum(count_lines(module) for module in read_modules()) <= MAX_LINES


def test_there_are_few_files_and_the_pipeline_has_one_for_each_stage() -> None:
    modules = read_modules()
    assert len(modules) <= MAX_FILES
    assert len([module for module in modules if module.startswith("pipeline/")]) <= MAX_PIPELINE_FILES
    assert {f"pipeline/{stage}.py" for stage in STAGE_NAMES} <= set(modules)
