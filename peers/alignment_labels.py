"""Labels of images from latents: label spreading over a graph, logistic regression, nearest neighbours."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from alignment_rivals import folds, square_distances, variable_scale

warnings.filterwarnings("ignore", message="Sparse")

NEIGHBOURS = 12
ALPHA = 0.99
CHOSEN_MOST = 256


@dataclass
class LabelTask:
    """`rows` of `known` are pairs with `labels`, which may be shuffled; `known_labels` are all true labels."""

    known: np.ndarray
    known_labels: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    unpaired: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    seed: int

    def source(self):
        return self.known[self.rows]


# Label spreading (Zhou et al. 2004)


def spreading(task):
    """Random pairs."""
    return spread_labels(task, task.source(), task.labels)


def spreading_from_medoids(task):
    """Pairs whose sources are nearest to the centres of k-means: as many as there are random ones."""
    if len(task.rows) > CHOSEN_MOST:
        return {}
    rows = medoids(task.known, len(task.rows), task.seed)
    return spread_labels(task, task.known[rows], task.known_labels[rows])


def spread_labels(task, source, labels):
    """F = (1 − α)(I − αS)⁻¹ Y on the symmetric graph of nearest neighbours of all latents."""
    rest = np.concatenate([task.unpaired, task.test])
    graph = normalised_graph(*with_neighbours(source, rest))
    given = torch.zeros(len(source) + len(rest), 10, dtype=torch.float64)
    given[torch.arange(len(source)), torch.as_tensor(labels)] = 1
    # Each class has one vote in all: with α near 1, classes of more pairs would flood the others.
    given /= given.sum(0).clamp(min=1)
    spread = given
    for _ in range(400):
        spread = ALPHA * torch.sparse.mm(graph, spread) + (1 - ALPHA) * given
    test = spread[-len(task.test) :].numpy()
    probabilities = (test + 1e-12) / (test + 1e-12).sum(1, keepdims=True)
    return label_figures(probabilities, task.test_labels)


REST = {}


def with_neighbours(source, rest):
    """The nearest others of each of source and rest, `[n, 12]`; those within rest are computed once."""
    key = (len(rest), float(rest[0].sum()), float(rest[-1].sum()))
    if key not in REST:
        REST.clear()
        REST[key] = nearest_others(rest, rest, own=True)
    distances, columns = REST[key]
    count = len(source)
    to_source, source_columns = nearest_others(rest, source)
    all_distances = np.concatenate([distances, to_source], axis=1)
    all_columns = np.concatenate([columns + count, source_columns], axis=1)
    best = np.argsort(all_distances, axis=1)[:, :NEIGHBOURS]
    of_rest = np.take_along_axis(all_columns, best, axis=1)
    everything = np.concatenate([source, rest])
    of_source = nearest_others(source, everything, own=True)[1]
    return of_source, of_rest


def nearest_others(rows, candidates, own=False):
    """Squared distances and columns of the nearest candidates; with `own`, row i is candidate i, and left out."""
    candidates = torch.as_tensor(candidates, dtype=torch.float32)
    squares = (candidates**2).sum(1)
    count = min(NEIGHBOURS, len(candidates))
    parts = []
    for start in range(0, len(rows), 1000):
        part = torch.as_tensor(rows[start : start + 1000], dtype=torch.float32)
        distances = (part**2).sum(1, keepdim=True) + squares - 2 * part @ candidates.T
        if own:
            distances[torch.arange(len(part)), start + torch.arange(len(part))] = torch.inf
        parts.append(distances.topk(count, dim=1, largest=False))
    return tuple(torch.cat([part[side] for part in parts]).numpy() for side in (0, 1))


def normalised_graph(of_source, of_rest):
    """D^−½ W D^−½ of the graph in which either is among the nearest of the other."""
    count = len(of_source) + len(of_rest)
    columns = np.concatenate([of_source, of_rest])
    rows = np.repeat(np.arange(count), columns.shape[1])
    columns = columns.ravel()
    codes = np.unique(np.concatenate([rows * count + columns, columns * count + rows]))
    rows, columns = codes // count, codes % count
    degrees = np.bincount(rows, minlength=count)
    weights = 1 / np.sqrt(degrees[rows] * degrees[columns])
    places = torch.as_tensor(np.stack([rows, columns]))
    return torch.sparse_coo_tensor(places, torch.as_tensor(weights), (count, count)).to_sparse_csr()


def medoids(rows, count, seed, rounds=25):
    """Indices of the rows nearest to the centres of k-means, which begins as k-means++ does."""
    generator = np.random.default_rng(seed)
    centres = rows[[generator.integers(len(rows))]]
    nearest = square_distances(rows, centres)[:, 0]
    while len(centres) < count:
        chosen = generator.choice(len(rows), p=np.maximum(nearest, 0) / np.maximum(nearest, 0).sum())
        centres = np.concatenate([centres, rows[[chosen]]])
        nearest = np.minimum(nearest, square_distances(rows, centres[-1:])[:, 0])
    for _ in range(rounds):
        owner = square_distances(rows, centres).argmin(1)
        centres = np.stack([rows[owner == k].mean(0) if (owner == k).any() else centres[k] for k in range(count)])
    distances, medoid = square_distances(rows, centres), []
    for centre in range(count):
        # No row twice.
        distances[medoid] = np.inf
        medoid.append(int(distances[:, centre].argmin()))
    return np.array(medoid)


# From the pairs alone


def logistic(task):
    """Multinomial logistic regression; its penalty by cross-validation from 32 pairs on."""
    source, centre, scale = task.source(), task.source().mean(0), variable_scale(task.source())
    x, x_test = (source - centre) / scale, (task.test - centre) / scale
    penalty = 0.1
    if len(x) >= 32:
        penalty = min((0.001, 0.01, 0.1, 1.0), key=lambda value: held_out_loss(x, task.labels, value, task.seed))
    return label_figures(fit_logistic(x, task.labels, penalty, x_test), task.test_labels) | {"setting": penalty}


def held_out_loss(x, labels, penalty, seed):
    return sum(
        -np.log(fit_logistic(x[kept], labels[kept], penalty, x[out])[np.arange(len(out)), labels[out]] + 1e-12).sum()
        for kept, out in folds(len(x), seed)
    )


def fit_logistic(x, labels, penalty, x_test):
    """Probabilities `[n, 10]`."""
    x, labels = torch.as_tensor(x), torch.as_tensor(labels)
    weights = torch.zeros(x.shape[1], 10, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weights + bias, labels)
        loss = loss + penalty * (weights**2).sum() / 2 / x.shape[1] + 1e-4 * (bias**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return (torch.as_tensor(x_test) @ weights + bias).softmax(1).numpy()


def neighbours(task):
    """The vote of the k nearest sources; k by leaving one out."""
    source = task.source()
    among = square_distances(source, source)
    np.fill_diagonal(among, np.inf)
    settings = [k for k in (1, 3, 5, 10) if k < len(source)]
    best = max(settings, key=lambda k: np.mean(votes(among, task.labels, k).argmax(1) == task.labels))
    probabilities = votes(square_distances(task.test, source), task.labels, best)
    return label_figures(probabilities, task.test_labels) | {"setting": best}


def votes(distances, labels, k):
    """Shares of the classes among the k nearest, with a tenth of a vote for each class at the start."""
    nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
    counts = np.eye(10)[labels[nearest]].sum(1) + 0.1
    return counts / counts.sum(1, keepdims=True)


def label_figures(probabilities, labels):
    own = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(np.mean(probabilities.argmax(1) == labels)),
        "log_likelihood": float(np.mean(np.log(np.maximum(own, 1e-12)))),
    }


LABEL_RIVALS = {
    "label-spreading": spreading,
    "label-spreading-medoids": spreading_from_medoids,
    "logistic": logistic,
    "label-knn": neighbours,
}
