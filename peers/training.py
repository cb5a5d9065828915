"""What zbridge trains, a second time in PyTorch: the paper's bridge, a mixture, a coupling flow, flow matching, VAEs.

Written as one writes it for speed: everything in a batch at once, no loop over rows. `speed.py` times it beside zbridge;
`check` holds each objective against zbridge's on the same numbers.
"""

import json
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

LOG_TWO_PI = math.log(2 * math.pi)


def read(path):
    """Tensors by name, and zbridge's metadata."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, json.loads(file.metadata()["zbridge"])


def mlp(inputs, hidden, outputs):
    """Linear, SiLU for each hidden layer, then Linear."""
    widths, layers = [inputs, *hidden], []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class PaperBridge(nn.Module):
    """q(z_target|z_source) of the paper, and KL(q ‖ p) from the posteriors of the targets."""

    def __init__(self, source, target):
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(source, 64),
            nn.BatchNorm1d(64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, 128),
            nn.BatchNorm1d(128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, 2 * target),
        )

    def forward(self, source, mean, log_var):
        q_mean, q_log_var = self.network(source).chunk(2, 1)
        spread = torch.exp(q_log_var - log_var) + (q_mean - mean) ** 2 * torch.exp(-log_var)
        return 0.5 * (log_var - q_log_var + spread - 1).sum(1).mean()


class Mixture(nn.Module):
    """A mixture density network whose components begin as given ones: shifts in deviations, log-variances within ±3."""

    MOST_CHANGE = 3.0

    def __init__(self, source, mean, log_var, hidden=(128, 128)):
        super().__init__()
        self.count, self.dim = mean.shape
        self.register_buffer("mean", mean)
        self.register_buffer("root", torch.exp(-0.5 * log_var))
        self.register_buffer("normaliser", -0.5 * (LOG_TWO_PI + log_var).sum(1))
        self.network = mlp(source, hidden, self.count * (1 + 2 * self.dim))

    def forward(self, source, target):
        outputs = self.network(source)
        logits, moved = outputs[:, : self.count], outputs[:, self.count :].unflatten(1, (2, self.count, self.dim))
        shift, change = moved[:, 0], self.MOST_CHANGE * torch.tanh(moved[:, 1] / self.MOST_CHANGE)
        standard = ((target[:, None] - self.mean) * self.root - shift) * torch.exp(-0.5 * change)
        log_density = self.normaliser - 0.5 * (change + standard**2).sum(2)
        return -(torch.logsumexp(torch.log_softmax(logits, 1) + log_density, 1)).mean()


class CouplingFlow(nn.Module):
    """Couplings of monotone rational-quadratic splines in the box ±5, identity outside (Durkan et al. 2019)."""

    BOX, LEAST, RAW_SLOPE = 5.0, 1e-3, 0.5397432

    def __init__(self, source, orders, hidden=(64, 64), bins=8):
        super().__init__()
        self.bins, self.target = bins, len(orders[0])
        self.kept = self.target // 2
        self.register_buffer("orders", torch.tensor(orders))
        moved = self.target - self.kept
        outputs = moved * (3 * bins - 1)
        self.networks = nn.ModuleList(mlp(self.kept + source, hidden, outputs) for _ in orders)

    def forward(self, source, target):
        points, log_determinant = target, 0.0
        for order, network in zip(self.orders, self.networks):
            kept, moved = points[:, order[: self.kept]], points[:, order[self.kept :]]
            raw = network(torch.cat([kept, source], 1).clamp(-50, 50)).unflatten(1, (moved.shape[1], -1))
            moved, log_slope = self.spline(moved, raw)
            points = torch.cat([kept, moved], 1)[:, torch.argsort(order)]
            log_determinant = log_determinant + log_slope.sum(1)
        nats = 0.5 * (points**2 + LOG_TWO_PI).sum(1) - log_determinant
        return nats.mean()

    def spline(self, x, raw):
        bins, box = self.bins, self.BOX
        least = 2 * box * self.LEAST
        sizes = [least + (2 * box - bins * least) * torch.softmax(part, 2) for part in raw[..., : 2 * bins].split(bins, 2)]
        widths, heights = sizes
        inner = self.LEAST + F.softplus(raw[..., 2 * bins :] + self.RAW_SLOPE)
        slopes = F.pad(inner, (1, 1), value=1.0)
        left = F.pad(torch.cumsum(widths, 2), (1, 0)) - box
        bottom = F.pad(torch.cumsum(heights, 2), (1, 0)) - box
        inside = x.abs() <= box
        at = x.clamp(-box, box)
        index = (torch.searchsorted(left[..., 1:-1].contiguous(), at[..., None], right=True)).clamp(0, bins - 1)
        take = lambda values, shift=0: torch.gather(values, 2, index + shift)[..., 0]
        width, height = take(widths), take(heights)
        theta = ((at - take(left)) / width).clamp(0, 1)
        mean, first, second = height / width, take(slopes), take(slopes, 1)
        t = theta * (1 - theta)
        below = mean + (first + second - 2 * mean) * t
        value = take(bottom) + height * (mean * theta**2 + first * t) / below
        bend = second * theta**2 + 2 * mean * t + first * (1 - theta) ** 2
        log_slope = torch.log(bend) + 2 * torch.log(mean / below)
        return torch.where(inside, value, x), torch.where(inside, log_slope, torch.zeros_like(x))


class FlowMatching(nn.Module):
    """The velocity from noise to target, learned along straight lines (Lipman et al. 2023)."""

    def __init__(self, source, target, hidden=(64, 64)):
        super().__init__()
        self.network = mlp(target + 7 + source, hidden, target)

    def forward(self, source, target, noise=None, shift=None):
        rows = len(target)
        noise = torch.randn_like(target) if noise is None else noise
        shift = torch.rand(()) if shift is None else shift
        time = torch.frac(shift + torch.arange(rows) / rows)[:, None]
        angles = 2 * math.pi * time * torch.arange(1, 4)
        features = torch.cat([time, torch.stack([angles.sin(), angles.cos()], 2).flatten(1)], 1)
        points = (1 - time) * noise + time * target
        velocity = self.network(torch.cat([points, features, source], 1))
        return 0.5 * ((velocity - (target - noise)) ** 2).sum(1).mean()


class Vae(nn.Module):
    """A VAE with Bernoulli pixels; its loss is minus the evidence lower bound."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images):
        mean, log_var = self.encoder(images).chunk(2, 1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        logits = self.decoder(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits.flatten(1), images, reduction="sum")
        kl = 0.5 * (mean**2 + torch.exp(log_var) - log_var - 1).sum()
        return (reconstruction + kl) / len(images)


def mlp_vae():
    return Vae(mlp(784, (512, 512), 128), mlp(64, (512, 512), 784))


class AsGrid(nn.Module):
    """Rows as images of this many channels, channels last in memory."""

    def __init__(self, side, channels):
        super().__init__()
        self.side, self.channels = side, channels

    def forward(self, rows):
        return rows.view(-1, self.side, self.side, self.channels).permute(0, 3, 1, 2)


class AsRows(nn.Module):
    """Images as rows, channels innermost."""

    def forward(self, grid):
        return grid.permute(0, 2, 3, 1).flatten(1)


def conv_vae():
    """The network of `mnist-image`; grids have their channels innermost, as in zbridge's files."""
    encoder = nn.Sequential(
        AsGrid(28, 1),
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(64, 64, 3, 2, 1),
        nn.SiLU(),
        AsRows(),
        nn.Linear(1024, 512),
        nn.SiLU(),
        nn.Linear(512, 128),
    )
    decoder = nn.Sequential(
        nn.Linear(64, 512),
        nn.SiLU(),
        nn.Linear(512, 1568),
        nn.SiLU(),
        AsGrid(7, 32),
        nn.ConvTranspose2d(32, 32, 4, 2, 1),
        nn.SiLU(),
        nn.ConvTranspose2d(32, 1, 6, 2, 2),
        AsRows(),
    )
    return Vae(encoder, decoder).to(memory_format=torch.channels_last)


@torch.no_grad()
def fill(network, tensors, prefix):
    """Puts zbridge's parameters into the layers that have any, in their order."""
    layers = [layer for layer in network if hasattr(layer, "weight")]
    names = [name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)]
    indices = sorted({int(name) for name in names if name.isdigit()})
    assert len(layers) == len(indices), f"{prefix}: {len(layers)} layers for {len(indices)}"
    for layer, index in zip(layers, indices):
        weight = tensors[f"{prefix}{index}.weight"]
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            weight = weight.permute(0, 3, 1, 2)
        layer.weight.copy_(weight)
        layer.bias.copy_(tensors[f"{prefix}{index}.bias"])
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.copy_(tensors[f"{prefix}{index}.running_mean"])
            layer.running_var.copy_(tensors[f"{prefix}{index}.running_var"])


