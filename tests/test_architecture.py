"""The shape of the code: floors, columns, light imports, short functions. See docs/how-it-works.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import affekt

SOURCE = Path(affekt.__file__).parent
FLOORS = {
    "types": 0, "tables": 0, "labels": 0, "errors": 0, "_optional": 0, "_files": 0,
    "speech": 1, "face": 1, "text": 1, "models": 1,
    "corpora": 2, "data": 2,
    "evaluate": 3,
    "train": 4, "recognize": 4, "attendance": 4,
    "plot": 5,
    "cli": 6, "server": 6, "client": 6, "write": 6, "__main__": 6,
}  # fmt: skip
COLUMNS = {"speech", "face", "text", "models"}
SIDE_BY_SIDE = {"train", "recognize", "attendance"}
#: Rooms that only start when their extra is installed, and what they may import of it.
EXTRAS = {
    "train": {"torch"},
    "server": {"fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"},
}  # fmt: skip
BASE = {"numpy", "onnxruntime", "soundfile", "soxr", "av", "click", "rich"}
FILES = sorted(SOURCE.rglob("*.py"))
FUNCTIONS = [
    (path, node)
    for path in FILES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
]


def room(path: Path) -> str:
    """The folder or module right below the package."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[tuple[str, int]]:
    """Absolute names of all modules that a file imports, relative imports resolved, with their lines."""
    package = ["affekt", *path.relative_to(SOURCE).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }  # fmt: skip
    found = []
    for node in ast.walk(tree):
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    here = room(path)
    if here == "__init__":
        pytest.skip("the export list names every floor, lazily")
    for module, line in imported(path):
        parts = module.split(".")
        if parts[0] != "affekt" or len(parts) < 2 or parts[1].startswith("__") or parts[1] == here:
            continue
        there = parts[1]
        assert FLOORS[there] <= FLOORS[here], f"{path}:{line} imports {module}, which is on a higher floor"
        assert not ({here, there} <= COLUMNS), f"{path}:{line}: columns do not import one another ({module})"
        assert not ({here, there} <= SIDE_BY_SIDE), f"{path}:{line}: {here} and {there} do not know each other"


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} - {"__init__"} <= set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_third_party_packages_are_those_of_the_base_install(path):
    allowed = {"torch"} if path.name == "network.py" else EXTRAS.get(room(path), set())
    for module, line in imported(path):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top == "affekt" or top in BASE:
            continue
        assert top in allowed, f"{path}:{line}: {module} is no part of the base install; use _optional.require"


def test_evaluate_knows_neither_audio_nor_networks():
    for path in (SOURCE / "evaluate").glob("*.py"):
        rooms = {module.split(".")[1] for module, _ in imported(path) if module.startswith("affekt.")}
        assert not rooms & {"speech", "face", "text", "models", "recognize"}


def test_at_most_twenty_public_names_and_all_of_them_load():
    assert len(affekt.__all__) <= 20
    for name in affekt.__all__:
        assert getattr(affekt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'predikt'"):
        affekt.predikt  # noqa: B018


def test_importing_affekt_loads_nothing_heavy_and_prints_nothing():
    code = "import sys, affekt; print(sorted({m.split('.')[0] for m in sys.modules} & set(sys.argv[1:])))"
    heavy = ["numpy", "onnxruntime", "soundfile", "av", "torch", "matplotlib", "rich", "scipy"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_modules_do_no_work_when_imported(path):
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    allowed = (ast.Import, ast.ImportFrom, *defined, ast.Assign, ast.AnnAssign, ast.If)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert is_docstring or isinstance(node, allowed), f"{path}:{node.lineno} does something when imported"


@pytest.mark.parametrize(("path", "node"), FUNCTIONS, ids=lambda x: getattr(x, "name", ""))
def test_functions_are_short_and_take_few_arguments(path, node):
    body = node.body[1:] if ast.get_docstring(node) else node.body
    lines = (node.end_lineno - body[0].lineno + 1) if body else 0
    assert lines <= 60, f"{path}:{node.lineno} {node.name} has {lines} lines; allowed: 60"
    positional = [a for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
    is_command = any("command" in ast.dump(decorator) for decorator in node.decorator_list)
    assert is_command or len(positional) <= 4, f"{path}:{node.lineno} {node.name} takes {len(positional)} arguments"


def test_no_rooms_without_a_name_of_their_own():
    bad = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "factory", "runner"}
    assert not {path.stem for path in FILES} & bad


def test_public_things_are_documented():
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name} has no docstring"
