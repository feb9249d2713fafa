"""Networks as lists of layers: one list gives a table's rows, every count and the real PyTorch module.

The arithmetic is that of integers, `//` rounding down. SymPy's symbols understand it, too, so that the formulas which
the derivations prove are these very lines, called with symbols. A shape is (maps, height, width) or (units,).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Size: TypeAlias = Any  # an integer, or SymPy's symbol of one
Shape: TypeAlias = tuple[Size, ...]

BYTES = 4  # of a number in single precision


def window_count(n: Size, kernel: Size, stride: Size, padding: Size) -> Size:
    """Windows that fit into n inputs with `padding` zeros at either end, one every `stride` inputs."""
    return (n + 2 * padding - kernel) // stride + 1


def same_count(n: Size, stride: Size) -> Size:
    """Windows under SAME padding: n / stride, rounded up."""
    return -(-n // stride)


def same_padding(n: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after n inputs under SAME: an odd one comes after."""
    total = max((same_count(n, stride) - 1) * stride + kernel - n, 0)
    return total // 2, total - total // 2


class Layer:
    """A layer without parameters that keeps the shape; the others override what differs."""

    kernel: Size = 1  # inputs that one output sees, in one direction
    stride: Size = 1  # inputs from one output to the next

    @property
    def name(self) -> str:
        """As the assignments write it."""
        return type(self).__name__

    def output(self, shape: Shape) -> Shape:
        """Return the shape that comes out."""
        return shape

    def parameters(self, shape: Shape) -> Size:
        """Return the number of weights and biases."""
        return 0

    def multiply_adds(self, shape: Shape) -> Size:
        """Return the multiplications of one sample, each with its addition."""
        return 0

    def module(self, shape: Shape) -> Any:
        """Return the PyTorch module for inputs of this shape."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv(Layer):
    """A kernel for each pair of maps, and a bias for each output map."""

    maps: Size
    kernel: Size
    stride: Size = 1
    padding: Size = 0  # zeros at either end, or "same"

    @property
    def name(self) -> str:
        """As the assignments write it."""
        return f"CONV{self.kernel}-{self.maps}"

    def output(self, shape: Shape) -> Shape:
        """The maps, each with as many windows as fit."""
        if self.padding == "same":
            return self.maps, *(same_count(n, self.stride) for n in shape[1:])
        window = self.kernel, self.stride, self.padding
        return self.maps, *(window_count(n, *window) for n in shape[1:])

    def parameters(self, shape: Shape) -> Size:
        """Each output map has a kernel for every input map, and a bias."""
        return self.maps * (shape[0] * self.kernel**2 + 1)

    def multiply_adds(self, shape: Shape) -> Size:
        """Each output takes a kernel's worth of every input map."""
        return prod(self.output(shape)) * shape[0] * self.kernel**2

    def module(self, shape: Shape) -> Any:
        """`nn.Conv2d`; the zeros of SAME are a layer of their own."""
        from torch import nn

        sizes = shape[0], self.maps, self.kernel, self.stride
        if self.padding != "same":
            return nn.Conv2d(*sizes, self.padding)
        rows, columns = (same_padding(n, *sizes[2:]) for n in shape[1:])
        return nn.Sequential(nn.ZeroPad2d((*columns, *rows)), nn.Conv2d(*sizes))


