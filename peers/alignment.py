"""Rivals of a bridge on one problem of `alignment_problems.py`: regressions, retrieval, and label spreading.

    python peers/alignment.py FOLDER [--pairs 64 256] [--seeds 5] [--direction both] [--zbridge PROGRAM]

fits each rival on the first N pairs of an order of the seed, and measures it on the held-out pairs:

    r2               1 − SSE/SST of posterior means, the mean over all dimensions, collapsed ones included
    r2_active        the same with the sums over active dimensions: those whose means vary by more than 0.01
    log_density      of a draw of the target given the source, in nats, the mean over pairs
    first, first_5, first_10   share of sources whose partner is the first, among the first 5, 10 of all held-out targets
    foscttm          share of wrong partners that are closer than the true one, mean of both sides

Where targets are labels: accuracy, and log p(label | source) in nats. Results are kept in FOLDER/results.json, so that
a run that was ended goes on. Prints JSON, or Markdown with `--markdown`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import alignment_models
from alignment_labels import LABEL_RIVALS, LabelTask
from alignment_rivals import RIVALS, Side, Task

# From so many dimensions on both sides vec2vec is tried without being named.
WIDE = 32

DIRECTIONS = {"x-to-y": ("x", "y"), "y-to-x": ("y", "x")}


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    problem = Problem(arguments.folder, arguments.test, arguments.unpaired, arguments.held_out)
    results = Results(arguments.results or arguments.folder / "results.json")
    for trial in trials(arguments, problem):
        results.add(trial, problem, arguments)
    table = summary(results.by_key.values(), arguments)
    print(markdown(table, arguments.folder.name) if arguments.markdown else json.dumps(table, indent=1))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--pairs", type=int, nargs="+", help="default: those usual for the problem")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="seed 0 takes the first rows of the files")
    parser.add_argument("--direction", choices=[*DIRECTIONS, "both"], default="x-to-y")
    parser.add_argument("--rivals", nargs="+", choices=[*RIVALS, *LABEL_RIVALS, "none"])
    parser.add_argument("--shuffle", action="store_true", help="join sources to wrong targets: a negative control")
    parser.add_argument("--test", default="test", help="held-out files: test, or test-all of mnist-labels")
    parser.add_argument("--held-out", type=int, help="only the first so many of them: with 300, zbridge ranks among as many as the others")
    parser.add_argument("--unpaired", type=int, help="at most so many latents without partners of each side; 0 for none")
    parser.add_argument("--results", type=Path, help="where results are kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--zbridge", metavar="PROGRAM", help="also fit and evaluate a bridge on the same rows")
    parser.add_argument("--budget", default="60s", help="of `zbridge fit`")
    parser.add_argument("--zbridge-options", default="", help="further options of `zbridge fit`, in one string")
    return parser.parse_args()


# Problems


class Problem:
    """The files of a folder, read when they are needed."""

    def __init__(self, folder, test, unpaired, held_out=None):
        self.folder, self.test, self.unpaired, self.held_out = folder, test, unpaired, held_out
        self.about = json.loads((folder / "about.json").read_text())
        self.tensors = {}

    def read(self, side, part):
        if (side, part) not in self.tensors:
            path = self.folder / f"{side}-{part}.safetensors"
            tensors = load_file(path) if path.exists() else {}
            if part == self.test:
                tensors = {name: np.ascontiguousarray(rows[: self.held_out]) for name, rows in tensors.items()}
            self.tensors[side, part] = tensors
        return self.tensors[side, part]

    def known(self, side):
        """All pairs that there are."""
        return self.read(side, "pool") or self.read(side, "pairs")

    def latents(self, side, part):
        """A `Side`, with one axis for all dimensions."""
        return as_side(self.known(side) if part == "known" else self.read(side, part))

    def without_partners(self, side):
        rows = self.latents(side, "unpaired").mean
        return rows if self.unpaired is None else rows[: self.unpaired]

    def has_labels(self):
        return self.about.get("targets") == "labels"

    def rows(self, pairs, seed):
        """Of the known pairs; seed 0 takes the first ones."""
        count = len(self.known("x")["ids"])
        if pairs > count:
            raise SystemExit(f"{self.folder} has {count} pairs; {pairs} were asked for")
        order = np.arange(count) if seed == 0 else np.random.default_rng(seed).permutation(count)
        return order[:pairs]


def as_side(tensors):
    if "z" in tensors:
        return Side(flat(tensors["z"]))
    return Side(flat(tensors["mean"]), np.exp(flat(tensors["log_var"])))


def flat(values):
    return values.reshape(len(values), -1).astype(np.float64)


# Trials, and what is kept of them


class Results:
    """Figures by trial, written after each, so that nothing is done twice."""

    def __init__(self, path):
        self.path = path
        self.by_key = json.loads(path.read_text()) if path.exists() else {}
        self.tasks = {}

    def add(self, trial, problem, arguments):
        key = " ".join(str(value) for value in trial.values())
        if key in self.by_key:
            return
        start = time.time()
        figures = self.figures(trial, problem, arguments)
        figures.setdefault("seconds", round(time.time() - start, 2))
        self.by_key[key] = trial | {"figures": figures}
        # Two programs may write results of one problem, each of its own trials.
        if self.path.exists():
            self.by_key = json.loads(self.path.read_text()) | self.by_key
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps(self.by_key, indent=1))
        unfinished.rename(self.path)
        shown = {name: round(value, 3) for name, value in figures.items() if isinstance(value, float)}
        print(key, shown, file=sys.stderr, flush=True)

    def figures(self, trial, problem, arguments):
        if trial["rival"].startswith("zbridge"):
            return zbridge(trial, problem, arguments)
        # Rivals of one task share it: the mean of three networks contains the single one.
        shared = tuple(trial[name] for name in ("direction", "pairs", "seed", "shuffled", "test"))
        if shared not in self.tasks:
            build = label_task if problem.has_labels() else latent_task
            self.tasks = {shared: build(trial, problem)}
        task = self.tasks[shared]
        if problem.has_labels():
            return LABEL_RIVALS[trial["rival"]](task)
        prediction = RIVALS[trial["rival"]](task)
        return measure(prediction, trial, problem)


def trials(arguments, problem):
    """One dictionary for each fit; the rivals of a task follow one another."""
    names = LABEL_RIVALS if problem.has_labels() else RIVALS
    wide = min(np.prod(problem.about["x_shape"]), np.prod(problem.about["y_shape"])) >= WIDE
    names = [name for name in names if wide or name != "vec2vec"]
    names = [name for name in arguments.rivals or names if name != "none"]
    directions = list(DIRECTIONS) if arguments.direction == "both" else [arguments.direction]
    if problem.has_labels():
        directions = ["x-to-y"]
    for pairs in arguments.pairs or problem.about["pairs"]:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            same = {"pairs": pairs, "seed": seed, "shuffled": arguments.shuffle, "test": arguments.test}
            same["unpaired"] = arguments.unpaired
            if arguments.held_out:
                same["held_out"] = arguments.held_out
            for direction in directions:
                for name in names:
                    yield {"rival": name, "direction": direction} | same
            if arguments.zbridge:
                name = " ".join(["zbridge", arguments.budget, arguments.zbridge_options]).strip()
                yield {"rival": name, "direction": "both"} | same


def pair_rows(trial, problem):
    """Rows of sources and of targets."""
    rows = problem.rows(trial["pairs"], trial["seed"])
    if not trial["shuffled"]:
        return rows, rows
    return rows, rows[np.random.default_rng(1000 + trial["seed"]).permutation(len(rows))]


def latent_task(trial, problem):
    source, target = DIRECTIONS[trial["direction"]]
    source_rows, target_rows = pair_rows(trial, problem)
    return Task(
        problem.latents(source, "known")[source_rows],
        problem.latents(target, "known")[target_rows],
        problem.latents(source, trial["test"]).mean,
        problem.without_partners(source),
        problem.without_partners(target),
        trial["seed"],
    )


def label_task(trial, problem):
    rows, label_rows = pair_rows(trial, problem)
    labels = problem.known("x")["labels"].astype(np.int64)
    return LabelTask(
        problem.latents("x", "known").mean,
        labels,
        rows,
        labels[label_rows],
        problem.without_partners("x"),
        problem.latents("x", trial["test"]).mean,
        problem.read("x", trial["test"])["labels"].astype(np.int64),
        trial["seed"],
    )


# Figures of continuous targets


def measure(prediction, trial, problem):
    target = problem.latents(DIRECTIONS[trial["direction"]][1], trial["test"])
    draw = target.draw(seed=2026)
    figures = explained(prediction.mean, target.mean)
    log_density = prediction.spread.log_density(draw - prediction.mean)
    figures["log_density"] = float(log_density.mean())
    figures["log_density_error"] = float(log_density.std() / np.sqrt(len(draw)))
    if prediction.similarity:
        similarity = prediction.similarity(draw)
    else:
        similarity = -prediction.spread.distances(prediction.mean, draw)
    figures |= retrieval(similarity) | image_error(prediction.mean, target, trial, problem)
    setting = prediction.notes.get("setting")
    return figures | {"shrinkage": prediction.spread.shrinkage, "setting": setting}


def explained(predicted, true):
    """R² in two ways."""
    error, total = ((predicted - true) ** 2).sum(0), ((true - true.mean(0)) ** 2).sum(0)
    active = true.var(0) > 0.01
    return {
        "r2": float(np.mean(1 - error / np.maximum(total, 1e-12))),
        "r2_active": float(1 - error[active].sum() / total[active].sum()),
        "active_dimensions": int(active.sum()),
    }


def retrieval(similarity):
    """Where the partner stands; the true ones are on the diagonal, and ties count half."""
    own = np.diag(similarity)
    rank_of_target = wrong_before(similarity, own[:, None], axis=1)
    rank_of_source = wrong_before(similarity, own[None, :], axis=0)
    shares = {"first": 1, "first_5": 5, "first_10": 10}
    figures = {name: float(np.mean(rank_of_target < most)) for name, most in shares.items()}
    both = (rank_of_target.mean() + rank_of_source.mean()) / 2
    return figures | {"foscttm": float(both / (len(own) - 1))}


def wrong_before(similarity, own, axis):
    ties = (similarity == own).sum(axis) - 1
    return (similarity > own).sum(axis) + ties / 2


def image_error(predicted, target, trial, problem):
    """Mean squared error of the decoded mean, where the target side has a decoder; and that of the target's own mean."""
    side = DIRECTIONS[trial["direction"]][1]
    model, data = problem.folder / f"{side}-vae.pt", problem.folder / f"{side}-data-test.npy"
    if not model.exists():
        return {}
    vae, images = alignment_models.load(model), np.load(data)

    def error(latents):
        return float(np.mean((alignment_models.decode(vae, latents) - images) ** 2))

    return {"image_error": error(predicted), "image_error_bound": error(target.mean)}


