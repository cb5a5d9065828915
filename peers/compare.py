"""Compares zbridge's likelihood figures with those of the NumPy peers, on the same files, images and labels.

zbridge fits the bridges and says its figures (`reproduce --quick`, `encode`, `fit`, `evaluate`, and what its weights
files record); NumPy reads the files and estimates each figure anew, several times, from draws of its own. The
difference is told in standard errors of the Monte Carlo noise of both. Leaves with code 1 if one is beyond --limit.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likelihoods import ASSETS, elbo, given_figures, image_figures, label_figures, latent_figures
from row_order import permutation
from zbridge_files import one_hot, read_latents, read_metadata, read_mnist_test, read_paper_bridge, read_vae

MODELS = ("mnist-image", "mnist-image-3-epochs", "mnist-label")
# Bridges of `zbridge reproduce`: (image model, pairs).
BRIDGES = [("mnist-image", 256), ("mnist-image", 1024), ("mnist-image", 8192), ("mnist-image-3-epochs", 1024)]
# Naive draws of `reproduce --quick`.
NAIVE_DRAWS = 20
# What single precision may cost a figure without Monte Carlo noise, as a share of it.
ROUNDING = 1e-6
# The same for a posterior's means and log-variances, which are a few units at most.
ENCODER_TOLERANCE = 1e-4


class Zbridge:
    """The program, its data and a folder for what it writes."""

    def __init__(self, program, data, folder, seed):
        self.program, self.data, self.folder, self.seed = Path(program).resolve(), data, Path(folder), seed

    def run(self, *arguments):
        command = [self.program, *arguments, "--json", "--quiet", "--seed", self.seed]
        print("zbridge", *arguments, file=sys.stderr)
        return json.loads(subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout)

    def reproduce(self):
        return self.run("reproduce", "--quick", "--data", self.data, "--out", self.folder / "reproduce")

    def encode(self, model):
        path = self.folder / f"{model}.latents.safetensors"
        self.run("encode", "--model", ASSETS / f"{model}.safetensors", "--data", self.data, "--out", path)
        return path

    def fit(self, x, y, rows, name):
        path = self.folder / f"{name}.bridge"
        pairs = self.pairs_file(rows, f"{name}-fit")
        self.run("fit", "--recipe", "paper", "--x", x, "--y", y, "--pairs", pairs, "--out", path)
        return path

    def evaluate(self, bridge, x, y, rows):
        pairs = self.pairs_file(rows, f"{bridge.stem}-held-out")
        return self.run("evaluate", "--bridge", bridge, "--x", x, "--y", y, "--pairs", pairs)

    def pairs_file(self, rows, name):
        path = self.folder / f"{name}.csv"
        path.write_text("x,y\n" + "".join(f"{row},{row}\n" for row in rows))
        return path


@dataclass
class Setting:
    """One bridge of the experiment, as files and as both programs see it."""

    name: str
    image_model: str
    latents: Path
    bridge: Path
    held_out: list
    evaluated: dict
    reproduced: dict


class Experiment:
    """What zbridge found, and everything the peers need to find it again."""

    def __init__(self, zbridge):
        self.images, self.labels = read_mnist_test(zbridge.data)
        self.order = permutation(zbridge.seed, "reproduce/rows", len(self.labels))
        self.results = zbridge.reproduce()
        expect_the_same_models(self.results["digests"])
        self.rows = self.order[-self.results["importance_images"] :]
        self.draws = self.results["importance_draws"]
        self.vaes = {model: read_vae(ASSETS / f"{model}.safetensors") for model in MODELS}
        self.latents = {model: zbridge.encode(model) for model in MODELS}
        reproduced = [*self.results["bridges"], self.results["bridge_3_epochs"]]
        self.settings = [self.setting(zbridge, *bridge, found) for bridge, found in zip(BRIDGES, reproduced)]

    def setting(self, zbridge, model, pairs, reproduced):
        x, y = self.latents[model], self.latents["mnist-label"]
        name = f"{model}, N = {pairs}"
        bridge = zbridge.fit(x, y, self.order[:pairs], f"{model}-{pairs}")
        held_out = self.order[pairs:]
        evaluated = zbridge.evaluate(bridge, x, y, held_out)
        # The same pairs in the same order and the same seed: the fit of `reproduce`, or all that follows is void.
        if evaluated["image_to_label"] != reproduced["by_seed"][0]["image_to_label"]:
            raise SystemExit(f"{name}: `fit` gave another bridge than `reproduce` has")
        return Setting(name, model, x, bridge, held_out, evaluated, reproduced)

    def told(self):
        """zbridge's figures by name: means."""
        figures = {}
        for model in self.vaes:
            recorded = json.loads(read_metadata(ASSETS / f"{model}.safetensors")["held_out"])
            figures |= named(f"{model}, file", elbo_means(recorded))
        keys = {"mnist-image": "image_vae", "mnist-image-3-epochs": "image_vae_3_epochs", "mnist-label": "label_vae"}
        for model, key in keys.items():
            found = self.results[key]
            likelihood = {"log_p_nats": found["log_marginal"]["nats"]["mean"]}
            figures |= named(model, elbo_means(found["elbo"]) | likelihood)
        for setting in self.settings:
            figures |= named(setting.name, told_of_bridge(setting))
        return figures

    def found(self, seed):
        """The peers' figures by name, from draws of their own: (a value for each image, its label)."""
        rng = np.random.default_rng([seed, 20])
        figures = {}
        for model, vae in self.vaes.items():
            observations = one_hot(self.labels) if model == "mnist-label" else self.images
            bound = dict(zip(ELBO_TERMS, elbo(vae, observations, vae.posterior(observations), rng)))
            figures |= self.at(named(f"{model}, file", bound), slice(None))
            chosen = given_figures(vae, observations[self.rows], self.draws, rng)
            chosen.pop("effective_sample_size")
            figures |= self.at(named(model, chosen), self.rows)
        for model in ("mnist-image", "mnist-image-3-epochs"):
            figures |= self.found_of_bridges(model, rng)
        return figures

    def found_of_bridges(self, model, rng):
        settings = [setting for setting in self.settings if setting.image_model == model]
        bridges = [read_paper_bridge(setting.bridge) for setting in settings]
        size = self.draws, NAIVE_DRAWS
        observed = self.images[self.rows], self.labels[self.rows]
        across = image_figures(self.vaes[model], self.vaes["mnist-label"], bridges, *observed, *size, rng)
        figures = {}
        for setting, bridge, of_images in zip(settings, bridges, across):
            of_images.pop("effective_sample_size")
            figures |= self.at(named(setting.name, of_images), self.rows)
            figures |= self.found_on_held_out(setting, bridge, rng)
        return figures

    def found_on_held_out(self, setting, bridge, rng):
        """Figures on all held-out rows, but for E log p(y|z_y): `reproduce` has it on its chosen rows only."""
        x = read_latents(setting.latents).posterior
        y = read_latents(self.latents["mnist-label"]).posterior
        few = label_figures(bridge, self.vaes["mnist-label"], x[self.rows], self.labels[self.rows], rng)
        of_few = {"label_log_likelihood_nats": few["label_log_likelihood_nats"]}
        rows = setting.held_out
        of_all = label_figures(bridge, self.vaes["mnist-label"], x[rows], self.labels[rows], rng)
        of_all.pop("label_log_likelihood_nats")
        of_all |= named("x_to_y", latent_figures(bridge.x_to_y, x[rows], y[rows], rng))
        of_all |= named("y_to_x", latent_figures(bridge.y_to_x, y[rows], x[rows], rng))
        return self.at(named(setting.name, of_few), self.rows) | self.at(named(setting.name, of_all), rows)

    def at(self, figures, rows):
        return {name: (values, self.labels[rows]) for name, values in figures.items()}

    def encoder_differences(self):
        """The largest difference of a posterior's mean or log-variance, over all test rows, by model."""
        differences = {}
        for model, vae in self.vaes.items():
            observations = one_hot(self.labels) if model == "mnist-label" else self.images
            ours, theirs = vae.posterior(observations), read_latents(self.latents[model]).posterior
            gaps = [np.abs(getattr(ours, part) - getattr(theirs, part)).max() for part in ("mean", "log_var")]
            differences[model] = float(max(gaps))
        return differences


