"""Importance sampling in PyTorch on the processor: log p(x), and log p(x|y) under several bridges, from one decoder
pass. The work of `zbridge reproduce`, written for throughput; prints JSON."""

import argparse
import json
import math
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from likelihoods import ASSETS, conditionals
from row_order import permutation
from zbridge_files import read_mnist_test, read_paper_bridge, read_vae

LOG_TWO_PI = math.log(2 * math.pi)


class Decoder(torch.nn.Module):
    """log p(x|z) of the image VAE in single precision, its grids channels-last."""

    def __init__(self, network, style):
        super().__init__()
        self.layers = torch.nn.ModuleList(module(index, network, style) for index in range(len(network.layers)))

    def forward(self, latents, images):
        """`latents` [images, draws, latent], `images` [images, pixels]: [images, draws]."""
        logits = latents.flatten(0, 1)
        for layer in self.layers:
            logits = layer(logits)
        logits = logits.reshape(*latents.shape[:2], -1)
        ink = torch.bmm(logits, images.unsqueeze(2)).squeeze(2)
        return ink - F.softplus(logits).sum(dim=2)


class Grid(torch.nn.Module):
    """Rows as channels-last images: a view, because zbridge's grids have their channels innermost."""

    def __init__(self, height, width, channels):
        super().__init__()
        self.shape = height, width, channels

    def forward(self, rows):
        return rows.view(-1, *self.shape).permute(0, 3, 1, 2) if rows.dim() == 2 else rows


class SubPixel(torch.nn.Module):
    """A transposed convolution of stride s as a convolution of stride 2 to (2s)² times the channels, then a shuffle of
    pixels: two by two inputs and their neighbours make 2s by 2s outputs.

    With one output channel that is sixteen channels for s = 2, which fill a vector of the processor.
    """

    def __init__(self, weight, bias, stride, padding):
        super().__init__()
        self.block = SIDE * stride
        kernel = sub_pixel_kernel(weight, stride, padding).contiguous(memory_format=torch.channels_last)
        self.kernel, self.bias = parameter(kernel), parameter(bias.repeat_interleave(self.block**2))

    def forward(self, grid):
        return F.pixel_shuffle(F.conv2d(grid, self.kernel, self.bias, stride=SIDE, padding=1), self.block)


# Inputs on a side of a block of `SubPixel`.
SIDE = 2


def sub_pixel_kernel(weight, stride, padding):
    """From [inputs, outputs, kernel, kernel] to [outputs · block², inputs, SIDE + 2, SIDE + 2].

    Output `phase` of a block takes from input `tap` − 1 by the kernel's place phase + padding − stride · (tap − 1).
    """
    inputs, outputs, size, _ = weight.shape
    block, window = SIDE * stride, SIDE + 2
    kernel = torch.zeros(outputs, block, block, inputs, window, window)
    place = {(phase, tap): phase + padding - stride * (tap - 1) for phase in range(block) for tap in range(window)}
    inside = {key: at for key, at in place.items() if 0 <= at < size}
    assert len(inside) == SIDE * size, "the kernel reaches beyond the neighbours"
    for (phase_y, tap_y), y in inside.items():
        for (phase_x, tap_x), x in inside.items():
            kernel[:, phase_y, phase_x, :, tap_y, tap_x] = weight[:, :, y, x].T
    return kernel.reshape(outputs * block**2, inputs, window, window)


