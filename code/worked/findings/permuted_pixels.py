"""What permuted pixels do to two networks: summary, claims, figures and tables of the study of the same name."""

from collections.abc import Callable, Sequence

from worked import figures
from worked.claims import Claim, within
from worked.estimate import estimate
from worked.figures import Chart, Table
from worked.findings import Findings
from worked.records import Record
from worked.studies.permuted_pixels import BATCH_SIZE, NETWORKS, PIXELS, SLUG, SPLIT_SEED, STUDY
from worked.study import StudyError
from worked.training import best_trial

NAMES = {"cnn": "convolutional", "mlp": "fully connected"}
MARGIN = 0.01  # a change of the accuracy below this is called none


class Summary:
    """The records by network and pixels: ``runs`` in the order of the seeds, and ``searches``."""

    def __init__(self, records: Sequence[Record]):
        if lost := [f"{record.key} ({record.diverged})" for record in records if record.diverged]:
            raise StudyError(f"a run of {SLUG} diverged and has no accuracy to show: {', '.join(lost)}")
        ordered = sorted(records, key=lambda record: record.spec.seed)
        settings = [(network, pixels) for network in NETWORKS for pixels in PIXELS]
        of = {s: [r for r in ordered if (r.spec.config["network"], r.spec.config["pixels"]) == s] for s in settings}
        self.searches = {setting: next(r for r in of[setting] if r.trials) for setting in settings}
        self.runs = {setting: [r for r in of[setting] if not r.trials] for setting in settings}

    def test(self, network: str, pixels: str) -> list[float]:
        """The test accuracy of the selected epoch, for each seed."""
        return [run.metrics["test_accuracy"] or 0.0 for run in self.runs[network, pixels]]

    def loss(self, network: str) -> list[float]:
        """What the permutation costs: test accuracy on the original minus on permuted pixels, for each seed."""
        return _minus(self.test(network, "original"), self.test(network, "permuted"))


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _ahead(pixels: str) -> Callable[[Summary], list[float]]:
    return lambda s: _minus(s.test("cnn", pixels), s.test("mlp", pixels))


CLAIMS = (
    Claim("permuted-ahead", "on the original pixels the convolutional network is better than the fully connected one",
          _ahead("original"), "difference of the test accuracies"),
    Claim("permuted-cnn", "permuting the pixels costs the convolutional network test accuracy",
          lambda s: s.loss("cnn"), "accuracy lost"),
    Claim("permuted-mlp-less", "permuting the pixels costs the fully connected network less than the convolutional one",
          lambda s: _minus(s.loss("cnn"), s.loss("mlp")), "difference of what they lose"),
    Claim("permuted-mlp-none",
          "permuting the pixels changes the fully connected network's test accuracy by less than "
          f"{100 * MARGIN:g} percentage point, up or down",
          lambda s: s.loss("mlp"), "accuracy lost", holds=within(MARGIN)),
    Claim("permuted-still-ahead", "on permuted pixels the convolutional network is still better than the other",
          _ahead("permuted"), "difference of the test accuracies"),
)  # fmt: skip

FINDINGS = Findings(
    STUDY,
    Summary,
    CLAIMS,
    lambda record: f"{NAMES[record.spec.config['network']]}, {record.spec.config['pixels']} pixels",
)


def brief(summary: Summary) -> str:
    """What came out, in words that are right however the runs fell."""
    told = []
    for network in NETWORKS:
        original, permuted = (estimate(summary.test(network, pixels)).percent for pixels in PIXELS)
        told.append(f"a small {NAMES[network]} network {original} with and {permuted} without the pixels' order")
    return f"Test accuracies on Fashion-MNIST: {', '.join(told)}."


