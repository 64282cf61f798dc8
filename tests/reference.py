"""The paper's definitions, written slowly: literal NumPy loops, never imported by the package."""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable

import numpy as np


def centered_index(i: int, n: int) -> int:
    """Signed frequency of coefficient i of n: 0, 1, ..., then the negative ones."""
    return i if i <= (n - 1) // 2 else i - n


def is_low(i: int, j: int, height: int, width: int, radius: float) -> bool:
    """t(z; r) of section 3.1: whether z(i, j) goes to z_l."""
    di, dj = centered_index(i, height), centered_index(j, width)
    return math.sqrt(di * di + dj * dj) <= radius


def transform_matrix(n: int) -> np.ndarray:
    """The discrete Fourier transform of n values, term by term."""
    return np.array([[cmath.exp(-2j * math.pi * i * k / n) for k in range(n)] for i in range(n)])


def low(image: np.ndarray, radius: float) -> np.ndarray:
    """The LFC of one gray image (height, width): transform, threshold, transform back, drop the imaginary part."""
    height, width = image.shape
    rows, columns = transform_matrix(height), transform_matrix(width)
    z = rows @ image @ columns.T
    z_low = np.zeros_like(z)
    for i in range(height):
        for j in range(width):
            if is_low(i, j, height, width, radius):
                z_low[i, j] = z[i, j]
    back = rows.conj() @ z_low @ columns.conj().T / (height * width)
    return back.real


def swapped(amplitude_of: np.ndarray, phase_of: np.ndarray) -> np.ndarray:
    """The amplitudes of one gray image and the phases of another: transform both, combine, transform back."""
    height, width = amplitude_of.shape
    rows, columns = transform_matrix(height), transform_matrix(width)
    z_amplitude, z_phase = rows @ amplitude_of @ columns.T, rows @ phase_of @ columns.T
    z = np.zeros((height, width), dtype=complex)
    for i in range(height):
        for j in range(width):
            z[i, j] = cmath.rect(abs(z_amplitude[i, j]), cmath.phase(z_phase[i, j]))
    back = rows.conj() @ z @ columns.conj().T / (height * width)
    assert np.abs(back.imag).max() < 1e-9
    return back.real


def fourier_basis(i: int, j: int, height: int, width: int) -> np.ndarray:
    """U_ij of Yin et al. 2019: real, of norm 1, with no coefficients but one and its mirror image."""
    image = np.zeros((height, width), dtype=complex)
    for di, dj in ((i, j), (-i, -j)):
        for y in range(height):
            for x in range(width):
                image[y, x] += cmath.exp(2j * math.pi * (di * y / height + dj * x / width))
    assert np.abs(image.imag).max() < 1e-9
    return image.real / math.sqrt(sum(value**2 for value in image.real.ravel()))


