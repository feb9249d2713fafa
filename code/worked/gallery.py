"""Charts of single images and of confused classes, from what records keep of them; no data and no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from worked.estimate import estimate
from worked.figures import STYLE, Chart


def gallery(
    name: str, images: Sequence[Mapping[str, Any]], classes: Sequence[str], *, what: str, caption: str
) -> Chart:
    """Small images with their class and, where there is one, the wrong answer and its probability.

    Args:
        name: label of the chart.
        images: entries with ``pixels`` (hexadecimal), ``shape`` [C, H, W], ``label``; wrong ones with ``said`` and
            ``probability``.
        classes: names of the classes.
        what: what the images are, in the plural.
        caption: what is shown.
    """
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    columns = 3 if len(images) < 7 else 4
    rows = -(-len(images) // columns)
    titles = [
        f"{classes[image['said']]}, {100 * image['probability']:.1f} %\nis {classes[image['label']]}"
        if "said" in image
        else classes[image["label"]]
        for image in images
    ]
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(5.6, (1.85 if any("\n" in title for title in titles) else 1.75) * rows))
        drawing.set_layout_engine("constrained")
        axes = list(drawing.subplots(rows, columns, squeeze=False).flat)
        for axis in axes:
            axis.set_axis_off()
        for axis, image, title in zip(axes, images, titles, strict=False):
            shape = image["shape"]
            pixels = np.frombuffer(bytes.fromhex(image["pixels"]), dtype=np.uint8).reshape(shape).transpose(1, 2, 0)
            if shape[0] == 1:
                axis.imshow(pixels[:, :, 0], cmap="gray_r", vmin=0, vmax=255, interpolation="none")
            else:
                axis.imshow(pixels, interpolation="none")
            axis.set_title(title, fontsize=8.5)
    told = "; ".join(title.replace("\n", ", ") for title in titles)
    alt = f"{len(images)} {what}, each under its {'answer and its ' if 'said' in images[0] else ''}class: {told}."
    return Chart(name, drawing, alt, caption)


def confusion(name: str, counts: Sequence[Sequence[Sequence[int]]], classes: Sequence[str], *, caption: str) -> Chart:
    """Share of each true class (row) that is given each answer (column), in percent, in the mean over the runs.

    Args:
        name: label of the chart.
        counts: for each run, the counts by true class and answer.
        classes: names of the classes.
        caption: what is shown.
    """
    import matplotlib
    from matplotlib.figure import Figure

    places = range(len(classes))
    shares = [[[100 * cell / sum(row) for cell in row] for row in run] for run in counts]
    cells = {(t, s): estimate([run[t][s] for run in shares]) for t in places for s in places}
    mean = [[cells[t, s].mean for s in places] for t in places]
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        drawing = Figure(figsize=(5.6, 5.2), layout="constrained")
        axis = drawing.subplots()
        axis.imshow(mean, cmap="Blues", vmin=0, vmax=100)
        for t in places:
            for s in places:
                if f"{mean[t][s]:.0f}" != "0":
                    colour = "white" if mean[t][s] > 50 else "#222222"
                    axis.text(s, t, f"{mean[t][s]:.0f}", ha="center", va="center", fontsize=9, color=colour)
        axis.set_xticks(places, labels=classes, rotation=45, ha="right", fontsize=9)
        axis.set_yticks(places, labels=classes, fontsize=9)
        axis.set(xlabel="answer", ylabel="class")
    worst = sorted(((mean[t][s], t, s) for t in places for s in places if t != s), reverse=True)[:3]
    alt = (
        f"A table of {len(classes)} classes by {len(classes)} answers. Right: "
        + ", ".join(f"{classes[t]} {mean[t][t]:.0f} %" for t in places)
        + ". Most often confused: "
        + ", ".join(f"{classes[t]} taken for {classes[s]}, {share:.0f} %" for share, t, s in worst)
        + "."
    )
    rows = [
        {"class": classes[t], "answer": classes[s], "percent": p.mean, "low": p.low, "high": p.high, "n": p.n}
        for (t, s), p in cells.items()
    ]
    return Chart(name, drawing, alt, caption, rows)
