"""Reads what zbridge writes (weights, latents and bridge files, all safetensors) and MNIST's IDX files."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from densities import DiagonalGaussian
from networks import Bridge, GaussianNetwork, Network, Vae


@dataclass
class Latents:
    """Posteriors of many observations, with the id and, where known, the class of each."""

    posterior: DiagonalGaussian
    ids: np.ndarray
    labels: np.ndarray | None


def read_safetensors(path):
    """Tensors by name, floating-point ones in double precision, and the metadata."""
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    floats = {name: values.astype(np.float64) for name, values in tensors.items() if values.dtype.kind == "f"}
    return tensors | floats, metadata


def read_metadata(path):
    """The entry `zbridge` of a weights or bridge file: JSON texts by key."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["zbridge"])


def read_vae(path):
    """The variational auto-encoder in a weights file."""
    tensors, _ = read_safetensors(path)
    about = json.loads(read_metadata(path)["vae"])
    return Vae(
        name=about["name"],
        likelihood=about["likelihood"],
        latent_dim=about["latent_dim"],
        encoder=Network(about["encoder"], part(tensors, "encoder.")),
        decoder=Network(about["decoder"], part(tensors, "decoder.")),
    )


def read_paper_bridge(path):
    """Both directions of a bridge that `zbridge fit --recipe paper` wrote."""
    tensors, _ = read_safetensors(path)
    about = read_metadata(path)
    recipe = json.loads(about["bridge"])["config"]["recipe"]
    if recipe != "paper":
        raise ValueError(f"{path} is a bridge of the recipe {recipe}: only those of `paper` are plain networks")

    def direction(name):
        layers = json.loads(about[f"{name}.0.network"])
        return GaussianNetwork(Network(layers, part(tensors, f"{name}.0.")))

    return Bridge(x_to_y=direction("x_to_y"), y_to_x=direction("y_to_x"))


def read_latents(path):
    """A latents file of `zbridge encode`."""
    tensors, _ = read_safetensors(path)
    posterior = DiagonalGaussian(tensors["mean"], tensors["log_var"])
    return Latents(posterior, tensors["ids"], tensors.get("labels"))


def read_mnist_test(folder):
    """The test half of MNIST: images `[n, 784]` with values in 0..1, and labels `[n]`."""
    images = read_idx(find(folder, "t10k-images-idx3-ubyte"))
    labels = read_idx(find(folder, "t10k-labels-idx1-ubyte"))
    # zbridge divides in single precision; the same pixels are wanted here.
    pixels = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return pixels.astype(np.float64), labels


def read_idx(path):
    """An array of bytes in the IDX format, plain or compressed by gzip."""
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    zeros, kind, rank = content[:2], content[2], content[3]
    if zeros != b"\0\0" or kind != 8:
        raise ValueError(f"{path} is no IDX file of bytes")
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def find(folder, name):
    for path in (Path(folder) / name, Path(folder) / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{folder} holds neither {name} nor {name}.gz")


def part(tensors, prefix):
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def one_hot(labels, classes=10):
    return np.eye(classes)[np.asarray(labels)]