def fourier_heat_map(
    answer: Callable[[np.ndarray], int],
    images: np.ndarray,
    labels: list[int],
    signs: Callable[[int, int, int], np.ndarray],
    length: float,
) -> dict[tuple[int, int], float]:
    """The share of wrong answers under r v U_ij, for every (i, j); `signs` of a sample, i and j are one r a channel."""
    _, channels, height, width = images.shape
    errors = {}
    for i in range(-(height // 2), (height + 1) // 2):
        for j in range(-(width // 2), (width + 1) // 2):
            basis, wrong = fourier_basis(i, j, height, width), 0
            for sample, (image, label) in enumerate(zip(images, labels, strict=True)):
                changed = image.copy()
                for channel in range(channels):
                    changed[channel] += signs(sample, i, j)[channel] * length * basis
                wrong += answer(changed) != label
            errors[i, j] = wrong / len(images)
    return errors


def radial_power(image: np.ndarray) -> list[float]:
    """Mean power of one gray image by integer radius, orthonormal transform."""
    height, width = image.shape
    z = transform_matrix(height) @ image @ transform_matrix(width).T / math.sqrt(height * width)
    rings: dict[int, list[float]] = {}
    for i in range(height):
        for j in range(width):
            di, dj = centered_index(i, height), centered_index(j, width)
            rings.setdefault(round(math.sqrt(di * di + dj * dj)), []).append(abs(z[i, j]) ** 2)
    return [float(np.mean(rings[r])) if r in rings else 0.0 for r in range(max(rings) + 1)]


def spectrum_shares(image: np.ndarray) -> tuple[list[float], dict[float, float], float]:
    """Where the energy of an image (channels, height, width) is: shares by integer radius, by exact radius, the mean radius."""
    _, height, width = image.shape
    whole: dict[int, float] = {}
    exact: dict[float, float] = {}
    for channel in image:
        z = transform_matrix(height) @ channel @ transform_matrix(width).T / math.sqrt(height * width)
        for i in range(height):
            for j in range(width):
                radius = math.sqrt(centered_index(i, height) ** 2 + centered_index(j, width) ** 2)
                whole[round(radius)] = whole.get(round(radius), 0.0) + abs(z[i, j]) ** 2
                exact[radius] = exact.get(radius, 0.0) + abs(z[i, j]) ** 2
    total = sum(whole.values())
    return (
        [whole.get(radius, 0.0) / total for radius in range(max(whole) + 1)],
        {radius: energy / total for radius, energy in exact.items()},
        sum(radius * energy for radius, energy in exact.items()) / total,
    )


def cross_entropy_gradient(weight: np.ndarray, bias: np.ndarray, image: np.ndarray, label: int) -> np.ndarray:
    """The gradient of the cross-entropy of logits weight @ image + bias (classes, pixels) with respect to the image."""
    logits = weight @ image.reshape(-1) + bias
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    gradient = np.zeros(image.size)
    for name in range(len(bias)):
        gradient += (probabilities[name] - (name == label)) * weight[name]
    return gradient.reshape(image.shape)


def ring_amplitudes(maps: np.ndarray) -> list[float]:
    """Mean |z| of maps (channels, height, width) in rings 1, 2, ... up to half the shorter side, orthonormal transform."""
    _, height, width = maps.shape
    rows, columns = transform_matrix(height), transform_matrix(width)
    rings: dict[int, list[float]] = {}
    for channel in maps:
        z = rows @ channel @ columns.T / math.sqrt(height * width)
        for i in range(height):
            for j in range(width):
                di, dj = centered_index(i, height), centered_index(j, width)
                rings.setdefault(round(math.sqrt(di * di + dj * dj)), []).append(abs(z[i, j]))
    return [float(np.mean(rings[r])) for r in range(1, min(height, width) // 2 + 1)]


def aliased_share(maps: np.ndarray, stride: tuple[int, int]) -> float:
    """Share of the energy of dense maps, zero frequencies aside, at more than 1 / (2 stride) cycles a pixel along either axis."""
    _, height, width = maps.shape
    rows, columns = transform_matrix(height), transform_matrix(width)
    beyond = total = 0.0
    for channel in maps:
        z = rows @ channel @ columns.T
        for i in range(height):
            for j in range(width):
                di, dj = abs(centered_index(i, height)), abs(centered_index(j, width))
                if (di, dj) == (0, 0):
                    continue
                total += abs(z[i, j]) ** 2
                if di * 2 * stride[0] > height or dj * 2 * stride[1] > width:
                    beyond += abs(z[i, j]) ** 2
    return beyond / total


def ceiling(
    correct: list[bool], distances: list[list[float]], changes: list[list[bool]], epsilon: float
) -> float:
    """Corollary 1: the share of samples right, and not changed by any LFC that lies within epsilon."""
    survivors = 0
    for is_correct, sample_distances, sample_changes in zip(correct, distances, changes, strict=True):
        reached = any(c and d <= epsilon for d, c in zip(sample_distances, sample_changes, strict=True))
        survivors += is_correct and not reached
    return survivors / len(correct)


def smoothed_kernel(kernel: np.ndarray, rho: float) -> np.ndarray:
    """Eq. 3 for one kernel (height, width): its eight neighbors; beyond the edge, the values on it."""
    height, width = kernel.shape
    result = np.zeros_like(kernel)
    for i in range(height):
        for j in range(width):
            result[i, j] = kernel[i, j]
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if (di, dj) != (0, 0):
                        row, column = min(max(i + di, 0), height - 1), min(max(j + dj, 0), width - 1)
                        result[i, j] += rho * kernel[row, column]
    return result


def kernel_difference(kernels: list[np.ndarray]) -> float:
    """Mean squared difference of all pairs of weights side by side or one above the other, over the mean square."""
    differences, squares = [], []
    for kernel in kernels:
        height, width = kernel.shape
        for i in range(height):
            for j in range(width):
                squares.append(kernel[i, j] ** 2)
                if j + 1 < width:
                    differences.append((kernel[i, j + 1] - kernel[i, j]) ** 2)
                if i + 1 < height:
                    differences.append((kernel[i + 1, j] - kernel[i, j]) ** 2)
    return float(np.mean(differences) / np.mean(squares))


def kernel_gain(kernel: np.ndarray, size: int) -> np.ndarray:
    """Magnitude of a kernel's response to each of size x size frequencies, the zero frequency at [0, 0]."""
    padded = np.zeros((size, size))
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    transform = transform_matrix(size)
    return np.abs(transform @ padded @ transform.T)


def kernel_high_frequency(kernels: list[np.ndarray], size: int) -> float:
    """Share of energy at more than a quarter cycle a pixel."""
    high = total = 0.0
    for kernel in kernels:
        gain = kernel_gain(kernel, size)
        for i in range(size):
            for j in range(size):
                total += gain[i, j] ** 2
                if math.hypot(centered_index(i, size), centered_index(j, size)) > size / 4:
                    high += gain[i, j] ** 2
    return high / total


def wilson(correct: int, total: int, z: float) -> tuple[float, float]:
    """The two proportions p from which correct / total lies z standard errors of p away."""
    share = correct / total
    a, b, c = 1 + z * z / total, -(2 * share + z * z / total), share * share
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def sign_test(first: int, second: int) -> float:
    """Probability that so many coins fall at least as unevenly."""
    total = first + second
    splits = [math.comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= abs(first - second)]
    return sum(splits) / 2**total


def bootstrap_means(values: list[float]) -> list[float]:
    """The mean of every way to draw as many values as there are, with replacement."""
    return sorted(sum(drawn) / len(values) for drawn in itertools.product(values, repeat=len(values)))
