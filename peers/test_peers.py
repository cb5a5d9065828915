"""Checks of the NumPy peers against what is known exactly. Run it as a program, or by pytest."""

import numpy as np

from densities import DiagonalGaussian, Mixture, log_mean_exp, standard_normal
from likelihoods import elbo, effective_sample_size, importance_sampled, naive
from networks import bernoulli, categorical, conv, conv_transpose
from row_order import permutation, splitmix_words, xoshiro256pp


class LinearGaussian:
    """z ~ N(m, diag(s²)), x ~ N(Wz + b, σ²I): x is Gaussian, and z|x too, so that every figure has a closed form."""

    def __init__(self, weight, offset, noise_variance):
        self.weight, self.offset, self.noise_variance = weight, offset, noise_variance

    def log_likelihood(self, observations, latents):
        residual = observations - latents @ self.weight.T - self.offset
        variance = self.noise_variance
        return -0.5 * (residual.shape[-1] * np.log(2 * np.pi * variance) + (residual**2).sum(axis=-1) / variance)

    def log_marginal(self, observation, prior):
        """log N(x; Wm + b, W diag(s²) Wᵀ + σ²I)."""
        pixels = len(self.offset)
        covariance = self.weight * np.exp(prior.log_var) @ self.weight.T + self.noise_variance * np.eye(pixels)
        residual = observation - self.weight @ prior.mean - self.offset
        quadratic = residual @ np.linalg.solve(covariance, residual)
        return -0.5 * (pixels * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + quadratic)

    def posterior(self, observation, prior):
        """p(z|x), diagonal because the columns of W are orthogonal."""
        precision = np.exp(-prior.log_var) + (self.weight**2).sum(axis=0) / self.noise_variance
        residual = observation - self.weight @ prior.mean - self.offset
        mean = prior.mean + self.weight.T @ residual / (self.noise_variance * precision)
        return DiagonalGaussian(mean, -np.log(precision))

    def mean_log_likelihood(self, observation, density):
        """E log p(x|z) under a Gaussian of z: that of its mean, less what its spread costs."""
        spread = (np.exp(density.log_var) * (self.weight**2).sum(axis=0)).sum()
        return self.log_likelihood(observation, density.mean) - 0.5 * spread / self.noise_variance


MODEL = LinearGaussian(np.array([[1.0, 0.5], [1.0, -0.5], [0.0, 2.0]]), np.array([0.1, 0.2, 0.3]), 0.49)
OBSERVATIONS = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]])
PRIOR = standard_normal(2)
CONDITIONAL = DiagonalGaussian(np.array([0.4, -0.8]), np.array([-1.0, 0.6]))


def stack(gaussians):
    return DiagonalGaussian(*(np.stack([getattr(g, part) for g in gaussians]) for part in ("mean", "log_var")))


def test_the_exact_posterior_as_proposal_gives_the_exact_likelihood():
    rng = np.random.default_rng(1)
    for target in (PRIOR, CONDITIONAL):
        proposals = stack([MODEL.posterior(x, target) for x in OBSERVATIONS])
        found, sizes = importance_sampled(MODEL, OBSERVATIONS, proposals, lambda row: [target], 5, rng)
        exact = [MODEL.log_marginal(x, target) for x in OBSERVATIONS]
        np.testing.assert_allclose(found[:, 0], exact, rtol=1e-12)
        np.testing.assert_allclose(sizes, 5)


def test_another_proposal_gives_it_within_its_noise():
    rng = np.random.default_rng(2)
    posteriors = stack([MODEL.posterior(x, PRIOR) for x in OBSERVATIONS])
    proposals = DiagonalGaussian(posteriors.mean + 0.1, posteriors.log_var + 0.3)
    mixture = Mixture(stack([PRIOR, CONDITIONAL]))
    targets = [PRIOR, CONDITIONAL, mixture]
    exact = np.array([[MODEL.log_marginal(x, target) for target in targets[:2]] for x in OBSERVATIONS])
    exact = np.column_stack([exact, log_mean_exp(exact)])
    runs = [importance_sampled(MODEL, OBSERVATIONS, proposals, lambda row: targets, 4000, rng)[0] for _ in range(20)]
    assert_within_noise(runs, exact)


