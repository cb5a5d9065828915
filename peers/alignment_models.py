"""Image VAEs in PyTorch for the problems of `alignment_problems.py`: networks, training, checkpoints.

Both kinds take images `[n, side, side]` with values in 0..1 and have a Bernoulli likelihood for each pixel.
"""

import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class ConvolutionalVae(nn.Module):
    """Two convolutions of stride 2 down, two transposed ones up."""

    def __init__(self, side=28, latents=10, channels=16, width=128):
        super().__init__()
        grid = (2 * channels, side // 4, side // 4)
        features = int(np.prod(grid))
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, side)),
            nn.Conv2d(1, channels, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), nn.SiLU(),
            nn.Flatten(),
            nn.Linear(features, width), nn.SiLU(),
            nn.Linear(width, 2 * latents),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latents, width), nn.SiLU(),
            nn.Linear(width, features), nn.SiLU(),
            nn.Unflatten(1, grid),
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
            nn.Flatten(1, 2),
        )


class DenseVae(nn.Module):
    """Fully connected, two hidden layers on each side."""

    def __init__(self, side=28, latents=16, width=400):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(side * side, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 2 * latents),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latents, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, side * side),
            nn.Unflatten(1, (side, side)),
        )


KINDS = {"convolutional": ConvolutionalVae, "dense": DenseVae}


def posterior(vae, images):
    """Means and log-variances `[n, latents]` of images `[n, side, side]`."""
    mean, log_var = vae.encoder(images).chunk(2, dim=1)
    return mean, log_var.clamp(-12, 6)


def negative_elbo(vae, images):
    """In nats for each image, by one draw of the latents."""
    mean, log_var = posterior(vae, images)
    latents = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
    pixels = binary_cross_entropy_with_logits(vae.decoder(latents), images, reduction="none")
    divergence = (mean**2 + log_var.exp() - 1 - log_var) / 2
    return pixels.flatten(1).sum(1) + divergence.sum(1)


def train(vae, images, epochs, seed, rate=2e-3, batch=128):
    """Adam with a cosine schedule, in place."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    steps = epochs * (len(images) // batch)
    optimiser = torch.optim.Adam(vae.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    start = time.time()
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for rows in order[: len(images) // batch * batch].split(batch):
            loss = negative_elbo(vae, images[rows]).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        mean = total / (len(images) // batch)
        print(f"  epoch {epoch + 1}/{epochs}: ELBO {-mean:.2f} nats, {time.time() - start:.0f} s", flush=True)


def trained(path, kind, settings, images, epochs, seed):
    """The VAE in the checkpoint at `path`; trained and saved there if there is none."""
    torch.manual_seed(seed)
    vae = KINDS[kind](**settings)
    if path.exists():
        return load(path)
    print(f"training {path.name} on {len(images)} images", flush=True)
    train(vae, images, epochs, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"kind": kind, "settings": settings, "epochs": epochs, "seed": seed})
    unfinished = path.with_suffix(".part")
    torch.save({"about": about, "state": vae.state_dict()}, unfinished)
    unfinished.rename(path)
    return vae.eval()


def load(path):
    """A VAE as `trained` saved it."""
    saved = torch.load(path, weights_only=True)
    about = json.loads(saved["about"])
    vae = KINDS[about["kind"]](**about["settings"])
    vae.load_state_dict(saved["state"])
    return vae.eval()


@torch.no_grad()
def encode(vae, images):
    """Means and log-variances of all images, as NumPy arrays."""
    parts = [posterior(vae, part) for part in images.split(1000)]
    return tuple(torch.cat(list(halves)).numpy() for halves in zip(*parts))


@torch.no_grad()
def decode(vae, latents):
    """Grey values `[n, side, side]` of latents `[n, d]`, as a NumPy array."""
    parts = torch.as_tensor(latents, dtype=torch.float32).split(1000)
    return torch.cat([vae.decoder(part).sigmoid() for part in parts]).numpy()


@torch.no_grad()
def mean_elbo(vae, images, seed=0):
    """In nats for each image."""
    torch.manual_seed(seed)
    return -float(torch.cat([negative_elbo(vae, part) for part in images.split(1000)]).mean())
