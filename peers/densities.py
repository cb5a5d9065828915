"""Diagonal Gaussians and their mixtures, in double precision."""

from dataclasses import dataclass

import numpy as np

LOG_TWO_PI = np.log(2 * np.pi)


def log_mean_exp(values, axis=-1):
    """log of the mean of e^values along an axis, by the axis's largest value."""
    largest = values.max(axis=axis, keepdims=True)
    shifted = np.exp(values - largest)
    return np.squeeze(largest, axis) + np.log(shifted.mean(axis=axis))


@dataclass
class DiagonalGaussian:
    """N(mean, diag(e^log_var)): one distribution `[dim]` or a batch `[rows, dim]`."""

    mean: np.ndarray
    log_var: np.ndarray

    def __getitem__(self, rows):
        return DiagonalGaussian(self.mean[rows], self.log_var[rows])

    def draw(self, rng, count=None):
        """One draw of each row, or `count` draws on a new first axis."""
        shape = self.mean.shape if count is None else (count, *self.mean.shape)
        return self.mean + np.exp(self.log_var / 2) * rng.standard_normal(shape)

    def log_density(self, points):
        """log N(point) along the last axis; batches broadcast."""
        squares = (points - self.mean) ** 2 * np.exp(-self.log_var)
        return -0.5 * np.sum(squares + self.log_var + LOG_TWO_PI, axis=-1)

    def kl_divergence(self, other):
        """KL(self ‖ other) of each row."""
        variances = np.exp(self.log_var - other.log_var)
        squares = (self.mean - other.mean) ** 2 * np.exp(-other.log_var)
        return 0.5 * np.sum(variances + squares - 1 + other.log_var - self.log_var, axis=-1)


def standard_normal(dim):
    return DiagonalGaussian(np.zeros(dim), np.zeros(dim))


@dataclass
class Mixture:
    """The mixture of equal weights of the rows of `components`."""

    components: DiagonalGaussian

    def draw(self, rng, count):
        """`count` draws: a component, then a point of it."""
        chosen = rng.integers(len(self.components.mean), size=count)
        return self.components[chosen].draw(rng)

    def log_density(self, points):
        by_component = self.components.log_density(points[:, None, :])
        return log_mean_exp(by_component, axis=1)
