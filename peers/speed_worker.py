"""Does one task in PyTorch each time that a line comes in, which says what share of the steps is enough; prints seconds
as JSON. Started by `speed.py`."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

import importance_sampling
import training
from likelihoods import ASSETS
from zbridge_files import read_latents, read_paper_bridge, read_safetensors, read_vae

BATCH, WIDTHS, STEPS = 128, (12, 18), 300
FIT_STEPS = 3000
# A fit's steps are all alike: so many of them are timed.
TIMED_FIT_STEPS = 500


def timed(step, batches):
    """Seconds of one step."""
    batches = list(batches)
    start = time.perf_counter()
    for batch in batches:
        step(*batch)
    return (time.perf_counter() - start) / len(batches)


def fit(variant, folder, pairs):
    """Both directions, one after the other; draws and the batch's rows are part of a step."""
    posteriors = [read_latents(folder / name).posterior for name in ("x.safetensors", "y.safetensors")]
    sides = [[torch.tensor(part[:pairs], dtype=torch.float32) for part in (p.mean, p.log_var)] for p in posteriors]

    def direction(source, target):
        mean, deviation = source[0], torch.exp(0.5 * source[1])
        model = training.PaperBridge(mean.shape[1], target[0].shape[1])
        step = variant.step(model, 3e-3)

        def one():
            rows = torch.randint(pairs, (BATCH,))
            draws = mean[rows] + deviation[rows] * torch.randn(BATCH, mean.shape[1])
            step(draws, target[0][rows], target[1][rows])

        return one

    directions = [direction(*sides), direction(*reversed(sides))]
    # Each direction by itself first, so that both are compiled.
    run = lambda count: sum(timed(one, [()] * count) for one in directions)
    run(10)
    return lambda share: FIT_STEPS * run(int(TIMED_FIT_STEPS * share))


def family(variant, model):
    source, target = torch.randn(BATCH, WIDTHS[0]), torch.randn(BATCH, WIDTHS[1])
    step = variant.step(model, 2e-3)
    timed(step, [(source, target)] * 20)
    return lambda share: timed(step, [(source, target)] * int(STEPS * share))


def mixture():
    return training.Mixture(WIDTHS[0], torch.randn(32, WIDTHS[1]), torch.full((32, WIDTHS[1]), -1.0))


def flow():
    permutation = torch.randperm(WIDTHS[1]).tolist()
    turned = permutation[WIDTHS[1] // 2 :] + permutation[: WIDTHS[1] // 2]
    return training.CouplingFlow(WIDTHS[0], [permutation, turned] * 3)


def vae(variant, model, batch, steps, unit):
    images = torch.rand(4 * batch, 784)
    step = variant.step(model, 1e-3)
    batches = [(images[batch * (i % 4) : batch * (i % 4 + 1)],) for i in range(steps)]
    timed(step, batches[:4])
    return lambda share: unit * timed(step, batches[: int(len(batches) * share)])


def generate(variant, folder):
    """Labels → latents → images, as `zbridge generate` does."""
    image_model, label_model = read_vae(ASSETS / "mnist-image.safetensors"), read_vae(ASSETS / "mnist-label.safetensors")
    bridge = training.PaperBridge(2, 64).eval()
    tensors, _ = training.read(folder / "paper.bridge")
    training.fill(bridge.network, tensors, "y_to_x.0.")
    vae = training.conv_vae().eval()
    parameters = {name: torch.tensor(values, dtype=torch.float32) for name, values in image_model.decoder.parameters.items()}
    training.fill(vae.decoder, parameters, "")
    posterior = label_model.posterior(np.eye(10))
    mean = torch.tensor(posterior.mean, dtype=torch.float32).repeat_interleave(1000, 0)
    deviation = torch.tensor(np.exp(0.5 * posterior.log_var), dtype=torch.float32).repeat_interleave(1000, 0)

    def images(noise, latent_noise):
        q_mean, q_log_var = bridge.network(noise).chunk(2, 1)
        return torch.sigmoid(vae.decoder(q_mean + torch.exp(0.5 * q_log_var) * latent_noise))

    work = torch.compile(images) if variant.compiled else images

    def run(_):
        start = time.perf_counter()
        with torch.inference_mode():
            source = mean + deviation * torch.randn_like(mean)
            made = [work(block, torch.randn(len(block), 64)) for block in source.split(250)]
            torch.cat(made)
        return time.perf_counter() - start

    run(1)
    return run


def importance(variant, folder, threads):
    """log p(x) of given images by importance sampling, each core with images of its own, 250 draws at once."""
    vae = read_vae(ASSETS / "mnist-image.safetensors")
    [images] = read_safetensors(folder / "images.safetensors")[0].values()
    posterior = vae.posterior(images)
    work = importance_sampling.Work(
        images=importance_sampling.single(images),
        labels=torch.zeros(len(images), dtype=torch.int64),
        mean=importance_sampling.single(posterior.mean),
        deviation=importance_sampling.single(np.exp(posterior.log_var / 2)),
        mixtures=None,
    )
    decoder = importance_sampling.Decoder(vae.decoder, "sub-pixel").eval()
    if variant.compiled:
        decoder = importance_sampling.compiled(decoder)
    settings = argparse.Namespace(draws=1000, batch=250, parallel="images", threads=threads, seed=1)

    def run(share):
        start = time.perf_counter()
        importance_sampling.importance_sampled(work, decoder, settings, max(2, int(share * len(images))))
        return time.perf_counter() - start

    return run


def peak():
    """Billions of operations a second."""
    side = 2048
    left, right = torch.randn(side, side), torch.randn(side, side)

    def run(_):
        start = time.perf_counter()
        left @ right
        return 2 * side**3 / (time.perf_counter() - start) / 1e9

    run(1)
    return run


def task_of(name, variant, folder, threads):
    kind, _, number = name.rpartition("-")
    if kind == "fit":
        return fit(variant, folder, int(number))
    if kind == "mlp-vae":
        return vae(variant, training.mlp_vae(), int(number), 60, 60_000 / int(number))
    return {
        "mixture": lambda: family(variant, mixture()),
        "flow": lambda: family(variant, flow()),
        "flow-matching": lambda: family(variant, training.FlowMatching(*WIDTHS)),
        "conv-vae": lambda: vae(variant, training.conv_vae(), BATCH, 20, 1),
        "importance": lambda: importance(variant, folder, threads),
        "generate": lambda: generate(variant, folder),
        "peak": peak,
        "check": lambda: lambda _: training.check(folder),
    }[name]()


def main():
    task, variant, threads, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    [variant] = [known for known in training.VARIANTS if known.name == variant]
    work = task_of(task, variant, Path(folder), int(threads))
    for share in sys.stdin:
        print(json.dumps(work(float(share))), flush=True)


if __name__ == "__main__":
    main()
