"""Likelihood figures of given models and paper-recipe bridges, in NumPy and double precision.

Every function gives one number for each observation, in nats; what is printed is their mean with its standard error.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from densities import Mixture, log_mean_exp, standard_normal
from row_order import permutation
from zbridge_files import one_hot, read_mnist_test, read_paper_bridge, read_vae

ASSETS = Path(__file__).resolve().parent.parent / "assets"
CLASSES = 10
# Draws of z_y ~ p(z_y|y) behind q(z_x|y), and of z_y ~ q(z_y|x) behind p(y|x): the numbers that zbridge takes.
SOURCE_DRAWS = 32
PREDICTION_DRAWS = 32


def log_weights(model, observation, proposal, targets, draws, rng):
    """log p(x|z) p_t(z) / r(z) at draws z ~ r, for each target density p_t: `[targets, draws]`."""
    latents = proposal.draw(rng, draws)
    shared = model.log_likelihood(observation, latents) - proposal.log_density(latents)
    return np.stack([shared + target.log_density(latents) for target in targets])


def importance_sampled(model, observations, proposals, targets_of_row, draws, rng):
    """log p_t(x_i) = log E_r[p(x_i|z) p_t(z) / r(z)] and its effective sample size: two arrays `[n, targets]`."""
    estimates, sizes = [], []
    for row, observation in enumerate(observations):
        weights = log_weights(model, observation, proposals[row], targets_of_row(row), draws, rng)
        estimates.append(log_mean_exp(weights))
        sizes.append(effective_sample_size(weights))
    return np.array(estimates), np.array(sizes)


def effective_sample_size(log_weights):
    """(Σ w)² / Σ w² along the last axis (Kish 1965)."""
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return weights.sum(axis=-1) ** 2 / (weights**2).sum(axis=-1)


def naive(model, observations, densities, draws, rng):
    """E log p(x_i|z) and log E p(x_i|z), z from a density that has not seen x_i: two arrays `[n]`."""
    rows = zip(observations, densities)
    logs = np.stack([model.log_likelihood(observation, density.draw(rng, draws)) for observation, density in rows])
    return logs.mean(axis=1), log_mean_exp(logs)


def elbo(model, observations, posterior, rng):
    """E log p(x|z) by one draw of the posterior, KL(posterior ‖ prior), and their difference: three arrays `[n]`."""
    reconstruction = model.log_likelihood(observations, posterior.draw(rng))
    divergence = posterior.kl_divergence(standard_normal(posterior.mean.shape[-1]))
    return reconstruction, divergence, reconstruction - divergence


def given_figures(vae, observations, draws, rng):
    """Figures of a given model by itself."""
    posterior = vae.posterior(observations)
    reconstruction, divergence, bound = elbo(vae, observations, posterior, rng)
    prior = standard_normal(vae.latent_dim)
    log_p, sizes = importance_sampled(vae, observations, posterior, lambda row: [prior], draws, rng)
    return {
        "reconstruction_nats": reconstruction,
        "kl_nats": divergence,
        "elbo_nats": bound,
        "log_p_nats": log_p[:, 0],
        "effective_sample_size": sizes[:, 0],
    }


def conditionals(bridge, label_vae, rng):
    """q(z_x|y) of every label: the mixture of q(z_x|z_y) over draws z_y ~ p(z_y|y)."""
    sources = label_vae.posterior(one_hot(range(CLASSES))).draw(rng, SOURCE_DRAWS)
    return [Mixture(bridge.y_to_x(sources[:, label])) for label in range(CLASSES)]


def image_figures(image_vae, label_vae, bridges, images, labels, draws, naive_draws, rng):
    """Figures of images across each of `bridges`; all of them share draws, and the prior is one more target."""
    mixtures = [conditionals(bridge, label_vae, rng) for bridge in bridges]
    prior = standard_normal(image_vae.latent_dim)
    posterior = image_vae.posterior(images)

    def targets_of_row(row):
        return [prior] + [by_label[labels[row]] for by_label in mixtures]

    log_p, sizes = importance_sampled(image_vae, images, posterior, targets_of_row, draws, rng)
    figures = []
    for place, by_label in enumerate(mixtures, start=1):
        densities = [by_label[label] for label in labels]
        mean_of_logs, log_of_mean = naive(image_vae, images, densities, naive_draws, rng)
        figures.append(
            {
                "naive_log_likelihood_nats": mean_of_logs,
                "naive_log_mean_nats": log_of_mean,
                "log_p_x_given_y_nats": log_p[:, place],
                "gain_over_prior_nats": log_p[:, place] - log_p[:, 0],
                "effective_sample_size": sizes[:, place],
            }
        )
    return figures


def label_figures(bridge, label_vae, image_posterior, labels, rng):
    """Figures of labels told from images: z_x ~ p(z_x|x), z_y ~ q(z_y|z_x), then p(y|z_y)."""
    sources = image_posterior.draw(rng, PREDICTION_DRAWS)
    latents = bridge.x_to_y(sources.reshape(-1, sources.shape[-1])).draw(rng)
    logits = label_vae.decoder(latents).reshape(PREDICTION_DRAWS, len(labels), CLASSES)
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    log_p_mean = log_mean_exp(log_p, axis=0)
    of_truth = (np.arange(len(labels)), labels)
    return {
        "label_log_likelihood_nats": log_p[:, *of_truth].mean(axis=0),
        "log_p_y_given_x_nats": log_p_mean[of_truth],
        "accuracy": (log_p_mean.argmax(axis=-1) == labels).astype(float),
    }


def latent_figures(direction, source, target, rng):
    """log q(z_target|z_source) at draws of both posteriors, and KL(q ‖ target's posterior) at a draw of the source."""
    density = direction(source.draw(rng))
    return {
        "log_density_nats": density.log_density(target.draw(rng)),
        "reverse_kl_nats": density.kl_divergence(target),
    }


def estimate(values):
    """Mean, its standard error between the values, and their number."""
    return {
        "mean": values.mean(),
        "standard_error": values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None,
        "count": len(values),
    }


def summary(figures):
    """Estimates of all figures, but the median of effective sample sizes."""
    median = {name: float(np.median(v)) for name, v in figures.items() if name == "effective_sample_size"}
    return {name: estimate(values) for name, values in figures.items() if name not in median} | {
        f"{name}_median": value for name, value in median.items()
    }


def report(arguments):
    images, labels = read_mnist_test(arguments.data)
    rows = permutation(arguments.seed, "reproduce/rows", len(labels))[-arguments.images :]
    images, labels = images[rows], labels[rows]
    image_vae, label_vae = read_vae(arguments.image_model), read_vae(arguments.label_model)
    bridges = [read_paper_bridge(path) for path in arguments.bridge]
    rng = np.random.default_rng(arguments.seed)
    size = arguments.draws, arguments.naive_draws
    across = image_figures(image_vae, label_vae, bridges, images, labels, *size, rng)
    posterior = image_vae.posterior(images)
    return {
        "images": len(rows),
        "draws": arguments.draws,
        "seed": arguments.seed,
        "image_model": summary(given_figures(image_vae, images, arguments.draws, rng)),
        "label_model": summary(given_figures(label_vae, one_hot(labels), arguments.draws, rng)),
        "bridges": {
            path: summary(figures | label_figures(bridge, label_vae, posterior, labels, rng))
            for path, bridge, figures in zip(arguments.bridge, bridges, across)
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--bridge", action="append", default=[], help="bridge of the recipe paper; may be repeated")
    parser.add_argument("--image-model", default=ASSETS / "mnist-image.safetensors")
    parser.add_argument("--label-model", default=ASSETS / "mnist-label.safetensors")
    parser.add_argument("--images", type=int, default=20, help="test images: the last ones of the seed's order of rows")
    parser.add_argument("--draws", type=int, default=1000, help="draws of the importance sampling for each image")
    parser.add_argument("--naive-draws", type=int, default=50, help="draws of the naive estimates for each image")
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(report(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