def check_mixture(folder):
    tensors, about = read(folder / "mixture.safetensors")
    model = Mixture(12, tensors["density.components.mean"], tensors["density.components.log_var"])
    fill(model.network, tensors, "density.")
    return [(model(tensors["source"], tensors["target"]), float(about["objective"]))]


def check_flow(folder):
    tensors, about = read(folder / "flow.safetensors")
    model = CouplingFlow(12, json.loads(about["density.coupling-flow"])["orders"])
    for index, network in enumerate(model.networks):
        fill(network, tensors, f"density.coupling.{index}.")
    return [(model(tensors["source"], tensors["target"]), float(about["objective"]))]


def check_flow_matching(folder):
    tensors, about = read(folder / "flow-matching.safetensors")
    model = FlowMatching(12, 18)
    fill(model.network, tensors, "density.")
    value = model(tensors["source"], tensors["target"], tensors["noise"], float(about["shift"]))
    return [(value, float(about["objective"]))]


def check_vae(folder, name, model):
    tensors, about = read(folder / f"{name}.safetensors")
    fill(model.encoder, tensors, "encoder.")
    fill(model.decoder, tensors, "decoder.")
    return [(-model(tensors["images"]), float(about["objective"]))]


def check_paper(folder):
    bridge, _ = read(folder / "check.bridge")
    tensors, about = read(folder / "paper.safetensors")
    pairs = []
    for name, objective in json.loads(about["objectives"]).items():
        source, target = tensors[f"{name}.source"], tensors[f"{name}.target"]
        model = PaperBridge(source.shape[1], target.shape[1]).eval()
        fill(model.network, bridge, f"{name}.0.")
        pairs.append((model(source, target, torch.full_like(target, -1.0)), objective))
    return pairs


CHECKS = {
    "paper": check_paper,
    "mixture": check_mixture,
    "flow": check_flow,
    "flow-matching": check_flow_matching,
    "mlp-vae": lambda folder: check_vae(folder, "mlp-vae", mlp_vae()),
    "conv-vae": lambda folder: check_vae(folder, "conv-vae", conv_vae()),
}


@torch.no_grad()
def check(folder):
    """Name → largest relative difference between an objective here and zbridge's."""
    return {
        name: max(abs(float(own) - other) / max(abs(other), 1.0) for own, other in compare(folder))
        for name, compare in CHECKS.items()
    }


@dataclass
class Variant:
    """How PyTorch runs: with plain or fused Adam, compiled or not."""

    name: str
    fused: bool
    compiled: bool

    def step(self, model, learning_rate):
        """A function that does one step of training on a batch."""
        parameters = list(model.parameters())
        adam = torch.optim.Adam(parameters, learning_rate, fused=self.fused)
        loss = torch.compile(model) if self.compiled else model

        def step(*batch):
            adam.zero_grad(set_to_none=True)
            loss(*batch).backward()
            adam.step()

        return step


VARIANTS = [Variant("eager", False, False), Variant("fused Adam", True, False), Variant("compiled", True, True)]
