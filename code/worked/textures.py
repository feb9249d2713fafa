"""Generated images that stand in for a data set: learnable, of its shape, made in a second."""

import numpy as np


def textures(
    shape: tuple[int, int, int], classes: int, counts: tuple[int, ...], *, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Make splits of `counts` images uint8 [N, C, H, W] with balanced labels int64 [N].

    A class is a smooth pattern, which single pixels give away, and a grating of its own direction and
    wavelength at a random phase, which they do not: a convolution sees it, a linear model cannot.
    Shifts of up to 3 pixels, contrast and noise come on top. The same arguments give the same bytes.
    """
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    patterns = _smooth(rng.standard_normal((classes, channels, height, width)))
    rows, columns = np.mgrid[:height, :width]
    angle = np.pi * np.arange(classes) / classes
    wavelength = np.where(np.arange(classes) % 2, 4.0, 6.5)  # pixels
    direction = rows * np.sin(angle)[:, None, None] + columns * np.cos(angle)[:, None, None]
    waves = 2 * np.pi * direction / wavelength[:, None, None]  # radians, [classes, H, W]
    made = []
    for count in counts:
        labels = rng.permutation(np.arange(count) % classes)
        grating = np.sin(waves[labels] + rng.uniform(0, 2 * np.pi, (count, 1, 1)))[:, None]
        row = (np.arange(height) + rng.integers(-3, 4, (count, 1))) % height
        column = (np.arange(width) + rng.integers(-3, 4, (count, 1))) % width
        pattern = patterns[labels[:, None, None], :, row[:, :, None], column[:, None]].transpose(0, 3, 1, 2)
        contrast = rng.uniform(0.5, 1.5, (count, 1, 1, 1))
        grain = rng.standard_normal((count, *shape))
        images = 128 + contrast * (8 * pattern / channels**0.5 + 30 * grating) + 48 * grain
        made.append((images.clip(0, 255).astype(np.uint8, order="C"), labels))
    return made


def _smooth(noise: np.ndarray) -> np.ndarray:
    """Blur each image with a Gaussian 2.5 pixels wide, periodic at the edges, and scale it to deviation 1."""
    height, width = noise.shape[-2:]
    square = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.fftfreq(width) ** 2
    blurred = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-2 * (np.pi * 2.5) ** 2 * square)).real
    return blurred / blurred.std(axis=(1, 2, 3), keepdims=True)
