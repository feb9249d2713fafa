"""Backpropagation by hand: its three gates, every sign, mutants, wrong premises, and every digit that is shown."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from sympy import Integer, N, Rational, Symbol, exp

from worked import derivations
from worked.answers import backprop_by_hand as answer
from worked.derivations import backprop_by_hand as topic
from worked.drawings import backprop_by_hand as drawing
from worked.symbolic import mutate
from worked.symbolic.definitions import Definition, name_of
from worked.symbolic.derivation import Derivation, Rejected
from worked.symbolic.functions import Partial, logistic
from worked.symbolic.instance import Instance, confirm, nearest

i, j, k = topic.i, topic.j, topic.k


@pytest.fixture(scope="module")
def proof():
    return derivations.prove("backprop_by_hand")


@pytest.fixture(scope="module")
def numbers(proof):
    return Instance(proof.derivations, topic.EXERCISE)


def test_all_gates(proof):
    verdict = proof.verdict()
    assert verdict["assumed"] == 10  # the sigmoid, two inputs and two outputs of units, the loss; four updates
    assert verdict["steps"] == sum(len(d.steps) for d in topic.derive())
    assert verdict["autograd"]["error"] < 1e-12
    assert verdict["finite_difference"]["error"] < 1e-7
    assert len(verdict["anchors"]) == 5
    assert all(anchor["error"] < 1e-14 for anchor in verdict["anchors"])
    assert json.loads(json.dumps(verdict)) == verdict


def test_scope_is_every_width(proof):
    scope = proof.verdict()["scope"]
    assert scope["backprop-by-hand-forward"][-1] == "every $D$, $K$ and $M$"
    assert scope["backprop-by-hand-backward"][-3] == "every $D$, $K$, $M$, $i$ and $j$"
    assert scope["backprop-by-hand-step"][0] == "every $D$, $K$, $M$, $k$ and $i$"


def test_the_answers_hold_no_gradient(proof):
    for name in topic.UPDATES:
        assert r"\partial" not in proof.result(Partial(topic.loss, name)).partition("=")[2]


def test_the_trusted_rule_is_the_proved_one():
    lemma = topic.derive()[0]
    assert lemma.steps[0].right == logistic.definition(topic.z)
    assert (lemma.steps[2].right.doit() - logistic(topic.z).fdiff()).expand() == 0


def signs():
    return [c for c in mutate.candidates(topic.derive()) if c.operator in mutate.SIGNS]


def test_every_flipped_sign_is_caught():
    derived = topic.derive()
    report = mutate.run(signs(), derived, topic.anchors)
    assert not report.survivors
    assert report.total("wrong") > 80
    for d in derived:
        assert {c.step for c in signs() if c.derivation.slug == d.slug} == set(range(len(d.steps)))


def test_a_sample_of_all_mutants_is_rejected():
    derived = topic.derive()
    report = mutate.run(mutate.sample(derived, 50, seed=3), derived, topic.anchors)
    assert not report.survivors, report.table()
    assert report.total("wrong") > 40


def failing(derived):
    return {anchor.what for anchor in topic.anchors(derived) if not anchor.holds}


def test_only_the_anchor_sees_a_sum_in_place_of_the_mean():
    wrong = topic.derive(scale=Integer(1))
    for d in wrong:
        for n in range(len(d.steps)):
            d.check(n)  # nothing to object to
    assert failing(wrong) == {
        "loss of the exercise",
        "gradients of the exercise",
        "new parameters of the exercise",
        OTHER,
    }


def test_only_more_than_two_outputs_show_half_the_sum():
    wrong = topic.derive(scale=Rational(1, 2))
    assert failing(wrong) == {OTHER}


OTHER = "all these of a network with five outputs"


def without_biases(d: Derivation) -> Derivation:
    """The same steps for a network that has no biases; theirs are dropped."""
    none = {topic.b_1[i]: Integer(0), topic.b_2[k]: Integer(0)}
    heads = {*none, *(Partial(topic.loss, b) for b in none), *(topic.UPDATES[b] for b in none)}
    kept, head = [], None
    for step in d.steps:
        head = step.left if step.left is not None else head
        if head not in heads:
            kept.append(replace(step, right=step.right.xreplace(none)))
    return replace(d, steps=tuple(kept), given=tuple(Definition(g.head, g.body.xreplace(none)) for g in d.given))


def test_only_the_anchor_sees_that_the_biases_are_missing():
    wrong = tuple(map(without_biases, topic.derive()))
    for d in wrong:
        for n in range(len(d.steps)):
            d.check(n)
    with pytest.raises(KeyError, match="nothing is known"):
        topic.anchors(wrong)  # the gradients of the biases
    kept = [d for d in topic.derive() if d.slug.endswith(("backward", "step"))]
    forward_only = tuple(d if d.slug.endswith(("lemma", "forward")) else kept.pop(0) for d in wrong)
    assert {"units of the exercise", "loss of the exercise", OTHER} <= failing(forward_only)


def test_the_latex_follows_the_object():
    _, _, backward, _ = topic.derive()
    renamed = backward.replaced(3, right=backward.steps[3].right.xreplace({topic.t[k]: Symbol("c", real=True)}))
    assert "y_{k} - t_{k}" in backward.equation(3)
    assert "y_{k} - c" in renamed.equation(3)
    with pytest.raises(Rejected, match="step 4"):
        renamed.check(3)


# The numbers of the exercise


def exactly():
    """Everything again by SymPy, from the definitions: exact expressions, evaluated to 40 digits."""
    point, half = topic.EXERCISE, range(2)
    x, t, W_h, b_h, W_o, b_o = (
        np.vectorize(Rational)(np.array(point[name]))
        for name in (topic.x, topic.t, topic.w_1, topic.b_1, topic.w_2, topic.b_2)
    )
    sigmoid = lambda z: 1 / (1 + exp(-z))  # noqa: E731
    z_h = [sum(W_h[u, p] * x[p] for p in range(3)) + b_h[u] for u in half]
    h = [sigmoid(z) for z in z_h]
    z_o = [sum(W_o[v, u] * h[u] for u in half) + b_o[v] for v in half]
    y = [sigmoid(z) for z in z_o]
    loss = sum((y[v] - t[v]) ** 2 for v in half) / 2
    d_o = [(y[v] - t[v]) * y[v] * (1 - y[v]) for v in half]
    d_h = [sum(d_o[v] * W_o[v, u] for v in half) * h[u] * (1 - h[u]) for u in half]
    gradients = {
        topic.w_1: [d_h[u] * x[p] for u in half for p in range(3)],
        topic.b_1: d_h,
        topic.w_2: [d_o[v] * h[u] for v in half for u in half],
        topic.b_2: d_o,
    }
    old = {topic.w_1: W_h.ravel(), topic.b_1: b_h, topic.w_2: W_o.ravel(), topic.b_2: b_o}
    new = {name: [a - Rational("0.01") * g for a, g in zip(old[name], gradients[name], strict=True)] for name in old}
    return {"loss": loss, "h": h, "y": y, "errors": (d_h, d_o), "gradients": gradients, "new": new}


def digits(e):
    return Fraction(str(N(e, 40)))


def entry(expected, parameter):
    """The expected value of a parameter of the tables."""
    width = {topic.w_1: 3, topic.w_2: 2}.get(parameter.entry.base)
    first, *second = (parameter.at[index] - 1 for index in parameter.entry.indices)
    return expected[parameter.entry.base][first * width + second[0] if second else first]


def test_every_digit_of_the_tables_is_right(numbers):
    exact = exactly()
    gradients, steps = drawing.gradient_table(numbers), drawing.step_table(numbers)
    assert [row[0] for row in steps.body] == [f"$w_{{{n}}}$" for n in range(1, 11)] + [
        "$b^{(1)}_{1}$", "$b^{(1)}_{2}$", "$b^{(2)}_{1}$", "$b^{(2)}_{2}$",
    ]  # fmt: skip
    for p, first, second in zip(drawing.parameters(numbers), gradients.body, steps.body, strict=True):
        gradient, new = (digits(entry(exact[what], p)) for what in ("gradients", "new"))
        for text, value in ((first[1], gradient), (second[2], gradient), (second[3], new)):
            assert len(text.partition(".")[2]) == 8
            confirm(text, value)
            changed = text[:-1] + str((int(text[-1]) + 1) % 10)
            with pytest.raises(Rejected):
                confirm(changed, value)
        layer = 0 if p.entry.base in (topic.w_1, topic.b_1) else 1
        unit = p.at[i if layer == 0 else k] - 1
        confirm(first[2], digits(exact["errors"][layer][unit]))
        assert abs(Fraction(first[2]) * Fraction(first[3]) - gradient) < Fraction(1, 10**7)  # as one would check it


def test_the_files_hold_thirty_decimals(numbers):
    exact = exactly()
    for p, row in zip(drawing.parameters(numbers), drawing.step_table(numbers).rows, strict=True):
        confirm(row["after"], Fraction(str(N(entry(exact["new"], p), 60))))
        assert len(row["after"].partition(".")[2]) == 30


def test_every_number_of_the_lines_is_right(numbers):
    exact = exactly()
    known = [exact["loss"], *exact["h"], *exact["y"], *(e for layer in exact["errors"] for e in layer)]
    known += [e for what in ("gradients", "new") for values in exact[what].values() for e in values]
    values = [digits(e) for e in known] + [Fraction("4.3"), Fraction("5.3")]
    values += [digits(sum(w * h for w, h in zip(row, exact["h"], strict=True)) + Rational(1, 2))
               for row in ((Rational("0.7"), Rational("0.9")), (Rational("0.8"), Rational("0.1")))]  # fmt: skip
    blocks = (
        drawing.forward_by_hand(numbers),
        drawing.output_weight_by_hand(numbers),
        drawing.hidden_weight_by_hand(numbers),
        drawing.step_by_hand(numbers),
    )
    found = 0
    for text in re.findall(r"\d\.\d{6}", " ".join(blocks)):
        assert any(text == f"{float(round(value, 6)):.6f}" for value in values), text
        found += 1
    assert found > 30
    assert r"z^{(1)}_{1} & = 0.1 \cdot 1 + 0.3 \cdot 4 + 0.5 \cdot 5 + 0.5 = 4.3" in blocks[0]
    assert r"L & \approx \frac{1}{2} \left(\left(" in blocks[0]


def test_the_lines_print_the_proved_object(numbers):
    """A proof of another formula would show other lines."""
    _, forward, backward, step = topic.derive()
    other = backward.replaced(6, right=backward.steps[6].right * 2)
    shown = drawing.output_weight_by_hand(Instance((forward, other, step), topic.EXERCISE))
    assert r"2 \cdot" in shown
    assert r"2 \cdot" not in drawing.output_weight_by_hand(numbers)


def test_pytorch_agrees_to_twelve_digits(numbers):
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 2, dtype=torch.float64),
        torch.nn.Sigmoid(),
        torch.nn.Linear(2, 2, dtype=torch.float64),
        torch.nn.Sigmoid(),
    )
    entries = [topic.w_1[i, j], topic.b_1[i], topic.w_2[k, i], topic.b_2[k]]
    with torch.no_grad():
        for p, e in zip(model.parameters(), entries, strict=True):
            p.copy_(torch.tensor(np.array(topic.EXERCISE[e.base]).astype(float)))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    sample, target = (torch.tensor([float(v) for v in topic.EXERCISE[name]], dtype=torch.float64)
                      for name in (topic.x, topic.t))  # fmt: skip
    before = torch.nn.functional.mse_loss(model(sample), target)
    before.backward()
    close = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(before.item(), nearest(numbers.value(topic.loss)), **close)
    for p, e in zip(model.parameters(), entries, strict=True):
        ours = [nearest(v) for v in numbers.values(Partial(topic.loss, e))]
        np.testing.assert_allclose(p.grad.numpy().ravel(), ours, **close)
    optimiser.step()
    for p, e in zip(model.parameters(), entries, strict=True):
        ours = [nearest(v) for v in numbers.values(topic.UPDATES[e])]
        np.testing.assert_allclose(p.detach().numpy().ravel(), ours, **close)


def test_the_fall_of_the_loss(proof, numbers):
    real = nearest(drawing.fall(proof.derivations, numbers))
    arguments = {"x": topic.x, "t": topic.t, "W_h": topic.w_1, "b_h": topic.b_1, "W_o": topic.w_2, "b_o": topic.b_2}
    given = {name: np.array(topic.EXERCISE[base]).astype(float) for name, base in arguments.items()}
    first = answer.step(**given, rate=0.01)
    second = answer.step(**given | vars(first.new), rate=0.01)
    assert second.loss - first.loss == pytest.approx(real, abs=1e-15)
    squares = sum((gradient**2).sum() for gradient in vars(first.gradient).values())
    assert nearest(numbers.value(topic.FIRST_ORDER)) == pytest.approx(-0.01 * squares, rel=1e-13)


def test_what_first_order_leaves_out_grows_with_the_step(proof, numbers):
    table = drawing.rates_table(proof.derivations, numbers, ("0.001", "0.01", "0.1", "1", "10", "100"))
    off = [abs(float(row["ratio"]) - 1) for row in table.rows]
    assert off == sorted(off)
    assert off[1] / off[0] == pytest.approx(10, rel=0.05)  # the first term that is left out is quadratic


READINGS = {  # factor of the loss, whether the biases learn, whether a layer shares its bias
    "mean of the squares, all biases updated (here)": (1.0, True, False),
    "half the sum of the squares": (1.0, True, False),
    "sum of the squares": (2.0, True, False),
    "biases not updated": (1.0, False, False),
    "one bias for each layer": (1.0, True, True),
}


def test_the_other_readings_equal_pytorch(numbers):
    table = drawing.readings_table(numbers)
    assert [row[0] for row in table.body] == list(READINGS)
    leaf = lambda values: torch.tensor(values, dtype=torch.float64, requires_grad=True)  # noqa: E731
    for row, (factor, learns, shared) in zip(table.body, READINGS.values(), strict=True):
        W_h, W_o = leaf([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]), leaf([[0.7, 0.9], [0.8, 0.1]])
        b_h, b_o = (leaf([0.5] if shared else [0.5, 0.5]) for _ in range(2))
        hidden = torch.sigmoid(W_h @ leaf([1.0, 4.0, 5.0]) + b_h)
        errors = torch.sigmoid(W_o @ hidden + b_o) - leaf([0.1, 0.05])
        loss = factor * (errors**2).mean()
        loss.backward()
        bias = b_h[0].item() - (0.01 * b_h.grad[0].item() if learns else 0)
        expected = (loss.item(), W_o.grad[0, 0].item(), W_o[0, 0].item() - 0.01 * W_o.grad[0, 0].item(), bias)
        assert [float(text) for text in row[1:]] == pytest.approx(expected, abs=6e-7)


def test_the_assumption_is_the_stated_one(numbers):
    values = [numbers.value(p.entry, p.at) for p in drawing.parameters(numbers)]
    assert values == [Fraction(n, 10) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 5, 5, 5, 5)]
    by_name = {p.name: p for p in drawing.parameters(numbers)}
    fed = lambda *names: [(by_name[f"w_{{{n}}}"].entry.base, tuple(by_name[f"w_{{{n}}}"].at.values())) for n in names]  # noqa: E731
    assert fed(1, 3, 5) == [(topic.w_1, (1, 1)), (topic.w_1, (1, 2)), (topic.w_1, (1, 3))]
    assert fed(2, 4, 6) == [(topic.w_1, (2, 1)), (topic.w_1, (2, 2)), (topic.w_1, (2, 3))]
    assert fed(7, 9) == [(topic.w_2, (1, 1)), (topic.w_2, (1, 2))]
    assert fed(8, 10) == [(topic.w_2, (2, 1)), (topic.w_2, (2, 2))]
    shown = drawing.assumed(numbers)
    assert r"w_{1} & w_{3} & w_{5} \\ w_{2} & w_{4} & w_{6}" in shown
    assert r"0.7 & 0.9 \\ 0.8 & 0.1" in shown


def test_other_numbers_can_be_put_in(proof):
    point = topic.network(
        inputs=(2,), targets=("0.5",), W_h=((1,), (-1,), ("0.5",)), b_h=(0, 0, 0), W_o=((1, 2, 3),), b_o=("0.1",),
        learning_rate=1,
    )  # fmt: skip
    other = Instance(proof.derivations, point)
    done = answer.step([2], [0.5], [[1], [-1], [0.5]], [0, 0, 0], [[1, 2, 3]], [0.1], 1.0)
    assert nearest(other.value(topic.loss)) == pytest.approx(done.loss, rel=1e-14)
    assert [nearest(v) for v in other.values(topic.new_w_1[i, j])] == pytest.approx(done.new.W_h.ravel().tolist())
    moved = topic.moved(other, proof.derivations)
    assert moved.value(topic.w_2[k, i], {k: 1, i: 3}) == other.value(topic.new_w_2[k, i], {k: 1, i: 3})
    assert name_of(topic.b_2[k]) in moved.point
