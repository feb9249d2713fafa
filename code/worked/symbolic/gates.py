"""The numeric gates: every displayed step again, in floating point. The only module that uses torch, when called.

Both sides are evaluated at random sizes and values, off the definition of what is held; derivatives once by central
differences and once by PyTorch's automatic differentiation.
"""

from collections.abc import Callable, Collection, Iterable
from types import ModuleType, SimpleNamespace
from typing import Any

from sympy import Expr, Indexed, preorder_traversal

from worked.symbolic.definitions import Definitions, Name
from worked.symbolic.evaluate import Evaluator, Point, central_difference, random_point
from worked.symbolic.functions import Partial
from worked.symbolic.sums import Ranges

SEEDS = (1, 2)
TOLERANCE = {"values": 1e-9, "finite_difference": 1e-6, "autograd": 1e-9}
SHIFT = 0.1  # how far a held variable is moved off its definition


def load_torch() -> ModuleType:
    """Return torch, imported on first use."""
    import torch

    return torch


def multiplications(run: Callable[[], Any]) -> float:
    """Return how many multiplications PyTorch counts while `run` runs; it counts each as two operations."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2


def autograd(evaluator: Evaluator, of: Expr, by: Expr, point: Point) -> float:
    """Return the derivative of `of` by `by` at a point, by PyTorch's automatic differentiation."""
    torch = load_torch()
    name, index = evaluator.location(by, point)
    leaves: dict[tuple[int, ...], Any] = {}

    def leaf(n: tuple[int, ...]) -> Any:
        if n not in leaves:
            value = float(evaluator.entry(name, n, point))
            leaves[n] = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        return leaves[n]

    elementary = SimpleNamespace(exp=_on_tensors(torch.exp), log=_on_tensors(torch.log))
    inner = Evaluator(evaluator.definitions, evaluator.ranges, functions=elementary)
    output = inner(of, {**point, name: leaf if isinstance(by, Indexed) else leaf(())})
    if not torch.is_tensor(output) or not output.requires_grad:
        return 0.0
    (gradient,) = torch.autograd.grad(output, leaf(index), allow_unused=True)
    return 0.0 if gradient is None else float(gradient)


def _on_tensors(function: Any) -> Any:
    torch = load_torch()
    return lambda z: function(torch.as_tensor(z, dtype=torch.float64))


def errors(
    left: Expr,
    right: Expr,
    held: Collection[Name],
    definitions: Definitions,
    ranges: Ranges,
    everything: Iterable[Expr],
) -> dict[str, float]:
    """Return the largest relative difference of the two sides by each way of evaluating.

    A step with a derivative gives `finite_difference` and `autograd`, any other `values`. `everything` lists the
    expressions whose names the point must hold; the names `held` are moved off their definitions.
    """
    has_partial = any(isinstance(part, Partial) for side in (left, right) for part in preorder_traversal(side))
    ways = {"finite_difference": central_difference, "autograd": autograd} if has_partial else {"values": None}
    everything = list(everything)
    found = dict.fromkeys(ways, 0.0)
    for seed in SEEDS:
        start = random_point(everything, ranges, seed)
        start = {name: value for name, value in start.items() if name not in definitions.by_name}
        for way, derivative in ways.items():
            evaluator = Evaluator(definitions.by_name, ranges, derivative)
            point = evaluator.held(held, start, SHIFT)
            a, b = float(evaluator(left, point)), float(evaluator(right, point))
            found[way] = max(found[way], abs(a - b) / max(1.0, abs(b)))
    return found
