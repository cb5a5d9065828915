"""Problems of two latent spaces with few pairs, as latents files: what `alignment.py` and `zbridge fit` are tried on.

    python peers/alignment_problems.py OUT [--problem NAME] [--data MNIST] [--zbridge PROGRAM]

writes a folder OUT/NAME for each problem:

    x-pairs, y-pairs        the largest set of pairs, in random order: the first N rows are a problem of N pairs
    x-pool, y-pool          where pairs are cheap to make, more of them; their first rows are those of x-pairs
    x-test, y-test          1,000 pairs held out
    x-unpaired, y-unpaired  latents without partners
    about.json              dimensions, pairs that are usual for the problem, what it is

Files are safetensors with `mean` and `log_var`, or `z`, and `ids`; some have `labels`. Where decoders are known they lie
beside them (`x-vae.pt`, read by `alignment_models.load`), with the held-out images as `x-data-test.npy`.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import alignment_models
import zbridge_files

TEST = 1000
FLOATS = ("mean", "log_var", "z")


def main():
    arguments = parse()
    torch.set_num_threads(1)
    for name in [arguments.problem] if arguments.problem else PROBLEMS:
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "about.json").exists() and not arguments.again:
            print(f"{name}: there already")
            continue
        about = PROBLEMS[name](folder, arguments)
        (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")
        print(f"{name}: {about}", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--problem", choices=PROBLEMS)
    parser.add_argument("--data", default=os.environ.get("ZBRIDGE_DATA"), help="the folder with MNIST's files")
    parser.add_argument("--zbridge", default="target/release/zbridge", help="the program, for mnist-labels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="write a problem anew; trained models are kept")
    return parser.parse_args()


# Files


def write(folder, name, rows, first_id=0, **tensors):
    """One latents file; `rows` choose from the tensors, ids count from `first_id`."""
    ids = first_id + np.arange(len(rows), dtype=np.int64)
    chosen = {key: np.ascontiguousarray(values[rows]) for key, values in tensors.items() if values is not None}
    chosen = {key: values.astype(np.float32) if key in FLOATS else values for key, values in chosen.items()}
    save_file(chosen | {"ids": ids}, folder / f"{name}.safetensors")


def write_pairs(folder, name, rows, x, y, first_id=0):
    """The same rows of both sides under the same ids."""
    write(folder, f"x-{name}", rows, first_id, **x)
    write(folder, f"y-{name}", rows, first_id, **y)


def write_split(folder, x, y, pairs, unpaired, pool=None):
    """All files of a problem from rows of both sides that belong together.

    The rows of both unpaired files differ, so that no partner is among them.
    """
    pool = pool or pairs
    sizes = [pool, TEST, unpaired, unpaired]
    rows = np.arange(sum(sizes))
    known, test, x_rows, y_rows = np.split(rows, np.cumsum(sizes)[:-1])
    write_pairs(folder, "pairs", known[:pairs], x, y)
    if pool > pairs:
        write_pairs(folder, "pool", known, x, y)
    write_pairs(folder, "test", test, x, y, first_id=100_000)
    write(folder, "x-unpaired", x_rows, 200_000, **x)
    write(folder, "y-unpaired", y_rows, 300_000, **y)
    return test


def rows_of_split(pool, unpaired):
    return pool + TEST + 2 * unpaired


def about(text, pairs, x, y, **more):
    shapes = {f"{side}_shape": list(next(iter(values.values())).shape[1:]) for side, values in (("x", x), ("y", y))}
    return {"about": text, "pairs": pairs} | shapes | more


# MNIST upright <-> MNIST turned


def turned(folder, arguments):
    """Two image VAEs of different design; no image is in the training of both, none of the pairs in that of either."""
    train, train_labels = mnist(arguments.data, "train")
    test, test_labels = mnist(arguments.data, "t10k")
    x_vae = alignment_models.trained(
        folder / "x-vae.pt", "convolutional", {"side": 28, "latents": 10}, train[:30_000], epochs=20, seed=1
    )
    y_vae = alignment_models.trained(
        folder / "y-vae.pt", "dense", {"side": 28, "latents": 16}, turn(train[30_000:]), epochs=30, seed=2
    )
    generator = np.random.default_rng(arguments.seed)
    pairs, held_out = generator.permutation(5000), np.arange(9000, 10_000)
    x, y = encoded(x_vae, test, test_labels), encoded(y_vae, turn(test), test_labels)
    write_pairs(folder, "pairs", pairs, x, y)
    write_pairs(folder, "test", held_out, x, y, first_id=100_000)
    x_rows = generator.permutation(30_000)[:10_000]
    y_rows = 30_000 + generator.permutation(30_000)[:10_000]
    write(folder, "x-unpaired", np.arange(10_000), 200_000, **encoded(x_vae, train[x_rows]))
    write(folder, "y-unpaired", np.arange(10_000), 300_000, **encoded(y_vae, turn(train[y_rows])))
    np.save(folder / "x-data-test.npy", test[held_out].numpy())
    np.save(folder / "y-data-test.npy", turn(test[held_out]).numpy())
    elbos = {
        "x_elbo_test": round(alignment_models.mean_elbo(x_vae, test), 2),
        "y_elbo_test": round(alignment_models.mean_elbo(y_vae, turn(test)), 2),
    }
    text = "digits in a convolutional VAE, the same digits turned by 90 degrees in a fully connected one"
    return about(text, [64, 256, 1024, 5000], x, y, **elbos)


def mnist(folder, part):
    """Images `[n, 28, 28]` with values in 0..1 and labels `[n]`."""
    if folder is None:
        raise SystemExit("name MNIST's folder by --data or ZBRIDGE_DATA")
    images = zbridge_files.read_idx(zbridge_files.find(folder, f"{part}-images-idx3-ubyte"))
    labels = zbridge_files.read_idx(zbridge_files.find(folder, f"{part}-labels-idx1-ubyte"))
    return torch.from_numpy(images.astype(np.float32) / np.float32(255)), labels.astype(np.int64)


def turn(images):
    return torch.rot90(images, 1, (1, 2)).contiguous()


def encoded(vae, images, labels=None):
    """The tensors of a latents file."""
    mean, log_var = alignment_models.encode(vae, images)
    return {"mean": mean, "log_var": log_var, "labels": labels}


# Sprites <-> their attributes


def sprites(folder, arguments):
    """Small pictures in a VAE, and what they were drawn from."""
    trained_on, _ = draw_sprites(20_000, seed=arguments.seed + 1000)
    vae = alignment_models.trained(
        folder / "x-vae.pt", "convolutional", {"side": 32, "latents": 10}, trained_on, epochs=25, seed=3
    )
    pairs, pool, unpaired = 512, 2560, 5000
    images, attributes = draw_sprites(rows_of_split(pool, unpaired), seed=arguments.seed)
    mean, spread = attributes[:pool].mean(0), attributes[:pool].std(0)
    x, y = encoded(vae, images), {"z": (attributes - mean) / spread}
    test = write_split(folder, x, y, pairs, unpaired, pool)
    np.save(folder / "x-data-test.npy", images[test].numpy())
    np.save(folder / "y-data-test.npy", attributes[test])
    names = ["shape", "scale", "rotation", "x", "y"]
    scaling = {"attributes": names, "mean": mean.tolist(), "spread": spread.tolist()}
    elbo = round(alignment_models.mean_elbo(vae, images[test]), 2)
    text = "pictures of squares, ellipses and hearts in a VAE, and their five attributes, standardised"
    return about(text, [64, 256, 512], x, y, x_elbo_test=elbo, **scaling)


def draw_sprites(count, seed):
    """Pictures `[n, 32, 32]` with values in 0..1, and attributes `[n, 5]`: shape, scale, rotation, x, y."""
    generator = np.random.default_rng(seed)
    shape = generator.integers(0, 3, count)
    scale = generator.uniform(5, 10, count)
    # A square looks the same again after a quarter of a turn, so no sprite turns further.
    rotation = generator.uniform(-np.pi / 4, np.pi / 4, count)
    centre = generator.uniform(11, 21, (count, 2))
    pictures = np.stack([sprite(*one) for one in zip(shape, scale, rotation, centre)])
    noisy = np.clip(pictures + generator.normal(0, 0.03, pictures.shape), 0, 1).astype(np.float32)
    return torch.from_numpy(noisy), np.column_stack([shape, scale, rotation, centre])


def sprite(shape, scale, rotation, centre):
    """One picture: inside is where a function of the turned, scaled place is below 0."""
    place = (np.mgrid[0:32, 0:32] - centre[:, None, None]) / scale
    sine, cosine = np.sin(rotation), np.cos(rotation)
    up = -(cosine * place[0] - sine * place[1])
    right = sine * place[0] + cosine * place[1]
    if shape == 0:
        outside = np.maximum(np.abs(up), np.abs(right)) - 0.8
    elif shape == 1:
        outside = np.hypot(up / 1.1, right / 0.65) - 1
    else:
        outside = heart(1.1 * right, 1.1 * up + 0.1)
    # An edge one pixel wide.
    return 1 / (1 + np.exp(np.clip(4 * scale * outside, -50, 50) / 2))


def heart(right, up):
    """Below 0 inside (right² + up² − 1)³ = right² up³, and nearly a distance at the edge: the cube root of both sides."""
    return (right**2 + up**2 - 1 - np.cbrt(right**2) * up) / 2


# Wide latents of a shared cause


def embeddings(folder, arguments):
    """Two embeddings of one text, say: 20 shared numbers, seen through smooth maps and noise with heavy tails."""
    generator = np.random.default_rng(arguments.seed)
    pairs, unpaired = 10_000, 20_000
    cause = generator.standard_normal((rows_of_split(pairs, unpaired), 20))
    x = {"z": seen(cause, 768, generator)}
    y = {"z": seen(cause, 384, generator)}
    write_split(folder, x, y, pairs, unpaired)
    return about("768 and 384 dimensions of 20 shared numbers", [256, 1000, 10_000], x, y)


def seen(cause, width, generator, noise_rank=20):
    """A smooth map of the cause, low-rank noise and isotropic noise: about 70 %, 15 % and 15 % of the variance."""
    signal = smooth_map(cause, width, generator)
    tail = student_scale(len(cause), 4, generator)
    directions = random_matrix(noise_rank, width, generator)
    structured = generator.standard_normal((len(cause), noise_rank)) @ directions
    isotropic = generator.standard_normal(signal.shape)
    return signal + tail * (np.sqrt(0.15 / 0.7) * (structured + isotropic))


def smooth_map(cause, width, generator, hidden=64, gain=0.8):
    """Two layers of tanh and a linear one; unit variance on average over the outputs."""
    first = np.tanh(gain * cause @ random_matrix(cause.shape[1], hidden, generator))
    second = np.tanh(1.5 * first @ random_matrix(hidden, hidden, generator) + 0.5 * generator.standard_normal(hidden))
    output = (second - second.mean(0)) @ random_matrix(hidden, width, generator)
    return output / output.std()


def random_matrix(inputs, outputs, generator):
    return generator.standard_normal((inputs, outputs)) / np.sqrt(inputs)


def student_scale(count, freedom, generator):
    """Times a normal draw it gives Student's t, scaled to unit variance."""
    return np.sqrt((freedom - 2) / generator.chisquare(freedom, count))[:, None]


