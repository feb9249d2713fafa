"""The graph of a residual network and its paths, by enumeration."""

from itertools import pairwise

Graph = dict[str, tuple[str, ...]]  # each node with the nodes that its value goes to
Path = tuple[str, ...]


def residual_graph(blocks: int) -> Graph:
    """Return the graph of h_k = h_{k-1} + f_k(h_{k-1}) from x = h_0 to y, the last h.

    Args:
        blocks: how many blocks there are, at least 1.

    Raises:
        ValueError: if there is no block.
    """
    if blocks < 1:
        raise ValueError(f"expected at least 1 block, got {blocks}")
    nodes = ["x", *(f"h_{k}" for k in range(1, blocks)), "y"]
    graph: Graph = {"y": ()}
    for k, (before, after) in enumerate(pairwise(nodes), 1):
        graph[before] = (after, f"f_{k}")  # the skip connection, and the block
        graph[f"f_{k}"] = (after,)
    return graph


def plain_graph(blocks: int) -> Graph:
    """Return the graph of the chain y = f_n(... f_1(x)) without skip connections."""
    if blocks < 1:
        raise ValueError(f"expected at least 1 block, got {blocks}")
    nodes = ["x", *(f"f_{k}" for k in range(1, blocks + 1)), "y"]
    return {before: (after,) for before, after in pairwise(nodes)} | {"y": ()}


def paths(graph: Graph, start: str, end: str) -> list[Path]:
    """Return every path from `start` to `end`: the nodes that it visits, both ends included."""
    if start == end:
        return [(end,)]
    return [(start, *rest) for after in graph[start] for rest in paths(graph, after, end)]


def blocks_used(path: Path) -> tuple[str, ...]:
    """Return the blocks on a path, in order; empty for a path along the skip connections only."""
    return tuple(node for node in path if node.startswith("f_"))