def expect_the_same_models(digests):
    """The models inside the program must be those in the folder `assets`, which the peers read."""
    for path in ASSETS.glob("*.safetensors"):
        if digests.get(path.stem, digest := hashlib.sha256(path.read_bytes()).hexdigest()) != digest:
            raise SystemExit(f"the program holds another {path.stem} than {path}: build it anew")


ELBO_TERMS = ("reconstruction_nats", "kl_nats", "elbo_nats")


def elbo_means(found):
    return {term: found[term]["mean"] for term in ELBO_TERMS}


def told_of_bridge(setting):
    likelihoods, evaluated = setting.reproduced["likelihoods"], setting.evaluated
    means = {name: value["mean"] for name, value in likelihoods.items() if "mean" in value}
    latent = {
        f"{direction}: {name}": evaluated[direction][name]["mean"]
        for direction in ("x_to_y", "y_to_x")
        for name in ("log_density_nats", "reverse_kl_nats")
    }
    return means | latent | {
        "log_p_x_given_y_nats": likelihoods["log_p_x_given_y"]["nats"]["mean"],
        "log_p_y_given_x_nats": evaluated["image_to_label"]["log_p_nats"],
        "accuracy": evaluated["image_to_label"]["accuracy"],
    }


def named(prefix, figures):
    return {f"{prefix}: {name}": value for name, value in figures.items()}