@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest of each window; windows do not overlap, and what fills none is ignored."""

    kernel: Size

    @property
    def name(self) -> str:
        """As the assignments write it."""
        return f"POOL{self.kernel}"

    @property
    def stride(self) -> Size:
        """One window begins where the last ended."""
        return self.kernel

    def output(self, shape: Shape) -> Shape:
        """The same maps, each with as many windows as fit."""
        return shape[0], *(window_count(n, self.kernel, self.kernel, 0) for n in shape[1:])

    def module(self, shape: Shape) -> Any:
        """`nn.MaxPool2d`."""
        from torch import nn

        return nn.MaxPool2d(self.kernel)


@dataclass(frozen=True)
class Dense(Layer):
    """Each unit sees every input through a weight of its own, and has a bias."""

    units: Size

    @property
    def name(self) -> str:
        """As the assignments write it."""
        return f"FC-{self.units}"

    def output(self, shape: Shape) -> Shape:
        """One number for each unit."""
        return (self.units,)

    def parameters(self, shape: Shape) -> Size:
        """Each unit has a weight for every input, and a bias."""
        return (prod(shape) + 1) * self.units

    def multiply_adds(self, shape: Shape) -> Size:
        """Each weight is used once."""
        return prod(shape) * self.units

    def module(self, shape: Shape) -> Any:
        """`nn.Linear`, after flattening where maps come in."""
        from torch import nn

        linear = nn.Linear(prod(shape), self.units)
        return linear if len(shape) == 1 else nn.Sequential(nn.Flatten(), linear)


@dataclass(frozen=True)
class ReLU(Layer):
    """max(., 0) of every number."""

    def module(self, shape: Shape) -> Any:
        """`nn.ReLU`."""
        from torch import nn

        return nn.ReLU()


@dataclass(frozen=True)
class Softmax(Layer):
    """Exponentials, divided by their sum."""

    @property
    def name(self) -> str:
        """As the assignments write it."""
        return "SOFTMAX"

    def module(self, shape: Shape) -> Any:
        """`nn.Softmax`."""
        from torch import nn

        return nn.Softmax(dim=1)


def perceptron(
    X: NDArray,
    W_h: NDArray,
    b_h: NDArray,
    W_o: NDArray,
    b_o: NDArray,
) -> NDArray:
    """Y = relu(relu(X W_h + b_h) W_o + b_o).

    Args:
        X: inputs, `[m, D]`.
        W_h: weights of the hidden layer, `[D, K]`.
        b_h: its biases, `[K]`.
        W_o: weights of the output layer, `[K, C]`.
        b_o: its biases, `[C]`.

    Returns:
        Y, `[m, C]`.
    """
    hidden = np.maximum(X @ W_h + b_h, 0)
    return np.maximum(hidden @ W_o + b_o, 0)


# The networks of the exercises.
MLP_INPUT: Shape = (10,)
MLP = (Dense(50), ReLU(), Dense(3), ReLU())

CNN_INPUT: Shape = (3, 200, 300)
CNN = tuple(Conv(maps, kernel=3, stride=2, padding="same") for maps in (100, 200, 400))


def _block(*maps: int) -> tuple[Layer, ...]:
    """Convolutions, each with its ReLU, and a pooling."""
    pairs = ((Conv(n, kernel=3, padding=1), ReLU()) for n in maps)
    return *(layer for pair in pairs for layer in pair), MaxPool(2)


VGG11_INPUT: Shape = (3, 224, 224)
VGG11 = (
    *_block(64),
    *_block(128),
    *_block(256, 256),
    *_block(512, 512),
    *_block(512, 512),
    Dense(4096),
    Dense(4096),
    Dense(1000),
    Softmax(),
)


@dataclass(frozen=True)
class Row:
    """A layer in its place: what comes in, what goes out, what it costs."""

    layer: Layer
    before: Shape
    after: Shape

    @property
    def parameters(self) -> Size:
        """Weights and biases."""
        return self.layer.parameters(self.before)

    @property
    def multiply_adds(self) -> Size:
        """Multiplications of one sample, each with its addition."""
        return self.layer.multiply_adds(self.before)

    @property
    def units(self) -> Size:
        """Numbers that come out for one sample."""
        return prod(self.after)


def rows(layers: Sequence[Layer], shape: Shape) -> Iterator[Row]:
    """Yield each layer with the shapes around it."""
    for layer in layers:
        after = layer.output(shape)
        yield Row(layer, shape, after)
        shape = after


def receptive_fields(layers: Sequence[Layer]) -> list[int]:
    """Return how many neighbours one output of each layer sees, in one direction.

    Raises:
        ValueError: a dense layer, which sees everything.
    """
    seen, jump, found = 1, 1, []
    for layer in layers:
        if isinstance(layer, Dense):
            raise ValueError(f"expected windows, got {layer.name}: it sees all")
        seen += (layer.kernel - 1) * jump
        jump *= layer.stride
        found.append(seen)
    return found


def network(layers: Sequence[Layer], shape: Shape) -> Any:
    """Return the layers as one `nn.Sequential`; inside `torch.device("meta")` it takes no memory."""
    from torch import nn

    return nn.Sequential(*(row.layer.module(row.before) for row in rows(layers, shape)))


@dataclass(frozen=True)
class Measured:
    """What PyTorch says of one layer when it is run."""

    output: tuple[int, ...]
    parameters: int
    multiply_adds: int


@cache
def measured(layers: tuple[Layer, ...], shape: Shape, batch: int = 1) -> tuple[Measured, ...]:
    """Run the real module on tensors without contents, layer by layer, and report sizes, parameters and operations.

    PyTorch's own counter counts a multiplication and an addition as two operations.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found = []
    with torch.device("meta"):
        numbers = torch.empty(batch, *shape)
        for module in network(layers, shape):
            with FlopCounterMode(display=False) as counter:
                numbers = module(numbers)
            parameters = sum(parameter.numel() for parameter in module.parameters())
            found.append(Measured(tuple(numbers.shape), parameters, counter.get_total_flops() // 2))
    return tuple(found)


@cache
def footprint(layers: tuple[Layer, ...], shape: Shape, unit: tuple[int, int]) -> tuple[range, range]:
    """Return the rows and columns of the input on which one place of the last layer depends.

    The real module with random weights is differentiated: from the first to the last input whose derivative is not 0.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    model = network(layers, shape).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    image = torch.randn(1, *shape, dtype=torch.float64, generator=generator, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(image)[0, :, unit[0], unit[1]].sum(), image)
    seen = gradient[0].abs().sum(0) > 0
    lit = [seen.any(1).nonzero()[:, 0].tolist(), seen.any(0).nonzero()[:, 0].tolist()]
    rows, columns = (range(places[0], places[-1] + 1) for places in lit)
    return rows, columns


@cache
def torchvision_vgg11() -> tuple[tuple[int, ...], ...]:
    """Return the shape of each parameter of torchvision's VGG-11, in its order."""
    import torch
    from torchvision.models import vgg11

    with torch.device("meta"):
        return tuple(tuple(parameter.shape) for parameter in vgg11().parameters())
