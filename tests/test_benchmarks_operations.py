"""Where the time of a network goes: every node is counted once."""

import importlib.util
from pathlib import Path

import pytest

from affekt.models.zoo import model_path

FILE = Path(__file__).parent.parent / "benchmarks" / "operations.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("operations", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("model", "none"), [("voice-small", ("softmax", "GELU")), ("voice", ())])
def test_the_kinds_add_up_to_all(bench, model, none):
    spent = bench.profile(model_path(model), 1.0, 1)
    total = spent.pop("all")
    assert sum(spent.values()) == pytest.approx(total)
    assert [kind for kind, time in spent.items() if not time and kind != "norms"] == list(none)


def test_a_node_of_the_front_end_is_not_counted_as_a_product(bench):
    assert bench.kind_of("/measured/spectrum/MatMul", "MatMul") == "front end"
    assert bench.kind_of("/encoder/layers.0/widen/MatMul", "MatMul") == "products"
    assert bench.kind_of("/head/Add", "Add") == "the rest"