def test_naive_estimates_and_bound_have_their_closed_forms():
    rng = np.random.default_rng(3)
    runs = [naive(MODEL, OBSERVATIONS, [CONDITIONAL] * 2, 4000, rng)[0] for _ in range(20)]
    assert_within_noise(runs, np.array([MODEL.mean_log_likelihood(x, CONDITIONAL) for x in OBSERVATIONS]))
    runs = [naive(MODEL, OBSERVATIONS, [CONDITIONAL] * 2, 40000, rng)[1] for _ in range(20)]
    assert_within_noise(runs, np.array([MODEL.log_marginal(x, CONDITIONAL) for x in OBSERVATIONS]))
    posteriors = stack([MODEL.posterior(x, CONDITIONAL) for x in OBSERVATIONS])
    runs = [elbo(MODEL, OBSERVATIONS, posteriors, rng)[2] for _ in range(20000)]
    exact_posteriors = stack([MODEL.posterior(x, PRIOR) for x in OBSERVATIONS])
    exact = [MODEL.log_marginal(x, PRIOR) for x in OBSERVATIONS] - posteriors.kl_divergence(exact_posteriors)
    assert_within_noise(runs, exact)


def assert_within_noise(runs, exact):
    runs = np.stack(runs)
    errors = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.all(np.abs(runs.mean(axis=0) - exact) < 4 * errors), (runs.mean(axis=0), exact, errors)


def test_densities_integrate_to_one():
    grid = np.arange(-20, 20, 1e-3)[:, None]
    components = DiagonalGaussian(np.array([[-3.0], [2.0]]), np.array([[0.5], [-1.0]]))
    for density in (components[0], Mixture(components)):
        assert abs(np.exp(density.log_density(grid)).sum() * 1e-3 - 1) < 1e-9


def test_far_densities_stay_finite():
    assert log_mean_exp(np.array([-5000.0, -5001.0])) == -5000 + np.log((1 + np.exp(-1)) / 2)
    np.testing.assert_allclose(effective_sample_size(np.array([-9000.0, -9000.0, -9999.0])), 2)


def test_likelihoods_are_what_they_say():
    rng = np.random.default_rng(4)
    logits, grey = rng.standard_normal(6), rng.random(6)
    p = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(bernoulli(logits, grey), np.sum(grey * np.log(p) + (1 - grey) * np.log(1 - p)))
    np.testing.assert_allclose(categorical(logits, np.eye(6)[2]), np.log(np.exp(logits[2]) / np.exp(logits).sum()))


def test_convolutions_are_loops_over_kernels():
    rng = np.random.default_rng(5)
    layer = {"input": [5, 6, 3], "channels": 2, "kernel": 4, "stride": 2, "padding": 1}
    grid = rng.standard_normal((2, 5, 6, 3))
    own = {"weight": rng.standard_normal((2, 4, 4, 3)), "bias": rng.standard_normal(2)}
    np.testing.assert_allclose(conv(layer, own, grid.reshape(2, -1)), conv_by_loops(layer, own, grid), atol=1e-12)
    own["weight"] = rng.standard_normal((3, 4, 4, 2))
    expected = conv_transpose_by_loops(layer, own, grid)
    np.testing.assert_allclose(conv_transpose(layer, own, grid.reshape(2, -1)), expected, atol=1e-12)


def conv_by_loops(layer, own, grid):
    height, width = ((side + 2 * 1 - 4) // 2 + 1 for side in layer["input"][:2])
    output = np.tile(own["bias"], (len(grid), height, width, 1))
    for top, left, down, right in np.ndindex(height, width, 4, 4):
        y, x = 2 * top + down - 1, 2 * left + right - 1
        if 0 <= y < layer["input"][0] and 0 <= x < layer["input"][1]:
            output[:, top, left] += grid[:, y, x] @ own["weight"][:, down, right].T
    return output.reshape(len(grid), -1)


def conv_transpose_by_loops(layer, own, grid):
    height, width = (2 * side - 2 + 4 - 2 for side in layer["input"][:2])
    output = np.tile(own["bias"], (len(grid), height, width, 1))
    for top, left, down, right in np.ndindex(*layer["input"][:2], 4, 4):
        y, x = 2 * top + down - 1, 2 * left + right - 1
        if 0 <= y < height and 0 <= x < width:
            output[:, y, x] += grid[:, top, left] @ own["weight"][:, down, right]
    return output.reshape(len(grid), -1)


def test_row_order_follows_the_published_generators():
    assert splitmix_words(0, 1) == [0xE220A8397B1DCDAF]
    words = xoshiro256pp(1, 2, 3, 4)
    assert [next(words) for _ in range(3)] == [41943041, 58720359, 3588806011781223]
    assert sorted(permutation(7, "any", 1000)) == list(range(1000))


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"ok  {name.removeprefix('test_').replace('_', ' ')}")


if __name__ == "__main__":
    main()