def vae_grid(folder, arguments):
    """An embedding, and a grid of four channels as AutoencoderKL has: smooth in space, with rough noise."""
    generator = np.random.default_rng(arguments.seed)
    pairs, pool, unpaired = 256, 1280, 5000
    cause = generator.standard_normal((rows_of_split(pool, unpaired), 20))
    x = {"z": seen(cause, 768, generator)}
    y = {"z": seen_as_grid(cause, generator)}
    write_split(folder, x, y, pairs, unpaired, pool)
    return about("768 dimensions and a grid [4, 32, 32] of 20 shared numbers", [256], x, y)


def seen_as_grid(cause, generator, channels=4, side=32, low=6, high=12):
    """`[n, 4, 32, 32]`: low frequencies tell the cause, frequencies up to `high` and single places are noise."""
    waves, falling = cosines(side, high)
    amplitudes = np.zeros((len(cause), channels, high, high))
    signal = smooth_map(cause, channels * low * low, generator).reshape(-1, channels, low, low)
    amplitudes[:, :, :low, :low] = signal * falling[:low, :low]
    tail = student_scale(len(cause), 4, generator)[:, :, None, None]
    amplitudes += tail * 0.5 * falling * generator.standard_normal(amplitudes.shape)
    grid = np.einsum("ncij,ih,jw->nchw", amplitudes, waves, waves, optimize=True)
    grid /= grid.std()
    return (grid + 0.3 * tail * generator.standard_normal(grid.shape)).astype(np.float32)