def protocol(summary: Summary) -> str:
    """How the runs were made, in numbers of the study's own settings and records."""
    runs = summary.runs["cnn", "original"]
    profile = STUDY.profiles[runs[0].spec.profile]
    rates = summary.searches["cnn", "original"].spec.config["rates"].split()
    chosen = {setting: best_trial(record.trials)["config"]["rate"] for setting, record in summary.searches.items()}
    ends = [f"{NAMES[n]}, {p}" for (n, p), rate in chosen.items() if rate in (float(rates[0]), float(rates[-1]))]
    peaks = ", ".join(f"{rate:g} ({NAMES[n]}, {p})" for (n, p), rate in chosen.items())
    return (
        f"Both networks are trained for {profile.settings['epochs']} epochs, with SGD, Nesterov momentum, batches of "
        f"{BATCH_SIZE} and a one-cycle learning rate, on the training images but {profile.settings['validation']:,}, "
        f"which the seed {SPLIT_SEED} sets aside for validation. The rate's peak was searched for in each of the four "
        f"settings among {', '.join(rates)}, with one run each and by validation accuracy: {peaks}. Chosen at an end "
        f"of this grid: {'; '.join(ends) or 'none'}. Then each setting is trained {len(runs)} times. The permutation "
        "is applied to every image of all three splits when they are loaded; nothing else differs."
    )


def samples(summary: Summary) -> Chart:
    """The first test images, as they are and permuted."""
    from matplotlib.figure import Figure

    kept = [summary.runs["mlp", pixels][0].images["test"] for pixels in PIXELS]
    drawing = Figure(figsize=(5.6, 2.35), layout="constrained")
    for row, (axes, images) in enumerate(zip(drawing.subplots(2, len(kept[0])), kept, strict=True)):
        for axis, image in zip(axes, images, strict=True):
            pixels = list(bytes.fromhex(image))
            side = int(len(pixels) ** 0.5)
            axis.imshow(
                [pixels[n : n + side] for n in range(0, len(pixels), side)],
                cmap="gray_r",
                vmin=0,
                vmax=255,
                interpolation="none",
            )
            axis.set(xticks=[], yticks=[])
        axes[0].set_ylabel(PIXELS[row], fontsize=11)
    alt = (
        f"Two rows of the same {len(kept[0])} test images. In the first row one sees pieces of clothing, in the "
        "second, with permuted pixels, dots without any shape."
    )
    caption = f"The first {len(kept[0])} test images of Fashion-MNIST, as they are and with permuted pixels."
    return Chart(f"{SLUG}-samples", drawing, alt, caption)


def convergence(summary: Summary) -> Chart:
    """Test accuracy against epochs, a panel for each network."""
    curves = {
        NAMES[network].capitalize(): {
            pixels: [[100 * value for value in run.history["test_accuracy"]] for run in summary.runs[network, pixels]]
            for pixels in PIXELS
        }
        for network in NETWORKS
    }
    caption = "Test accuracy after each epoch: mean over the seeds and its 95 % interval (bands)."
    return figures.curves(f"{SLUG}-convergence", curves, caption=caption, xlabel="epoch", ylabel="test accuracy (%)")


def accuracies(summary: Summary) -> Table:
    """Test accuracies of the four settings, and what the permutation costs."""
    body = []
    for network in NETWORKS:
        lost = estimate(summary.loss(network))
        cells = [estimate(summary.test(network, pixels)).percent for pixels in PIXELS]
        half = 100 * (lost.high - lost.mean)
        body.append([NAMES[network], *cells, f"{100 * lost.mean:+.2f} ± {half:.2f}".replace("-", "−")])
    rows = [
        {"network": network, "pixels": pixels, "seed": run.spec.seed, "test_accuracy": run.metrics["test_accuracy"]}
        for (network, pixels), runs in summary.runs.items()
        for run in runs
    ]
    caption = (
        "Test accuracy of the epoch that validation selects: mean over the seeds ± half of its 95 % t interval. "
        "The loss is paired by seed, in percentage points."
    )
    return Table(f"{SLUG}-accuracies", caption, ("Network", "Original", "Permuted", "Lost"), body, rows)
