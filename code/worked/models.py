"""The networks of the report. A module's constructor states its architecture; nothing here trains or reads data."""

from torch import Tensor, nn


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998, section II.B) for 28 x 28 images, with 61,706 weights when nothing is added.

    Kept from the paper: the layers C1, S2, C3, S4, C5, F6 and output, their kernels and their widths.
    Changed: C1 pads by 2, which replaces the paper's 32 x 32 input; C3 sees all six maps; S2 and S4 take the
    maximum instead of a trained average; ReLU replaces the scaled tanh; the output is linear and is trained
    with cross-entropy instead of radial basis functions.

    Args:
        dropout: probability of dropping each of the 84 units of the hidden layer F6.
        batch_norm: normalise every hidden layer before its ReLU.
        classes: number of outputs.
    """

    def __init__(self, *, dropout: float = 0.0, batch_norm: bool = False, classes: int = 10):
        super().__init__()

        def norm_2d(maps: int) -> nn.Module:
            return nn.BatchNorm2d(maps) if batch_norm else nn.Identity()

        def norm_1d(units: int) -> nn.Module:
            return nn.BatchNorm1d(units) if batch_norm else nn.Identity()

        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2), norm_2d(6), nn.ReLU(),  # C1:   6 x 28 x 28
            nn.MaxPool2d(2),                                                   # S2:   6 x 14 x 14
            nn.Conv2d(6, 16, kernel_size=5), norm_2d(16), nn.ReLU(),           # C3:  16 x 10 x 10
            nn.MaxPool2d(2),                                                   # S4:  16 x  5 x  5
            nn.Conv2d(16, 120, kernel_size=5), norm_2d(120), nn.ReLU(),        # C5: 120 x  1 x  1
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(120, 84), norm_1d(84), nn.ReLU(),  # F6: 84, the hidden layer
            nn.Dropout(dropout),
            nn.Linear(84, classes),                      # output: one logit for each class
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, classes]`` of normalised images ``[N, 1, 28, 28]``."""
        return self.classifier(self.features(images))


def parameter_count(model: nn.Module) -> int:
    """Number of trained numbers in ``model``."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