def cosines(side, count):
    """The first cosine waves `[count, side]`, orthonormal, and how amplitudes fall with frequency `[count, count]`."""
    places, waves = np.arange(side) + 0.5, np.arange(count)[:, None]
    basis = np.cos(np.pi * waves * places / side) * np.sqrt(2 / side)
    basis[0] /= np.sqrt(2)
    return basis, 1 / (1 + np.hypot(waves, waves.T))


# MNIST <-> labels


def mnist_labels(folder, arguments):
    """Latents of the two models inside zbridge: images, and their labels."""
    if arguments.data is None:
        raise SystemExit("name MNIST's folder by --data or ZBRIDGE_DATA")
    with tempfile.TemporaryDirectory() as work:
        sides = {
            (side, split): zbridge_encode(arguments, f"mnist-{model}", split, Path(work))
            for side, model in (("x", "image"), ("y", "label"))
            for split in ("train", "test")
        }
    generator = np.random.default_rng(arguments.seed)
    order = generator.permutation(60_000)
    write_pairs(folder, "pairs", order[:8192], sides["x", "train"], sides["y", "train"])
    unlabelled = {key: values for key, values in sides["x", "train"].items() if key != "labels"}
    write(folder, "x-unpaired", order[8192:28_192], 200_000, **unlabelled)
    labels = sides["y", "train"]["labels"]
    each = np.array([np.flatnonzero(labels == label)[0] for label in range(10)])
    write(folder, "y-unpaired", each, 300_000, **sides["y", "train"])
    order = generator.permutation(10_000)
    write_pairs(folder, "test", order[:TEST], sides["x", "test"], sides["y", "test"], first_id=100_000)
    write_pairs(folder, "test-all", order, sides["x", "test"], sides["y", "test"], first_id=100_000)
    text = "latents of MNIST's images and of their labels, by the models inside zbridge; test-all has all 10,000"
    x, y = sides["x", "test"], sides["y", "test"]
    return about(text, [10, 16, 32, 64, 128, 256, 1024, 8192], x, y, targets="labels")