# zbridge on the same rows


def zbridge(trial, problem, arguments):
    """Figures of `zbridge fit` and `zbridge evaluate --json`."""
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        fit = [arguments.zbridge, "fit", "--seed", str(trial["seed"] + 1), "--budget", arguments.budget, "--quiet", "--json"]
        for side, rows in zip("xy", pair_rows(trial, problem)):
            path = work / f"{side}.safetensors"
            save_rows(problem.known(side), rows, path)
            fit += [f"--{side}", str(path)]
            more = problem.read(side, "unpaired")
            count = len(more["ids"]) if trial["unpaired"] is None else trial["unpaired"]
            if count:
                save_rows(more, np.arange(min(count, len(more["ids"]))), work / f"{side}-unpaired.safetensors")
                fit += [f"--{side}-unpaired", str(work / f"{side}-unpaired.safetensors")]
        bridge = work / "a.bridge"
        start = time.time()
        run([*fit, *arguments.zbridge_options.split(), "--out", str(bridge)])
        of_fit = {"seconds": round(time.time() - start, 2), "megabytes": peak_megabytes()}
        evaluate = [arguments.zbridge, "evaluate", "--bridge", str(bridge), "--json", "--quiet", "--likelihood-pairs", "0"]
        for side in "xy":
            held_out = problem.read(side, trial["test"])
            save_rows(held_out, np.arange(len(held_out["ids"])), work / f"{side}-test.safetensors")
            evaluate += [f"--{side}", str(work / f"{side}-test.safetensors")]
        if problem.has_labels():
            evaluate += ["--x-model", "mnist-image", "--y-model", "mnist-label"]
        return zbridge_figures(json.loads(run(evaluate))) | of_fit


