"""Teacher and student side by side."""

from worked.diagrams import arrow, box, canvas, diagram, label
from worked.figures import Chart


def pair() -> Chart:
    """One input, two outputs, one squared difference."""
    figure, axes = canvas(5.0, 1.7)
    box(axes, (0.45, 0.85), r"$x$", width=0.5)
    box(axes, (2.0, 1.38), r"teacher  $w^{*}$", width=1.35)
    box(axes, (2.0, 0.32), r"student  $w$", width=1.35)
    box(axes, (4.15, 0.85), r"$\mathbb{E}\,(\,\cdot\,-\,\cdot\,)^2$", width=1.35)
    arrow(axes, (0.72, 0.95), (1.3, 1.32))
    arrow(axes, (0.72, 0.75), (1.3, 0.38))
    arrow(axes, (2.7, 1.38), (3.45, 0.98), r"$w^{*\top} x$", aside=(0.3, 0.2))
    arrow(axes, (2.7, 0.32), (3.45, 0.72), r"$w^\top x$", aside=(0.3, -0.2))
    label(axes, (4.15, 0.48), "risk $R$")
    alt = (
        "An input x goes to a teacher with weights w star and to a student with weights w. The mean of the squared "
        "difference of their outputs is the risk R."
    )
    caption = "Teacher and student see the same input; the risk is the mean squared difference of their answers."
    return diagram("teacher-student-pair", figure, alt, caption)