def zbridge_encode(arguments, model, split, work):
    """`zbridge encode` of a half of MNIST: `mean`, `log_var` and `labels` in the dataset's order."""
    out = work / f"{model}-{split}.safetensors"
    words = [arguments.zbridge, "encode", "--model", model, "--data", arguments.data, "--split", split]
    subprocess.run([*words, "--out", str(out), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    tensors = load_file(out)
    order = np.argsort(tensors.pop("ids"))
    return {name: values[order] for name, values in tensors.items()}


# Hold-out


def heavy(folder, arguments):
    """A mixture of 12 dimensions; its target takes one of two branches, with heavy tails.

    Not for development: looked at once, at the end.
    """
    generator = np.random.default_rng(arguments.seed + 77)
    pairs, unpaired = 5000, 10_000
    source = mixture(rows_of_split(pairs, unpaired), 12, 8, generator)
    middle, apart, lean = (smooth_map(source, width, generator) for width in (6, 6, 1))
    probability = 1 / (1 + np.exp(-1.5 * lean))
    branch = np.where(generator.random(probability.shape) < probability, 1.0, -1.0)
    noise = student_scale(len(source), 3, generator) * generator.standard_normal(middle.shape)
    target = middle + branch * (1.0 + 0.3 * apart) + 0.3 * noise
    x, y = {"z": source}, {"z": target}
    write_split(folder, x, y, pairs, unpaired)
    return about("two branches with heavy tails from a mixture; kept for the end", [256, 1024, 5000], x, y)


def mixture(count, width, components, generator):
    """Draws of a mixture of Gaussians with means, covariances and weights of their own, standardised."""
    weights = generator.dirichlet(np.full(components, 3.0))
    means = 1.5 * generator.standard_normal((components, width))
    spreads = 0.5 * generator.standard_normal((components, width, width)) / np.sqrt(width / 4)
    chosen = generator.choice(components, count, p=weights)
    draws = means[chosen] + np.einsum("nd,nde->ne", generator.standard_normal((count, width)), spreads[chosen])
    return (draws - draws.mean(0)) / draws.std(0)


PROBLEMS = {
    "turned": turned,
    "sprites": sprites,
    "embeddings": embeddings,
    "vae-grid": vae_grid,
    "mnist-labels": mnist_labels,
    "heavy": heavy,
}

if __name__ == "__main__":
    main()