def module(index, network, style):
    """One layer of zbridge's decoder."""
    layer = network.layers[index]
    if layer["layer"] == "silu":
        return torch.nn.SiLU(inplace=True)
    weight, bias = (single(network.parameters[f"{index}.{name}"]) for name in ("weight", "bias"))
    if layer["layer"] == "linear":
        return filled(torch.nn.Linear(layer["inputs"], layer["outputs"]), weight, bias)
    assert layer["layer"] == "conv-transpose", layer
    weight = weight.permute(0, 3, 1, 2)
    stride, padding = layer["stride"], layer["padding"]
    # oneDNN is fast at a transposed convolution to many channels, slow at one to a single channel.
    if style == "sub-pixel" and layer["channels"] == 1 and layer["input"][0] % SIDE == layer["input"][1] % SIDE == 0:
        return torch.nn.Sequential(Grid(*layer["input"]), SubPixel(weight, bias, stride, padding))
    shape = layer["input"][2], layer["channels"], layer["kernel"], stride, padding
    transposed = filled(torch.nn.ConvTranspose2d(*shape), weight, bias).to(memory_format=torch.channels_last)
    return torch.nn.Sequential(Grid(*layer["input"]), transposed)


def filled(layer, weight, bias):
    layer.weight, layer.bias = parameter(weight.contiguous()), parameter(bias)
    return layer


def parameter(values):
    return torch.nn.Parameter(values, requires_grad=False)


def single(values):
    return torch.tensor(values, dtype=torch.float32)


@dataclass
class Mixtures:
    """q(z_x|y) of every bridge and label as matrices: a log density is linear in (z², z)."""

    quadratic: torch.Tensor  # [labels, 2 · latent, bridges · components], double precision
    constant: torch.Tensor  # [labels, bridges · components]
    bridges: int

    @classmethod
    def of(cls, mixtures):
        """`mixtures[bridge][label]`, of NumPy."""

        def stacked(part):
            values = np.stack([[getattr(q.components, part) for q in by_label] for by_label in mixtures])
            return torch.tensor(values).transpose(0, 1).flatten(1, 2)

        mean, log_var = stacked("mean"), stacked("log_var")
        precision = torch.exp(-log_var)
        quadratic = torch.cat([-0.5 * precision, mean * precision], dim=2).transpose(1, 2).contiguous()
        constant = -0.5 * (mean**2 * precision + log_var + LOG_TWO_PI).sum(dim=2)
        return cls(quadratic, constant, len(mixtures))

    def log_density(self, latents, labels):
        """[images, draws, latent] of double precision, [images]: [images, draws, bridges]."""
        features = torch.cat([latents**2, latents], dim=2)
        exponents = torch.baddbmm(self.constant[labels].unsqueeze(1), features, self.quadratic[labels])
        by_bridge = exponents.unflatten(2, (self.bridges, -1))
        return torch.logsumexp(by_bridge, dim=3) - math.log(by_bridge.shape[3])


@dataclass
class Work:
    """The images, their posteriors, labels and the targets."""

    images: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor
    mixtures: Mixtures | None

    def log_weights(self, decoder, rows, draws, generator):
        """log p(x|z) p_t(z) / r(z) of some images: [images, draws, 1 + bridges]; the first target is the prior."""
        mean, deviation = self.mean[rows].unsqueeze(1), self.deviation[rows].unsqueeze(1)
        noise = torch.randn(len(mean), draws, mean.shape[2], generator=generator)
        latents = torch.addcmul(mean, noise, deviation)
        likelihood = decoder(latents, self.images[rows]).double()
        latents, dim = latents.double(), latents.shape[2]
        log_proposal = -0.5 * noise.double().square().sum(dim=2) - deviation.double().log().sum(dim=2)
        targets = [-0.5 * latents.square().sum(dim=2, keepdim=True)]
        if self.mixtures:
            targets.append(self.mixtures.log_density(latents, self.labels[rows]) + 0.5 * dim * LOG_TWO_PI)
        return (likelihood - log_proposal).unsqueeze(2) + torch.cat(targets, dim=2)


@torch.inference_mode()
def of_images(work, decoder, rows, draws, batch, seed):
    """log p of these images under each target, [images, 1 + bridges], `batch` rows in the decoder at once or fewer."""
    generator = torch.Generator().manual_seed(seed)
    counts = [min(batch, draws - done) for done in range(0, draws, batch)]
    weights = torch.cat([work.log_weights(decoder, rows, count, generator) for count in counts], dim=1)
    return torch.logsumexp(weights, dim=1) - math.log(draws)


