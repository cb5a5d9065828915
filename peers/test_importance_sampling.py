"""Checks of the PyTorch program against the NumPy peers, at the same points. Run it as a program, or by pytest."""

import numpy as np
import torch

from densities import DiagonalGaussian, Mixture, log_mean_exp, standard_normal
from importance_sampling import Decoder, Mixtures, Work, of_images, single
from likelihoods import ASSETS
from zbridge_files import read_vae

IMAGES, DRAWS, LATENT, COMPONENTS = 3, 40, 64, 5
RNG = np.random.default_rng(1)
VAE = read_vae(ASSETS / "mnist-image.safetensors")
OBSERVATIONS = RNG.random((IMAGES, 784)).astype(np.float32).astype(float)


def gaussians(*shape):
    return DiagonalGaussian(RNG.standard_normal(shape), RNG.standard_normal(shape) - 2)


# Two bridges, four labels.
MIXTURES = [[Mixture(gaussians(COMPONENTS, LATENT)) for _ in range(4)] for _ in range(2)]
LABELS = [2, 0, 3]


def test_decoders_agree():
    latents = RNG.standard_normal((IMAGES, DRAWS, LATENT))
    expected = [VAE.log_likelihood(OBSERVATIONS[i], latents[i]) for i in range(IMAGES)]
    for style in ("sub-pixel", "plain"):
        with torch.inference_mode():
            found = Decoder(VAE.decoder, style)(single(latents), single(OBSERVATIONS))
        np.testing.assert_allclose(found.numpy(), expected, rtol=3e-6)


def test_mixtures_agree():
    latents = RNG.standard_normal((IMAGES, DRAWS, LATENT))
    found = Mixtures.of(MIXTURES).log_density(torch.tensor(latents), torch.tensor(LABELS)).numpy()
    for image, bridge in np.ndindex(IMAGES, 2):
        expected = MIXTURES[bridge][LABELS[image]].log_density(latents[image])
        np.testing.assert_allclose(found[image, :, bridge], expected, rtol=1e-10)


def test_estimates_agree_at_the_same_noise():
    posterior = gaussians(IMAGES, LATENT)
    deviation = single(np.exp(posterior.log_var / 2))
    labels = torch.tensor(LABELS)
    work = Work(single(OBSERVATIONS), labels, single(posterior.mean), deviation, Mixtures.of(MIXTURES))
    found = of_images(work, Decoder(VAE.decoder, "sub-pixel"), slice(0, IMAGES), DRAWS, DRAWS, seed=7).numpy()
    noise = torch.randn(IMAGES, DRAWS, LATENT, generator=torch.Generator().manual_seed(7)).double().numpy()
    for i in range(IMAGES):
        latents = posterior.mean[i] + np.exp(posterior.log_var[i] / 2) * noise[i]
        shared = VAE.log_likelihood(OBSERVATIONS[i], latents) - posterior[i].log_density(latents)
        targets = [standard_normal(LATENT)] + [by_label[LABELS[i]] for by_label in MIXTURES]
        expected = [log_mean_exp(shared + target.log_density(latents)) for target in targets]
        np.testing.assert_allclose(found[i], expected, rtol=3e-6)


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"ok  {name.removeprefix('test_').replace('_', ' ')}")


if __name__ == "__main__":
    main()
