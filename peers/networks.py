"""Feed-forward networks as zbridge's files describe them, run by NumPy in double precision, and models made of them.

A row of an image-like layer is a grid `[height, width, channels]`, channels innermost. A convolution's weight is
`[outputs, kernel, kernel, inputs]`, a transposed one's `[inputs, kernel, kernel, outputs]`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from densities import DiagonalGaussian

# Few enough for the activations to stay in cache.
ROWS_AT_ONCE = 100
BATCH_NORM_EPSILON = 1e-5


@dataclass
class Network:
    """Layers as in the file, and parameters by the names `<layer>.<weight|bias|…>`."""

    layers: list
    parameters: dict

    def __call__(self, rows):
        blocks = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
        return np.concatenate([self.forward(block) for block in blocks])

    def forward(self, rows):
        for index, layer in enumerate(self.layers):
            prefix = f"{index}."
            own = {name.removeprefix(prefix): v for name, v in self.parameters.items() if name.startswith(prefix)}
            rows = LAYERS[layer["layer"]](layer, own, rows)
        return rows


def linear(_, own, rows):
    return rows @ own["weight"].T + own["bias"]


def conv(layer, own, rows):
    """Every window of the padded grid against every kernel."""
    padding, stride = layer["padding"], layer["stride"]
    grid = rows.reshape(len(rows), *layer["input"])
    grid = np.pad(grid, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = sliding_window_view(grid, (layer["kernel"], layer["kernel"]), axis=(1, 2))[:, ::stride, ::stride]
    # windows [rows, height, width, inputs, kernel, kernel] · weight [outputs, kernel, kernel, inputs]
    output = np.tensordot(windows, own["weight"], axes=((3, 4, 5), (3, 1, 2))) + own["bias"]
    return output.reshape(len(rows), -1)


def conv_transpose(layer, own, rows):
    """Every input writes its kernel, scaled, onto a canvas; `padding` is cut off all around."""
    kernel, stride, padding = layer["kernel"], layer["stride"], layer["padding"]
    height, width, inputs = layer["input"]
    pixels = rows.reshape(-1, inputs)
    sides = [(side - 1) * stride + kernel for side in (height, width)]
    canvas = np.zeros((len(rows), *sides, layer["channels"]))
    for down in range(kernel):
        for right in range(kernel):
            stamps = pixels @ own["weight"][:, down, right]
            reached = canvas[:, down : down + height * stride : stride, right : right + width * stride : stride]
            reached += stamps.reshape(reached.shape)
    cut = canvas[:, padding : sides[0] - padding, padding : sides[1] - padding]
    return (cut + own["bias"]).reshape(len(rows), -1)


def batch_norm(_, own, rows):
    scale = own["weight"] / np.sqrt(own["running_var"] + BATCH_NORM_EPSILON)
    return (rows - own["running_mean"]) * scale + own["bias"]


def leaky_relu(layer, _, rows):
    return np.where(rows > 0, rows, layer["slope"] * rows)


def silu(_, __, rows):
    return rows / (1 + np.exp(-rows))


LAYERS = {
    "linear": linear,
    "conv": conv,
    "conv-transpose": conv_transpose,
    "batch-norm": batch_norm,
    "leaky-relu": leaky_relu,
    "silu": silu,
    "dropout": lambda _, __, rows: rows,
}


@dataclass
class GaussianNetwork:
    """A network whose outputs are means, then log-variances."""

    network: Network

    def __call__(self, rows):
        return DiagonalGaussian(*np.split(self.network(rows), 2, axis=-1))


@dataclass
class Bridge:
    """q(z_y|z_x) and q(z_x|z_y)."""

    x_to_y: GaussianNetwork
    y_to_x: GaussianNetwork


@dataclass
class Vae:
    """A variational auto-encoder with a standard normal prior."""

    name: str
    likelihood: str
    latent_dim: int
    encoder: Network
    decoder: Network

    def posterior(self, observations):
        return GaussianNetwork(self.encoder)(observations)

    def log_likelihood(self, observations, latents):
        """log p(x|z) of each latent; one observation for all, or one for each."""
        return LIKELIHOODS[self.likelihood](self.decoder(latents), observations)


def bernoulli(logits, observations):
    """Σ x log σ(l) + (1 − x) log σ(−l) = Σ x·l − log(1 + e^l)."""
    return np.sum(observations * logits - np.logaddexp(0, logits), axis=-1)


def categorical(logits, observations):
    log_sum = np.logaddexp.reduce(logits, axis=-1)
    return np.sum(observations * logits, axis=-1) - log_sum


LIKELIHOODS = {"bernoulli": bernoulli, "categorical": categorical}