def importance_sampled(work, decoder, arguments, images):
    """The same of the first `images`: a few at a time, in order or each core those that come next."""
    draws, batch = arguments.draws, arguments.batch
    together = max(1, batch // draws)
    alone = arguments.parallel == "operators"
    workers, threads = (1, arguments.threads) if alone else (arguments.threads, 1)

    def chunk(first):
        seed = arguments.seed * 1_000_003 + first
        return of_images(work, decoder, slice(first, min(first + together, images)), draws, batch, seed)

    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        return torch.cat(list(pool.map(chunk, range(0, images, together))))


def prepare(arguments):
    """Everything of a run that is not timed: files, posteriors and mixtures, by the NumPy peers."""
    images, labels = read_mnist_test(arguments.data)
    rows = permutation(arguments.seed, "reproduce/rows", len(labels))[-arguments.images :]
    vae, label_vae = read_vae(arguments.image_model), read_vae(ASSETS / "mnist-label.safetensors")
    posterior = vae.posterior(images[rows])
    rng = np.random.default_rng(arguments.seed)
    mixtures = [conditionals(read_paper_bridge(path), label_vae, rng) for path in arguments.bridge]
    work = Work(
        images=single(images[rows]),
        labels=torch.tensor(labels[rows], dtype=torch.int64),
        mean=single(posterior.mean),
        deviation=single(np.exp(posterior.log_var / 2)),
        mixtures=Mixtures.of(mixtures) if mixtures else None,
    )
    return work, Decoder(vae.decoder, arguments.decoder).eval()


def compiled(decoder):
    """The decoder by torch.compile, its weights laid out beforehand as oneDNN likes them."""
    import torch._inductor.config as inductor

    inductor.freezing = True
    return torch.compile(decoder)


def run(arguments):
    work, decoder = prepare(arguments)
    if arguments.variant == "compiled":
        decoder = compiled(decoder)
    begin = time.perf_counter()
    importance_sampled(work, decoder, arguments, min(2, arguments.images))
    start, cpu = time.perf_counter(), time.process_time()
    estimates = importance_sampled(work, decoder, arguments, arguments.images).numpy()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    names = ["log_p_x_nats"] + [f"log_p_x_given_y_nats: {path}" for path in arguments.bridge]
    return {
        "torch": torch.__version__,
        "variant": arguments.variant,
        "decoder": arguments.decoder,
        "threads": arguments.threads,
        "parallel": arguments.parallel,
        "batch": arguments.batch,
        "images": arguments.images,
        "draws": arguments.draws,
        "draws_per_second": arguments.images * arguments.draws / seconds,
        "draws_per_cpu_second": arguments.images * arguments.draws / cpu_seconds,
        "seconds": seconds,
        "warm_up_seconds": start - begin,
        "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "estimates": {
            name: {
                "mean": float(values.mean()),
                "standard_error": float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None,
            }
            for name, values in zip(names, estimates.T)
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--bridge", action="append", default=[], help="bridge of the recipe paper; may be repeated")
    parser.add_argument("--image-model", default=ASSETS / "mnist-image.safetensors")
    parser.add_argument("--images", type=int, default=20, help="test images: the last ones of the seed's order of rows")
    parser.add_argument("--draws", type=int, default=1000, help="draws for each image")
    parser.add_argument("--batch", type=int, default=250, help="rows of the decoder at once")
    parser.add_argument("--variant", choices=["eager", "compiled"], default="eager")
    parser.add_argument(
        "--decoder",
        choices=["sub-pixel", "plain"],
        default="sub-pixel",
        help="last layer: rewritten for speed, or as ConvTranspose2d",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="processor cores")
    parser.add_argument(
        "--parallel",
        choices=["images", "operators"],
        default="images",
        help="each core takes images of its own, or all cores share every operator",
    )
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(run(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