def compare(told, runs):
    """One row for each figure that both programs have."""
    rows = []
    for name in told:
        values = np.stack([run[name][0] for run in runs])
        difference = told[name] - values.mean()
        noise, freedom = noise_of_mean(values, runs[0][name][1])
        # zbridge's figure is one run more: its noise is that of a run, ours that of the mean over runs.
        error = np.hypot(noise * np.sqrt(1 + 1 / len(runs)), ROUNDING * abs(told[name]))
        z = standard_score(difference / error, freedom)
        rows.append({"figure": name, "zbridge": told[name], "peer": values.mean(), "standard_error": error, "z": z})
    return rows


def noise_of_mean(values, labels):
    """Standard deviation over runs of the mean over images, `values` `[runs, images]`, and its degrees of freedom.

    Images of one label share draws of z_y and so their noise; labels are independent. So variances over runs are taken
    of sums within labels and added up (degrees of freedom: Satterthwaite 1946).
    """
    runs, images = values.shape
    sums = np.stack([values[:, labels == label].sum(axis=1) for label in np.unique(labels)])
    variances = sums.var(axis=1, ddof=1)
    total = variances.sum()
    freedom = (runs - 1) * total**2 / (variances**2).sum() if total > 0 else np.inf
    return np.sqrt(total) / images, freedom


def standard_score(t, freedom):
    """The normal score as improbable as `t` is under Student's distribution (Wallace 1959)."""
    if np.isinf(freedom):
        return float(t)
    size = np.sqrt(freedom * np.log1p(t**2 / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return float(np.copysign(size, t))


def print_table(report):
    print(f"{'figure':58} {'zbridge':>11} {'peer':>11} {'s.e.':>9} {'z':>6}")
    for row in report["figures"]:
        numbers = f"{row['zbridge']:11.4f} {row['peer']:11.4f} {row['standard_error']:9.2g} {row['z']:6.2f}"
        print(f"{row['figure']:58} {numbers}")
    print()
    for model, difference in report["encoder_differences"].items():
        print(f"largest difference of a posterior mean or log-variance, {model}: {difference:.1e}")
    scores = f"largest |z| {report['largest_z']:.2f}, root mean square {report['rms_z']:.2f}"
    print(f"{len(report['figures'])} figures, {scores}")


def print_json(report):
    print(json.dumps(report, indent=2))


def print_markdown(report):
    print("| figure | zbridge | NumPy | standard error of the difference | z |\n|---|--:|--:|--:|--:|")
    for row in report["figures"]:
        numbers = [f"{row['zbridge']:.4f}", f"{row['peer']:.4f}", f"{row['standard_error']:.2g}", f"{row['z']:.2f}"]
        print(f"| {row['figure']} | " + " | ".join(text.replace("-", "−") for text in numbers) + " |")


def measure(arguments, work):
    """The whole comparison, as it is printed."""
    work.mkdir(parents=True, exist_ok=True)
    experiment = Experiment(Zbridge(arguments.zbridge, arguments.data, work, arguments.seed))
    runs = []
    for run in range(arguments.runs):
        print(f"NumPy, run {run + 1} of {arguments.runs}", file=sys.stderr)
        runs.append(experiment.found(run))
    rows = compare(experiment.told(), runs)
    scores = np.array([row["z"] for row in rows])
    return {
        "figures": rows,
        "encoder_differences": experiment.encoder_differences(),
        "largest_z": float(np.abs(scores).max()),
        "rms_z": float(np.sqrt((scores**2).mean())),
    }


def arguments_of_command():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zbridge", default="target/release/zbridge", help="the program")
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--work", type=Path, help="folder that keeps bridges and latents, else thrown away")
    parser.add_argument("--runs", type=int, default=4, help="times that NumPy estimates each figure")
    parser.add_argument("--seed", type=int, default=1, help="seed of zbridge's rows, fits and draws")
    parser.add_argument("--limit", type=float, default=4, help="largest |z| that is let through")
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument("--json", dest="show", action="store_const", const=print_json, help="print JSON")
    shapes.add_argument("--markdown", dest="show", action="store_const", const=print_markdown, help="print Markdown")
    parser.set_defaults(show=print_table)
    return parser.parse_args()


def main():
    arguments = arguments_of_command()
    with tempfile.TemporaryDirectory() as temporary:
        report = measure(arguments, arguments.work or Path(temporary))
    arguments.show(report)
    encoders_agree = max(report["encoder_differences"].values()) < ENCODER_TOLERANCE
    sys.exit(not (report["largest_z"] <= arguments.limit and encoders_agree))


if __name__ == "__main__":
    main()
