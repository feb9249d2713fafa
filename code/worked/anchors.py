"""Anchors: published numbers of which this book measures or computes the same quantity.

Each has a tolerance that was stated before the comparison was made, with its reason. ``worked verify`` fails where one
is not met. Only what was done with the same data and the same protocol is compared; nothing measured on reduced or
generated data is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from worked.answers import initialization, layers
from worked.figures import Table
from worked.findings import published_mlp
from worked.records import Store
from worked.study import StudyError


@dataclass(frozen=True)
class Anchor:
    """A published number and our own of the same quantity."""

    id: str
    name: str  # in a few words
    what: str
    where: str  # the source's citation key and the place in it
    published: float
    tolerance: float
    why: str  # this tolerance
    measured: Callable[[Store], float]
    digits: int = 3  # behind the point, where it is shown

    def check(self, store: Store) -> "Checked":
        """Compare."""
        return Checked(self, self.measured(store))


@dataclass(frozen=True)
class Checked:
    """What a comparison gave."""

    anchor: Anchor
    measured: float

    @property
    def met(self) -> bool:
        """Whether our number is within the tolerance of the published one; NaN is not."""
        return abs(self.measured - self.anchor.published) <= self.anchor.tolerance

    @property
    def sentence(self) -> str:
        """The comparison in a sentence."""
        anchor, digits = self.anchor, self.anchor.digits
        word = "is met" if self.met else "is not met"
        return (
            f"the anchor {anchor.id} {word}: {anchor.what}, published {anchor.published:.{digits}f}, here "
            f"{self.measured:.{digits + 1}f}, allowed difference {anchor.tolerance:g}"
        )


def _benchmark(store: Store) -> float:
    """Mean test accuracy of the benchmark's runs on the official data, of the full profile and no other."""
    study = published_mlp.STUDY
    if not study.is_complete("full", store):
        raise StudyError(f"{study.slug} lacks records of the profile full: run `worked run {study.slug}`")
    records = study.present("full", store)
    if other := sorted({record.data_source for record in records} - {"official"}):
        raise StudyError(f"an anchor needs official data, and records of {study.slug} are of {', '.join(other)} data")
    values = published_mlp.Summary(records).test
    return sum(values) / len(values)


def _vgg11(store: Store) -> float:
    return sum(float(row.parameters) for row in layers.rows(layers.VGG11, layers.VGG11_INPUT)) / 1e6


def _he(store: Store) -> float:
    """By how much the deviation 0.01 shrinks a gradient from the tenth to the second convolution of VGG's network B.

    In units of the deviation by the formula for ReLU, whose gradient passes a 3 x 3 convolution with d filters
    unchanged if that is sqrt(2 / 9d). Network B has two convolutions each of 64, 128 and 256 filters, and four of 512.
    """
    moment = next(a.known for a in initialization.ACTIVATIONS if a.name == "ReLU")
    assert moment is not None
    return math.prod(1 / math.sqrt(9 * d * moment) / 0.01 for d in (64, 128, 128, 256, 256, 512, 512, 512, 512)) / 1e4


def _selu(store: Store) -> float:
    selu = next(a for a in initialization.ACTIVATIONS if a.name == "SELU")
    return initialization.second_moment(selu.phi)


ANCHORS = (
    Anchor(
        "fashion-mnist",
        "Fashion-MNIST, small network",
        f"test accuracy on Fashion-MNIST of a {published_mlp.WORDS}",
        "{cite:t}`xiao2017`, table 3, MLPClassifier",
        0.870,
        0.01,
        "two means of 5 runs, and a run's accuracy scatters by about half a point from epoch to epoch",
        _benchmark,
    ),
    Anchor(
        "vgg11-parameters",
        "VGG-11, parameters",
        "parameters of VGG-11, in millions",
        "{cite:t}`simonyan2015`, table 2, network A",
        133,
        0.5,
        "published without decimals",
        _vgg11,
        0,
    ),
    Anchor(
        "he-gradient",
        "Gradients lost by weights of 0.01",
        "factor by which weights of deviation 0.01 in place of the formula's shrink the gradient between the tenth and "
        "the second convolution of VGG's network B, in ten thousands",
        "{cite:t}`he2015`, section 2.2",
        1.7,
        0.05,
        "published with two digits",
        _he,
        1,
    ),
    Anchor(
        "selu",
        "SELU, mean square",
        "mean square of SELU for a standard normal input",
        "{cite:t}`klambauer2017`, as the fixed point of mean 0 and variance 1",
        1,
        1e-4,
        "our quadrature meets a kink at 0",
        _selu,
    ),
)


def checked(store: Store) -> list[Checked]:
    """Every anchor, compared."""
    return [anchor.check(store) for anchor in ANCHORS]


def failures(comparisons: list[Checked]) -> list[str]:
    """A sentence for each anchor that is not met."""
    return [comparison.sentence for comparison in comparisons if not comparison.met]


def table(comparisons: list[Checked]) -> Table:
    """Published and own values."""
    body, rows = [], []
    for one in comparisons:
        a = one.anchor
        verdict = "met" if one.met else "**not met**"
        values = (f"{a.published:.{a.digits}f}", f"{one.measured:.{a.digits + 1}f}", f"{a.tolerance:g}")
        body.append([a.name, *values, verdict])
        rows.append({"anchor": a.id, "published": a.published, "here": one.measured, "tolerance": a.tolerance})
    caption = "Published numbers and our own of the same quantities, with the difference that was allowed beforehand."
    header = ("Quantity", "Published", "Here", "Allowed", "Verdict")
    return Table("anchors", caption, header, body, rows, "Compared when this page was built")


def sources(comparisons: list[Checked]) -> str:
    """What each anchor is, where it was published, and why its tolerance is what it is, as a list."""
    return "\n".join(
        f"- *{a.name}*: {a.what}. Published by {a.where}. Allowed are {a.tolerance:g}: {a.why}."
        for a in (one.anchor for one in comparisons)
    )
