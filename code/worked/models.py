"""The networks of the report: a constructor states an architecture; nothing here trains or reads data."""

from torch import Tensor, nn


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998, section II.B) for images of 28 x 28 pixels.

    Kept from the paper: the layers C1, S2, C3, S4, C5, F6 and output, their
    kernels and their widths. Changed: C1 pads by 2, in place of the paper's
    input of 32 x 32; C3 sees all six maps; S2 and S4 take the maximum instead
    of a trained average; ReLU replaces the scaled tanh; the output is linear
    and trained with cross-entropy, not with radial basis functions.

    Args:
        dropout: probability of dropping a unit of the hidden layer F6.
        batch_norm: normalise every hidden layer before its ReLU.
        classes: number of outputs.
    """

    def __init__(
        self,
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
        classes: int = 10,
    ):
        super().__init__()

        def maps(n: int) -> nn.Module:
            return nn.BatchNorm2d(n) if batch_norm else nn.Identity()

        def units(n: int) -> nn.Module:
            return nn.BatchNorm1d(n) if batch_norm else nn.Identity()

        # fmt: off
        self.features = nn.Sequential(                          # maps, size
            nn.Conv2d(1, 6, 5, padding=2), maps(6), nn.ReLU(),  # C1:   6, 28 x 28
            nn.MaxPool2d(2),                                    # S2:   6, 14 x 14
            nn.Conv2d(6, 16, 5), maps(16), nn.ReLU(),           # C3:  16, 10 x 10
            nn.MaxPool2d(2),                                    # S4:  16,  5 x 5
            nn.Conv2d(16, 120, 5), maps(120), nn.ReLU(),        # C5: 120,  1 x 1
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(120, 84), units(84), nn.ReLU(),           # F6:  84, hidden
            nn.Dropout(dropout),
            nn.Linear(84, classes),                             # logits
        )
        # fmt: on

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of normalised images ``[N, 1, 28, 28]``."""
        return self.classifier(self.features(images))


class ConvNet(nn.Sequential):
    """3 x 3 convolutions padded by 1 with ReLU, 2 x 2 max pooling after each size, then one linear layer.

    Pooling comes before its ReLU: neither changes the order of two numbers, so that the largest of four ReLUs is the
    ReLU of the largest, in a quarter of the work.

    Args:
        widths: maps at each size.
        channels: of the images.
        side: of the images, which are square; an odd row and column is dropped by pooling.
        each: convolutions at each size.
        batch_norm: whether each convolution's maps are normalised, in place of its bias.
        classes: number of outputs.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (16, 32, 64),
        channels: int = 3,
        side: int = 32,
        each: int = 1,
        batch_norm: bool = False,
        classes: int = 10,
    ):
        layers: list[nn.Module] = []
        before = channels
        for width in widths:
            for depth in range(each):
                layers.append(nn.Conv2d(before, width, 3, padding=1, bias=not batch_norm))
                layers += [nn.BatchNorm2d(width)] * batch_norm + [nn.MaxPool2d(2)] * (depth == each - 1) + [nn.ReLU()]
                before = width
            side //= 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(side * side * before, classes))


class SearchNet(nn.Sequential):
    """A small network: one convolution of 16 maps, a hidden layer of 32, for 28 x 28 pixels.

    Args:
        kernel: size of the convolution's kernel; it does not pad.
        classes: number of outputs, logits: their log-softmax is part of cross-entropy.
    """

    def __init__(self, *, kernel: int = 5, classes: int = 10):
        side = (28 - kernel + 1) // 2
        super().__init__(
            nn.Conv2d(1, 16, kernel), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * side * side, 32), nn.ReLU(), nn.Linear(32, classes),
        )  # fmt: skip


def parameter_count(model: nn.Module) -> int:
    """Number of trained numbers in ``model``."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
