"""Matrix forms: shapes are checked, entries are the right sums, a wrong form is refused."""

import numpy as np
import pytest
from sympy import IndexedBase, Integer, Sum, symbols

from worked.symbolic import mutate
from worked.symbolic.derivation import Derivation, Rejected, claim, define, prove
from worked.symbolic.evaluate import Evaluator
from worked.symbolic.latex import latex
from worked.symbolic.matrices import Entry, given, positive_part, relu

m, d, h = symbols("m d h", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
X, W = IndexedBase("X", shape=(m, d), real=True), IndexedBase("W", shape=(d, h), real=True)
b, y = IndexedBase("b", shape=(h,), real=True), IndexedBase("y", shape=(m, h), real=True)
FORM = relu(given(X) @ given(W) + given(b))
ENTRY = positive_part(Sum(X[i, k] * W[k, j], (k, 1, d)) + b[j])


def test_shapes_follow():
    assert FORM.shape == (m, h)
    assert given(b).shape == (1, h)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: given(W) @ given(X), r"inner sizes differ"),
        (lambda: given(X) @ given(b), r"\$b\$ of shape 1 x h"),
        (lambda: given(X) + given(b), r"cannot be added to the rows of \$X\$ of shape m x d"),
        (lambda: given(X) @ given(W) + given(y), "cannot be added"),
    ],
)
def test_what_does_not_fit_is_refused(build, reason):
    with pytest.raises(ValueError, match=reason):
        build()


def test_printed():
    assert latex(FORM) == r"\operatorname{relu}\!\left(X \, W + b\right)"
    assert (
        latex((given(X) @ given(W) + given(b)) @ given(IndexedBase("V", shape=(h, d))))
        == r"\left(X \, W + b\right) \, V"
    )
    assert latex(Entry(FORM, i, j)) == r"\left[\operatorname{relu}\!\left(X \, W + b\right)\right]_{i,j}"


def test_an_entry_has_the_value_of_numpys():
    rng = np.random.default_rng(2)
    arrays = {X: rng.normal(size=(2, 3)), W: rng.normal(size=(3, 4)), b: rng.normal(size=4)}
    point = {name: lambda at, a=a: float(a[tuple(n - 1 for n in at)]) for name, a in arrays.items()}
    theirs = np.maximum(arrays[X] @ arrays[W] + arrays[b], 0)
    for row, column in np.ndindex(theirs.shape):
        ours = Evaluator({}, {})(Entry(FORM, i, j), {**point, m: 2, d: 3, h: 4, i: row + 1, j: column + 1})
        assert ours == pytest.approx(theirs[row, column], abs=1e-15)


def derivation(form):
    ranges = {i: (Integer(1), m), j: (Integer(1), h)}
    return Derivation("test", "Test", ranges, (define(y[i, j], ENTRY, ""), claim(y[i, j], Entry(form, i, j), "")))


def test_the_form_is_proved_with_its_entries():
    assert prove(derivation(FORM)).assumed == 1


@pytest.mark.parametrize("wrong", [given(X) @ given(W) + given(b), relu(given(X) @ given(W))], ids=str)
def test_another_form_is_refused(wrong):
    with pytest.raises(Rejected, match="not proved"):
        prove(derivation(wrong))


def test_every_mutant_of_the_form_is_refused():
    report = mutate.run(c for c in mutate.candidates([derivation(FORM)]) if c.step == 1)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 10
    assert {"activation dropped", "row dropped"} <= {operator for operator, _, _ in report.counts}
