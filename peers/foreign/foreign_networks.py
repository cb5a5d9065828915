"""Small generative models as people write them in PyTorch, with random weights: what zbridge must be able to open.

Every encoder gives `(mean, log_var)` and every decoder one tensor, unless its docstring says otherwise. `SIZES` has the
small ones that are kept as fixtures and larger ones for timings.
"""

import torch
from torch import nn


class MlpEncoder(nn.Module):
    """Flat inputs in 0..1."""

    def __init__(self, inputs, hidden, latent_dim):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Tanh())
        self.mean, self.log_var = nn.Linear(hidden, latent_dim), nn.Linear(hidden, latent_dim)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.log_var(h)


class MlpDecoder(nn.Module):
    """Probabilities of flat pixels."""

    def __init__(self, outputs, hidden, latent_dim):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ELU(), nn.Linear(hidden, outputs), nn.Sigmoid())

    def forward(self, z):
        return self.body(z)


class ConvEncoder(nn.Module):
    """Images; one output, means and log-variances side by side."""

    def __init__(self, channels, side, width, latent_dim):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, 2, 1),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=2),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(2 * width * (side // 4) ** 2, 2 * latent_dim),
        )

    def forward(self, x):
        return self.body(x)


class ConvDecoder(nn.Module):
    """Logits of pixels."""

    def __init__(self, channels, side, width, latent_dim):
        super().__init__()
        self.side, self.width = side, width
        self.first = nn.Linear(latent_dim, 2 * width * (side // 4) ** 2)
        self.body = nn.Sequential(
            nn.BatchNorm2d(2 * width),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.GELU(approximate="tanh"),
            nn.ConvTranspose2d(width, channels, 3, 2, 1, output_padding=1),
        )

    def forward(self, z):
        return self.body(self.first(z).view(-1, 2 * self.width, self.side // 4, self.side // 4))


class PixelEncoder(nn.Module):
    """Images of 0..255 with the channels last; gives a mean and a standard deviation."""

    def __init__(self, channels, side, width, latent_dim):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, 2, 1, padding_mode="reflect")
        self.norm = nn.GroupNorm(2, width)
        self.to_mean = nn.Linear(width, latent_dim)
        self.to_deviation = nn.Linear(width, latent_dim)

    def forward(self, x):
        h = nn.functional.mish(self.norm(self.conv(x.permute(0, 3, 1, 2) / 255.0)))
        h = nn.functional.adaptive_avg_pool2d(h, 1).flatten(1)
        return self.to_mean(h), nn.functional.softplus(self.to_deviation(h))


class UpsampleDecoder(nn.Module):
    """Images in −1..1, with nearest and bilinear upsampling, pixel shuffle, instance norm and PReLU."""

    def __init__(self, channels, side, width, latent_dim):
        super().__init__()
        self.side, self.width = side, width
        self.first = nn.Linear(latent_dim, width * (side // 8) ** 2)
        self.body = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.InstanceNorm2d(width, affine=True),
            nn.PReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(width, 4 * channels, 3, 1, 1),
            nn.PixelShuffle(2),
            nn.Hardtanh(),
        )

    def forward(self, z):
        return self.body(self.first(z).view(-1, self.width, self.side // 8, self.side // 8))


class TransformerEncoder(nn.Module):
    """Patches, attention, layer norm, GELU: the class token is the latent point."""

    def __init__(self, channels, side, width, latent_dim, patch=4, layers=2):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.last = nn.Linear(width, latent_dim)

    def forward(self, x):
        h = self.patches(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.token.expand(h.shape[0], -1, -1), h], 1) + self.places
        return self.last(self.body(h)[:, 0])


class GruEncoder(nn.Module):
    """Sequences `[batch, time, features]`, read in both directions."""

    def __init__(self, features, hidden, latent_dim):
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True, bidirectional=True)
        self.mean, self.log_var = nn.Linear(2 * hidden, latent_dim), nn.Linear(2 * hidden, latent_dim)

    def forward(self, x):
        _, last = self.gru(x)
        h = torch.cat([last[0], last[1]], 1)
        return self.mean(h), self.log_var(h)


class Conv1dEncoder(nn.Module):
    """Sounds `[batch, 1, samples]`."""

    def __init__(self, samples, width, latent_dim):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, width, 9, 4, 4), nn.SiLU(), nn.Conv1d(width, width, 9, 4, 4, dilation=1), nn.SiLU(), nn.Flatten()
        )
        self.last = nn.Linear(width * (samples // 16), 2 * latent_dim)

    def forward(self, x):
        return self.last(self.body(x)).chunk(2, 1)


class KlEncoder(nn.Module):
    """The encoder of a diffusers `AutoencoderKL`, as one output of moments."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, x):
        return self.vae.quant_conv(self.vae.encoder(x))


class KlDecoder(nn.Module):
    """The decoder of a diffusers `AutoencoderKL`."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, z):
        return self.vae.decoder(self.vae.post_quant_conv(z))


def autoencoder_kl(widths, **settings):
    """An `AutoencoderKL` of these widths with random weights, those of its norms too."""
    from diffusers import AutoencoderKL

    kind = dict(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )
    return shaken(AutoencoderKL(**(kind | settings)))


def shaken(model):
    """The model in evaluation, its norms, biases and running statistics moved away from the 0 and 1 they start at."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.add_(0.2 * torch.rand_like(buffer))
    return model.eval()


def networks(large=False):
    """Name → (module, shape of one input, names of the outputs)."""
    torch.manual_seed(5)
    width, hidden, kl = (32, 512, (32, 64)) if large else (8, 64, (8, 16))
    vae = autoencoder_kl(kl, sample_size=32 if large else 16)
    side = 32 if large else 16
    return {
        "mlp-encoder": (shaken(MlpEncoder(784 if large else 144, hidden, 8)), [784 if large else 144], ["mu", "logvar"]),
        "mlp-decoder": (shaken(MlpDecoder(784 if large else 144, hidden, 8)), [8], ["probs"]),
        "conv-encoder": (shaken(ConvEncoder(1, 28, width, 6)), [1, 28, 28], ["moments"]),
        "conv-decoder": (shaken(ConvDecoder(1, 28, width, 6)), [6], ["logits"]),
        "pixel-encoder": (shaken(PixelEncoder(3, side, width, 5)), [side, side, 3], ["mu", "std"]),
        "upsample-decoder": (shaken(UpsampleDecoder(3, side, width, 5)), [5], ["image"]),
        "transformer-encoder": (shaken(TransformerEncoder(3, side, 2 * width, 7)), [3, side, side], ["embedding"]),
        "gru-encoder": (shaken(GruEncoder(6, 2 * width, 5)), [9, 6], ["mean", "log_var"]),
        "sound-encoder": (shaken(Conv1dEncoder(256, width, 5)), [1, 256], ["mean", "log_var"]),
        "kl-encoder": (shaken(KlEncoder(vae)), [3, side, side], ["moments"]),
        "kl-decoder": (shaken(KlDecoder(vae)), [4, side // 2, side // 2], ["sample"]),
    }
