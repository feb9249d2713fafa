"""Paths by enumeration, against another implementation and against what they must have."""

from math import comb

import networkx
import pytest

from worked.answers.residual_paths import blocks_used, paths, plain_graph, residual_graph


@pytest.mark.parametrize("blocks", range(1, 9))
def test_paths_of_a_residual_network(blocks):
    graph = residual_graph(blocks)
    found = paths(graph, "x", "y")
    theirs = networkx.all_simple_paths(networkx.DiGraph(graph), "x", "y")
    assert sorted(found) == sorted(map(tuple, theirs))
    assert len(set(found)) == len(found) == 2**blocks
    for block in range(1, blocks + 1):
        assert sum(f"f_{block}" in path for path in found) == 2 ** (blocks - 1)
    lengths = [len(blocks_used(path)) for path in found]
    assert [lengths.count(used) for used in range(blocks + 1)] == [comb(blocks, used) for used in range(blocks + 1)]
    assert all(blocks_used(path) == tuple(sorted(blocks_used(path))) for path in found)


@pytest.mark.parametrize("blocks", range(1, 6))
def test_a_plain_chain_has_one_path(blocks):
    (path,) = paths(plain_graph(blocks), "x", "y")
    assert len(blocks_used(path)) == blocks


@pytest.mark.parametrize("build", [residual_graph, plain_graph])
def test_no_blocks(build):
    with pytest.raises(ValueError, match="at least 1 block, got 0"):
        build(0)