def save_rows(tensors, rows, path):
    """Pairs get ids of their own, so that shuffled rows of both sides still are pairs."""
    chosen = {name: np.ascontiguousarray(values[rows]) for name, values in tensors.items()}
    save_file(chosen | {"ids": np.arange(len(rows), dtype=np.int64)}, path)


def run(words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def peak_megabytes():
    """The most memory that any program took that this one ran."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def zbridge_figures(told):
    """The program's figures under the names of this one, for each direction."""
    figures = {}
    for direction in ("x_to_y", "y_to_x"):
        part = told[direction]
        values = {"log_density": estimate(part["log_density_nats"]), "gain_nats": estimate(part["gain_over_marginal_nats"])}
        for share in part["retrieval"]["recall"]:
            # Among fewer targets than this program looks at, unless there are no more: then they have names of their own.
            name = "first" if share["first"] == 1 else f"first_{share['first']}"
            candidates = part["retrieval"]["candidates"]
            values[name if candidates == part["log_density_nats"]["count"] else f"{name}_of_{candidates}"] = estimate(share["share"])
        means, calibration = part["means"], part["calibration"]
        values["r2"], values["r2_active"] = estimate(means["r2"]), estimate(means["r2_variance_weighted"])
        # By the density, as its ranks are: a mean in high dimensions is near everything.
        values["foscttm"] = estimate(part["retrieval"]["share_before"])
        values["pit_level"] = estimate(calibration["highest_density"])
        values["coverage_90"] = estimate(calibration["coverage_90"]["region"])
        figures |= {f"{direction}: {name}": value for name, value in values.items()}
    if told.get("image_to_label"):
        figures["accuracy"] = estimate(told["image_to_label"]["accuracy"])
    if told.get("label_to_image"):
        images = told["label_to_image"]
        figures["coherence"], figures["pixel_sd"] = float(images["coherence"]), float(images["pixel_sd"])
    return figures


def estimate(value):
    """The middle of an estimate, which may be a plain number."""
    if isinstance(value, dict):
        return float(next(value[name] for name in ("value", "mean", "estimate", "share") if name in value))
    return float(value)


# What is printed


def summary(results, arguments):
    """Means over seeds with standard errors, one entry for each rival and number of pairs."""
    groups = defaultdict(list)
    for result in results:
        wanted = (arguments.shuffle, arguments.test, arguments.unpaired)
        if (result["shuffled"], result["test"], result["unpaired"]) == wanted:
            for direction, figures in by_direction(result):
                groups[direction, result["pairs"], result["rival"]].append(figures)
    return [
        {"direction": direction, "pairs": pairs, "rival": rival, "seeds": len(all_figures)} | averages(all_figures)
        for (direction, pairs, rival), all_figures in sorted(groups.items(), key=lambda group: group[0][:2])
    ]


def by_direction(result):
    """One entry for a rival, two for a bridge, which has both directions."""
    if result["direction"] != "both":
        return [(result["direction"], result["figures"])]
    own = {name: value for name, value in result["figures"].items() if ": " not in name}
    parts = []
    for direction in DIRECTIONS:
        prefix = direction.replace("-", "_") + ": "
        figures = {name.removeprefix(prefix): v for name, v in result["figures"].items() if name.startswith(prefix)}
        of_both = {name: v for name, v in own.items() if name in ("seconds", "megabytes")}
        parts.append((direction, figures | of_both))
    # Told labels are a figure of x to y only.
    parts[0][1].update(own)
    return parts


def averages(all_figures):
    table = {}
    for name, value in all_figures[0].items():
        if not isinstance(value, float):
            continue
        values = np.array([figures[name] for figures in all_figures if name in figures])
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
        table[name] = {"mean": float(values.mean()), "error": None if error is None else float(error)}
    return table


COLUMNS = [
    "accuracy", "log_likelihood", "r2", "r2_active", "log_density", "gain_nats", "first", "first_5", "first_10", "foscttm",
    "image_error", "image_error_bound", "coherence", "pixel_sd", "pit_level", "coverage_90", "seconds", "megabytes",
]


def markdown(table, name):
    """A table for each direction and number of pairs."""
    lines = []
    for direction, pairs in dict.fromkeys((row["direction"], row["pairs"]) for row in table):
        rows = [row for row in table if (row["direction"], row["pairs"]) == (direction, pairs)]
        columns = [column for column in columns_of(rows) if any(column in row for row in rows)]
        lines += ["", f"{name}, {direction}, {pairs} pairs, mean ± standard error over {rows[0]['seeds']} seeds", ""]
        lines += ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
        lines += ["| " + " | ".join([row["rival"], *(cell(row.get(column)) for column in columns)]) + " |" for row in rows]
    return "\n".join(lines[1:])


def columns_of(rows):
    """Known columns in their order; zbridge's shares before the time."""
    others = sorted({name for row in rows for name in row if "_of_" in name})
    return COLUMNS[:-1] + others + COLUMNS[-1:]


def cell(value):
    if value is None:
        return "–"
    size = abs(value["mean"])
    digits = 1 if size >= 100 else 2 if size >= 2 else 4 if size < 0.1 else 3
    error = "" if value["error"] is None else f" ± {value['error']:.{digits}f}"
    return f"{value['mean']:.{digits}f}{error}".replace("-", "−")


if __name__ == "__main__":
    main()
