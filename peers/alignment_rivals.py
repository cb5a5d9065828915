"""Ways to predict one latent space from another from few pairs: what a bridge has to be better than.

A rival is a function of a `Task` that returns a `Prediction`: the mean of the target for each held-out source, the spread
that is left around it, and, where a method ranks partners by something else, its own similarity.

Sources are posterior means and regressions are fitted to posterior means. A log density is that of a draw of the target,
so the target's own mean posterior variance is part of the spread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

FOLDS = 5


@dataclass
class Side:
    """Latents of one side, an axis for all dimensions: means `[n, d]`, variances `[n, d]` or None."""

    mean: np.ndarray
    variance: np.ndarray | None = None

    def __getitem__(self, rows):
        return Side(self.mean[rows], None if self.variance is None else self.variance[rows])

    def mean_variance(self):
        return np.zeros(self.mean.shape[1]) if self.variance is None else self.variance.mean(0)

    def draw(self, seed):
        noise = np.random.default_rng(seed).standard_normal(self.mean.shape)
        return self.mean if self.variance is None else self.mean + np.sqrt(self.variance) * noise


@dataclass
class Task:
    """Pairs, held-out sources, and latents without partners."""

    source: Side
    target: Side
    test_source: np.ndarray
    source_unpaired: np.ndarray
    target_unpaired: np.ndarray
    seed: int
    members: dict = field(default_factory=dict)


@dataclass
class Prediction:
    """What a rival says about held-out pairs.

    `similarity` of held-out sources to targets `[n, d]` is a matrix `[sources, n]`; without it, partners are ranked by the
    density.
    """

    mean: np.ndarray
    spread: "Spread"
    similarity: Callable | None = None
    notes: dict = field(default_factory=dict)


# The spread around a mean: one Gaussian covariance, shrunk towards its diagonal


class Spread:
    """a·D + (1 − a)·S for the covariance S of residuals and its diagonal D; a by cross-validated log density.

    S is kept as residuals, so that thousands of dimensions cost no matrix of their size.
    """

    def __init__(self, residuals, extra_variance):
        variance = (residuals**2).mean(0) + extra_variance
        self.scale = np.sqrt(np.maximum(variance, 1e-8))
        scaled = residuals / self.scale
        self.extra = extra_variance / self.scale**2
        # A choice among six needs fewer rows than a covariance.
        few = thinned(scaled, max(300, 2_000_000 // scaled.shape[1]))
        grid = [0.02, 0.1, 0.25, 0.5, 0.8, 1.0]
        if len(scaled) < 2 * FOLDS:
            grid = [1.0]
        self.shrinkage = max(grid, key=lambda shrinkage: self.cross_validated(few, shrinkage))
        self.diagonal, self.directions = self.shrunk(thinned(scaled), self.shrinkage)

    def cross_validated(self, scaled, shrinkage):
        if len(scaled) < 2 * FOLDS:
            return 0.0
        total = 0.0
        for kept, out in folds(len(scaled), seed=0):
            total += log_normal(scaled[out], *self.shrunk(scaled[kept], shrinkage)).sum()
        return total

    def shrunk(self, scaled, shrinkage):
        """The covariance as a diagonal plus rows `[k, d]`, whose squares sum up to the rest."""
        own = (scaled**2).mean(0)
        diagonal = shrinkage * own + self.extra + 1e-3
        return diagonal, np.sqrt((1 - shrinkage) / len(scaled)) * scaled

    def log_density(self, residuals):
        """In nats, for each row."""
        return log_normal(residuals / self.scale, self.diagonal, self.directions) - np.log(self.scale).sum()

    def distances(self, means, targets):
        """Squared Mahalanobis distances `[means, targets]`."""
        whitener = Whitener(self.diagonal, self.directions)
        means, targets = (whitener(values / self.scale) for values in (means, targets))
        squares = (means**2).sum(1)[:, None] + (targets**2).sum(1)
        return squares - 2 * means @ targets.T


class Whitener:
    """Maps rows so that the covariance diag(diagonal) + directionsᵀ directions becomes the identity."""

    def __init__(self, diagonal, directions):
        self.root = np.sqrt(diagonal)
        squares, self.axes = principal_rows(directions / self.root)
        self.shrink = 1 / np.sqrt(1 + squares) - 1
        self.log_determinant = np.log(diagonal).sum() + np.log1p(squares).sum()

    def __call__(self, rows):
        rows = rows / self.root
        return rows + (rows @ self.axes.T * self.shrink) @ self.axes


def principal_rows(matrix):
    """Squared singular values `[k]` and right singular vectors as rows `[k, d]`, largest first, none near 0.

    By the smaller of the two Gram matrices.
    """
    if len(matrix) > matrix.shape[1]:
        squares, axes = np.linalg.eigh(matrix.T @ matrix)
        axes = axes.T
    else:
        squares, left = np.linalg.eigh(matrix @ matrix.T)
        axes = left.T @ matrix / np.sqrt(np.maximum(squares, 1e-300))[:, None]
    kept = np.flatnonzero(squares > 1e-10 * squares[-1])[::-1]
    return squares[kept], axes[kept]


def log_normal(rows, diagonal, directions):
    """Log density of a centred Gaussian with covariance diag(diagonal) + directionsᵀ directions, for each row."""
    whitener = Whitener(diagonal, directions)
    squares = (whitener(rows) ** 2).sum(1)
    return -0.5 * (squares + whitener.log_determinant + len(diagonal) * np.log(2 * np.pi))


def folds(count, seed):
    """Pairs of row sets, kept and left out."""
    order = np.random.default_rng(seed).permutation(count)
    for part in np.array_split(order, min(FOLDS, count)):
        yield np.setdiff1d(order, part), part


# Regressions whose settings are chosen by cross-validation


def cross_validated(task, fit, grid):
    """A `Prediction` by `fit(x, y, setting, x_test)` under the setting with the smallest held-out error.

    `fit` may take a list of settings and return a list of predictions. The spread is that of the held-out residuals.
    """
    x, y = task.source.mean, task.target.mean
    scale = variable_scale(y)
    residuals = [np.empty(y.shape, np.float32) for _ in grid]
    for kept, out in folds(len(x), task.seed):
        for setting, predicted in enumerate(fit(x[kept], y[kept], grid, x[out])):
            residuals[setting][out] = y[out] - predicted
    errors = [float(np.mean((values / scale) ** 2)) for values in residuals]
    best = int(np.argmin(errors))
    mean = fit(x, y, [grid[best]], task.test_source)[0]
    spread = Spread(residuals[best].astype(np.float64), task.target.mean_variance())
    return Prediction(mean, spread, notes={"setting": grid[best]})


def variable_scale(values, floor=0.1):
    """Standard deviations `[d]`, none much below their root mean square: unused dimensions must not count."""
    deviation = values.std(0)
    return np.maximum(deviation, floor * np.sqrt(np.mean(deviation**2)) + 1e-12)


def marginal(task):
    """One Gaussian for all targets, whatever the source."""
    known = np.concatenate([task.target.mean, task.target_unpaired])
    centre = known.mean(0)
    mean = np.repeat(centre[None], len(task.test_source), 0)
    spread = Spread(thinned(known - centre), task.target.mean_variance())
    return Prediction(mean, spread)


def thinned(rows, limit=4000):
    return rows[:: -(-len(rows) // limit)]


def procrustes(task):
    """A rotation (a partial isometry, where dimensions differ) and one scale."""
    return cross_validated(task, fit_procrustes, [None])


def fit_procrustes(x, y, grid, x_test):
    x_mean, y_mean = x.mean(0), y.mean(0)
    left, lengths, right = np.linalg.svd((x - x_mean).T @ (y - y_mean), full_matrices=False)
    turned = (x - x_mean) @ left
    scale = lengths.sum() / max((turned**2).sum(), 1e-12)
    return [y_mean + scale * (x_test - x_mean) @ left @ right] * len(grid)


def ridge(task):
    """Linear, with the penalty of least held-out error."""
    return cross_validated(task, fit_ridge, [float(10**power) for power in np.arange(-4, 4.1, 0.5)])


def fit_ridge(x, y, grid, x_test):
    centre, scale, y_mean = x.mean(0), variable_scale(x), y.mean(0)
    x, x_test = (x - centre) / scale, (x_test - centre) / scale
    squares, axes = principal_rows(x)
    scores, rotated = x_test @ axes.T, axes @ (x.T @ (y - y_mean))
    return [y_mean + scores / (squares + penalty * len(x)) @ rotated for penalty in grid]


def cca(task):
    """Regression on canonical variates: number of variates and ridge by cross-validation."""
    most = min(task.source.mean.shape[1], task.target.mean.shape[1], len(task.source.mean) // 3)
    ranks = [rank for rank in (1, 2, 4, 8, 12, 16, 24, 32, 64, 128) if rank < most] + [max(most, 1)]
    return cross_validated(task, fit_cca, [(rank, share) for share in (0.001, 0.01, 0.1, 0.5) for rank in ranks])


def fit_cca(x, y, grid, x_test):
    x_mean, y_mean = x.mean(0), y.mean(0)
    x_axes, x_lengths = principal(x - x_mean)
    y_axes, y_lengths = principal(y - y_mean)
    x_scores, y_scores = (x - x_mean) @ x_axes, (y - y_mean) @ y_axes
    test_scores = (x_test - x_mean) @ x_axes
    results = []
    for share in sorted({share for _, share in grid}):
        x_white = 1 / np.sqrt(x_lengths + share * x_lengths.mean())
        y_white = 1 / np.sqrt(y_lengths + share * y_lengths.mean())
        cross = (x_scores * x_white).T @ (y_scores * y_white) / len(x)
        left, correlations, right = np.linalg.svd(cross, full_matrices=False)
        variates, loadings = test_scores * x_white @ left, right / y_white @ y_axes.T
        for rank, own in grid:
            if own == share:
                predicted = y_mean + variates[:, :rank] * correlations[:rank] @ loadings[:rank]
                results.append(((rank, share), predicted))
    predictions = dict(results)
    return [predictions[setting] for setting in grid]


def principal(centred, limit=128):
    """Principal axes `[d, k]` and their variances `[k]`."""
    most = min(limit, max(1, len(centred) // 2), centred.shape[1])
    rows = thinned(centred)
    squares, axes = principal_rows(rows)
    return axes[:most].T, squares[:most] / len(rows)


def nearest(task):
    """The mean of the targets of the k nearest sources."""
    most = max(1, len(task.source.mean) // 3)
    return cross_validated(task, fit_nearest, [k for k in (1, 2, 3, 5, 8, 12, 20, 32) if k <= most])


def fit_nearest(x, y, grid, x_test):
    order = np.argsort(square_distances(x_test, x), axis=1)[:, : max(grid)]
    return [y[order[:, :k]].mean(1) for k in grid]


def square_distances(left, right):
    return (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T


def asif(task):
    """ASIF: cosines to the sources of all pairs, only the largest kept, weigh the targets of these pairs.

    Partners are ranked by the cosine of the two relative representations.
    """
    most = len(task.source.mean)
    grid = [(k, power) for k in (5, 10, 25, 50, 100, 800) for power in (1, 4, 16) if k <= most // 2]
    prediction = cross_validated(task, fit_asif, grid or [(1, 1)])
    prediction.similarity = lambda targets: asif_similarity(task, prediction.notes["setting"], targets)
    return prediction


def fit_asif(x, y, grid, x_test):
    cosines = relative(x_test, x, x.mean(0))
    predictions = []
    for kept, power in grid:
        weights = sparse(cosines, kept, power)
        weights /= weights.sum(1, keepdims=True) + 1e-12
        predictions.append(weights @ y)
    return predictions


def relative(rows, anchors, centre):
    """Cosines `[rows, anchors]` of what is left after the centre is taken away, none below 0."""
    rows, anchors = unit(rows - centre), unit(anchors - centre)
    return np.maximum(rows @ anchors.T, 0)


def sparse(cosines, kept, power):
    """Only the largest cosines of each row, to a power."""
    kept = min(kept, cosines.shape[1])
    limit = -np.partition(-cosines, kept - 1, axis=1)[:, kept - 1 : kept]
    return np.where(cosines >= limit, cosines, 0) ** power


def unit(rows):
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12)


def asif_similarity(task, setting, targets):
    """Cosines of relative representations of held-out sources `[n, ·]` and targets `[n, ·]`."""
    x, y = task.source.mean, task.target.mean
    kept, power = setting
    left = unit(sparse(relative(task.test_source, x, x.mean(0)), kept, power))
    right = unit(sparse(relative(targets, y, y.mean(0)), kept, power))
    return left @ right.T


def vec2vec(task, rounds=30, rank=128, neighbours=10):
    """After mini-vec2vec: a rotation between whitened spaces, refined by pseudo-partners among unpaired latents.

    The original starts without pairs, from matched cluster centres; this one starts from the pairs, and keeps them.
    A ridge regression from the rotated space gives the targets their spread.
    """
    x_view, y_view = (whitened(side, extra, rank) for side, extra in task_views(task))
    x, y = x_view(task.source.mean), y_view(task.target.mean)
    x_more, y_more = (thinned(values, 5000) for values in (task.source_unpaired, task.target_unpaired))
    x_more, y_more = x_view(x_more), y_view(y_more)
    rotation = rotate(x, y)
    for _ in range(rounds if len(x_more) and len(y_more) else 0):
        pseudo = pseudo_partners(unit(x_more @ rotation), y_more, neighbours)
        weight = np.sqrt(len(x) / len(x_more))
        step = rotate(np.concatenate([x, weight * x_more]), np.concatenate([y, weight * pseudo]))
        rotation = nearest_rotation(0.5 * rotation + 0.5 * step)
    rotated = Task(
        Side(x @ rotation), task.target, x_view(task.test_source) @ rotation,
        task.source_unpaired, task.target_unpaired, task.seed,
    )
    prediction = ridge(rotated)
    prediction.similarity = lambda targets: rotated.test_source @ y_view(targets).T
    return prediction


def task_views(task):
    yield task.source.mean, task.source_unpaired
    yield task.target.mean, task.target_unpaired


def whitened(known, more, rank):
    """A function: principal directions of all latents of a side, each row to unit length."""
    rows = np.concatenate([known, more])
    centre = rows.mean(0)
    axes, lengths = principal(rows - centre, rank)
    return lambda values: unit((values - centre) @ axes / np.sqrt(lengths + 0.1 * lengths.mean()))


def rotate(x, y):
    return nearest_rotation(x.T @ y)


def nearest_rotation(matrix):
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def pseudo_partners(rows, candidates, neighbours):
    """The mean of the candidates nearest to each row by cosine."""
    order = np.argpartition(-(rows @ candidates.T), neighbours, axis=1)[:, :neighbours]
    return candidates[order].mean(1)


# Networks


def network(task):
    """A network of two hidden layers, stopped by a fifth of the pairs."""
    return of_members(task, 1)


def networks(task):
    """The mean of three networks."""
    return of_members(task, 3)


def of_members(task, count):
    kept, out = held_out_fifth(task)
    members = [member(task, number) for number in range(count)]
    mean = np.mean([predicted for predicted, _ in members], axis=0)
    held_out = np.mean([predicted for _, predicted in members], axis=0)
    spread = Spread(task.target.mean[out] - held_out, task.target.mean_variance())
    return Prediction(mean, spread)


def held_out_fifth(task):
    order = np.random.default_rng(task.seed).permutation(len(task.source.mean))
    out = max(2, len(order) // 5)
    return order[out:], order[:out]


def member(task, number):
    """Predictions for the held-out sources and for the fifth that stopped the training."""
    if number not in task.members:
        kept, out = held_out_fifth(task)
        task.members[number] = train_member(task, kept, out, seed=100 * task.seed + number)
    return task.members[number]


def train_member(task, kept, out, seed):
    x_scale, y_scale = variable_scale(task.source.mean[kept]), variable_scale(task.target.mean[kept])
    x_mean, y_mean = task.source.mean[kept].mean(0), task.target.mean[kept].mean(0)
    x = torch.tensor((task.source.mean - x_mean) / x_scale, dtype=torch.float32)
    y = torch.tensor((task.target.mean - y_mean) / y_scale, dtype=torch.float32)
    torch.manual_seed(seed)
    model = perceptron(x.shape[1], y.shape[1])
    fit_network(model, x[kept], y[kept], x[out], y[out])
    test = torch.tensor((task.test_source - x_mean) / x_scale, dtype=torch.float32)
    with torch.no_grad():
        return tuple(y_mean + y_scale * model(rows).numpy().astype(np.float64) for rows in (test, x[out]))


def perceptron(inputs, outputs, width=256, dropout=0.1):
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout),
        nn.Linear(width, outputs),
    )


def fit_network(model, x, y, x_out, y_out, batch=64, most_checks=400, patience=40):
    """AdamW, in place; the weights of the best check are kept."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    steps = max(10, min(100, len(x) // batch))
    best, best_error, since = None, np.inf, 0
    for check in range(most_checks):
        model.train()
        for _ in range(steps):
            rows = torch.randint(len(x), (min(batch, len(x)),))
            loss = ((model(x[rows]) - y[rows]) ** 2).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            error = float(((model(x_out) - y_out) ** 2).mean())
        since += 1
        if error < best_error:
            best, best_error, since = {k: v.clone() for k, v in model.state_dict().items()}, error, 0
        elif since == patience // 2:
            for group in optimiser.param_groups:
                group["lr"] *= 0.3
        if since >= patience:
            break
    model.load_state_dict(best)


RIVALS = {
    "marginal": marginal,
    "procrustes": procrustes,
    "cca": cca,
    "ridge": ridge,
    "knn": nearest,
    "asif": asif,
    "vec2vec": vec2vec,
    "mlp": network,
    "mlp-3": networks,
}
