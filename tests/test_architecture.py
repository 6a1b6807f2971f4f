"""The shape of the code: floors, columns, light imports, short functions. See docs/how-it-works.md.

Each test lists all that breaks its rule.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import affekt

SOURCE = Path(affekt.__file__).parent
#: Room to its floor: imports go down only, or stay on the floor.
LEVELS = {
    room: level
    for level, rooms in enumerate(
        [
            {"types", "labels", "errors", "models", "_optional", "_files", "_container"},
            {"timeline"},
            {"speech", "face", "text"},
            {"corpora", "data"},
            {"metrics"},
            {"write"},
            {"recognize", "train"},
            {"archive", "evaluate", "explain", "attendance"},
            {"plot"},
            {"cli", "server", "client", "__main__"},
        ]
    )
    for room in rooms
}
#: Rooms on one floor that do not know one another.
APART = [{"speech", "face", "text"}, {"recognize", "train"}, {"archive", "evaluate", "explain", "attendance"}]
#: Rooms that only start when their extra is installed, and what they may import of it.
EXTRAS = {
    "train": {"torch"},
    "server": {"fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"},
    "attendance": {"sqlalchemy", "cryptography", "openpyxl"},
}
BASE = {"numpy", "onnxruntime", "soundfile", "soxr", "PIL", "av", "click", "rich"}
#: Names that say nothing about what lives there.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "factory", "runner"}
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
FUNCTIONS = [
    (path, node)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
]


def room(path: Path) -> str:
    """The folder or module right below the package."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(SOURCE)}:{line}"


def none_of(offenders: Iterable[str]) -> None:
    """Fail with all that breaks the rule, one a line."""
    listed = "\n".join(offenders)
    assert not listed, f"\n{listed}"


def imported(path: Path) -> list[tuple[str, int]]:
    """Absolute names of all modules that a file imports, relative imports resolved, with their lines."""
    package = ["affekt", *path.relative_to(SOURCE).parts[:-1]]
    for_types = {
        inner
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(TREES[path]):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            found += [(module, node.lineno)]
            if module == "affekt" or node.level:
                found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


#: (file, room, line, room imported) of every import from one room to another.
CROSSINGS = [
    (path, room(path), line, module.split(".")[1])
    for path in FILES
    if room(path) != "__init__"  # the export list names every floor, lazily
    for module, line in imported(path)
    if re.match(r"affekt\.[a-z]", module) and module.split(".")[1] != room(path)
]


def run(code: str, *arguments: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} - {"__init__"} <= set(LEVELS)


def test_imports_go_down_only():
    none_of(
        f"{where(path, line)}: {here} imports {there}, which is on a higher floor"
        for path, here, line, there in CROSSINGS
        if LEVELS[there] > LEVELS[here]
    )


def test_columns_do_not_know_one_another():
    none_of(
        f"{where(path, line)}: {here} imports {there}"
        for path, here, line, there in CROSSINGS
        if any({here, there} <= apart for apart in APART)
    )


def test_what_comes_after_the_logits_knows_no_modality():
    modalities = {"speech", "face", "text"}
    none_of(
        f"{where(path, line)}: {here} imports {there}"
        for path, here, line, there in CROSSINGS
        if (here in {"timeline", "metrics", "write", "models", "client"} and there in modalities)
        or (here == "metrics" and there == "recognize")
    )


def test_third_party_packages_are_those_of_the_base_install():
    known = {*sys.stdlib_module_names, "affekt", *BASE}
    none_of(
        f"{where(path, line)}: {module} is no part of the base install; use _optional.require"
        for path in FILES
        for module, line in imported(path)
        if module.split(".")[0] not in known | EXTRAS.get(room(path), set())
        and not (path.name.endswith(("network.py", "activations.py")) and module.split(".")[0] == "torch")
    )


def test_at_most_twenty_public_names_and_all_of_them_load():
    assert len(affekt.__all__) <= 20
    for name in affekt.__all__:
        assert getattr(affekt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'predikt'"):
        affekt.predikt  # noqa: B018


def test_importing_affekt_loads_nothing_heavy_and_prints_nothing():
    code = "import sys, affekt; print(sorted({m.split('.')[0] for m in sys.modules} & set(sys.argv[1:])))"
    heavy = ["numpy", "onnxruntime", "soundfile", "av", "torch", "matplotlib", "rich", "scipy"]
    assert run(code, *heavy) == ("[]\n", "")


def test_predicting_needs_the_base_install_only():
    code = (
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'torch', 'onnx', 'matplotlib', 'librosa', 'pandas', 'scipy'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "import numpy, affekt\n"
        "print(affekt.predict((numpy.zeros(16000), 16000)))\n"
    )
    assert run(code) == ("[]\n", "")


def test_modules_do_no_work_when_imported():
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    allowed = (ast.Import, ast.ImportFrom, *defined, ast.Assign, ast.AnnAssign, ast.If)
    none_of(
        f"{where(path, node.lineno)} does something when imported"
        for path, tree in TREES.items()
        for node in tree.body
        if not isinstance(node, allowed) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


def test_functions_are_short_and_take_few_arguments():
    broken = []
    for path, node in FUNCTIONS:
        body = node.body[1:] if ast.get_docstring(node) else node.body
        lines = (node.end_lineno - body[0].lineno + 1) if body else 0
        positional = [a for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
        is_command = any("command" in ast.dump(decorator) for decorator in node.decorator_list)
        if lines > 60:
            broken.append(f"{where(path, node.lineno)} {node.name} has {lines} lines; allowed: 60")
        if len(positional) > 4 and not is_command:
            broken.append(f"{where(path, node.lineno)} {node.name} takes {len(positional)} arguments; allowed: 4")
    none_of(broken)


def test_files_are_named_for_what_lives_there():
    none_of(str(path.relative_to(SOURCE)) for path in FILES if path.stem in EMPTY_NAMES)


def test_private_functions_used_once_earn_their_name():
    """At most two lines, called once: its body says as much where it is called. One that is a value may stay."""
    words = Counter(word for path in FILES for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))
    calls = Counter(word for path in FILES for word in re.findall(r"(\w+)\(", path.read_text(encoding="utf-8")))
    none_of(
        f"{where(path, node.lineno)} {node.name}"
        for path, node in FUNCTIONS
        if re.match(r"_[a-z]", node.name)
        and words[node.name] == calls[node.name] == 2
        and not node.decorator_list
        and node.end_lineno - node.lineno < 3
        and not ast.get_docstring(node)
    )


def test_public_things_are_documented():
    nodes = [(path, node) for path, tree in TREES.items() for node in [tree, *tree.body] if getattr(node, "body", [])]
    none_of(
        f"{path.relative_to(SOURCE)}: {getattr(node, 'name', 'the module')} has no docstring"
        for path, node in nodes
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
        and not getattr(node, "name", "").startswith("_")
        and not ast.get_docstring(node)
    )
