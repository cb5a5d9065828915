"""zbridge and PyTorch at the same work in turn, A B A B …, on the same machine: medians and ratios as a table.

First both compute the same objectives from the same numbers, which must agree to 1e-3. Then each task is run by zbridge
and by PyTorch, eager, with fused Adam and compiled, `--runs` times in turn; the ratio is that of each run against the
fastest PyTorch of the same run, and its median is what counts. Compiling and a warm-up are not timed. Prints Markdown.
The machine should do nothing else."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from likelihoods import ASSETS
from throughput import UNSET
from zbridge_files import read_mnist_test

HERE = Path(__file__).parent
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in UNSET}
LIMIT = 1e-3
# What caps the instruction set of zbridge and of PyTorch with its libraries. OpenBLAS of NumPy is in no timed work.
CAPS = {
    "avx2": {
        "ZBRIDGE_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
}

# Task → what it is, how many times as fast zbridge must be, and billions of multiplications and additions in one.
PAPER_STEP = 128 * 2 * 3 * (64 * 64 + 64 * 128 + 128 * 4 + 2 * 64 + 64 * 128 + 128 * 128) / 1e9
MLP_EPOCH = 60_000 * 2 * 3 * (784 * 512 * 2 + 512 * 512 * 2 + 512 * 128 + 64 * 512) / 1e9
IMAGE_DECODER = 64 * 512 + 512 * 1568 + 7 * 7 * 32 * 32 * 16 + 14 * 14 * 32 * 36
IMAGE_ENCODER = 14 * 14 * 32 * 16 + 7 * 7 * 64 * 32 * 16 + 4 * 4 * 64 * 64 * 9 + 1024 * 512 + 512 * 128
TASKS = {
    "fit-256": ("bridge, recipe `paper`, both directions, N = 256", None, 3000 * PAPER_STEP),
    "fit-1024": ("the same, N = 1024", 8.0, 3000 * PAPER_STEP),
    "fit-8192": ("the same, N = 8192", 8.0, 3000 * PAPER_STEP),
    "mixture": ("moving mixture, one step of 128", 1.5, None),
    "flow": ("coupling flow, one step of 128", 1.5, None),
    "flow-matching": ("flow matching, one step of 128", 1.5, None),
    "mlp-vae-128": ("VAE 784-512-512-64, an epoch, batch 128", 1.1, MLP_EPOCH),
    "mlp-vae-512": ("the same, batch 512", 1.1, MLP_EPOCH),
    "conv-vae": ("image VAE (convolutions), one step of 128", 1.0, 128 * 2 * 3 * (IMAGE_ENCODER + IMAGE_DECODER) / 1e9),
    "importance": ("log p(x) of 20 images, 1,000 draws each", 1.3, 20_000 * 2 * IMAGE_DECODER / 1e9),
    "generate": ("10,000 images of labels", None, None),
    "cold-start": ("from nothing to a sheet of 100 images", None, None),
}
ONLY_IMPORT = "only importing torch"
# What must be done in so many seconds, whatever PyTorch takes.
MOST_SECONDS = {"cold-start": 0.3}
# Tasks without training, where a fused Adam is no variant.
WITHOUT_ADAM = {"importance", "generate", "cold-start"}
SMALL = {"fit-256", "fit-1024", "fit-8192", "mixture", "flow", "flow-matching"}


def output(command):
    done = subprocess.run([str(part) for part in command], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} left with code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


class Worker:
    """A PyTorch program that has compiled and warmed up, and runs a task each time that it is asked."""

    def __init__(self, task, variant, threads, folder):
        command = [sys.executable, HERE / "speed_worker.py", task, variant, str(threads), folder]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [str(part) for part in command], env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, share=1.0):
        self.process.stdin.write(f"{share}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"a PyTorch program left: {self.process.args}")
        return json.loads(answer)

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


def prepare(arguments, folder):
    """Latents of MNIST's test half and a bridge."""
    program = [arguments.zbridge, "--quiet", "--json"]
    for model, name in [("mnist-image", "x"), ("mnist-label", "y")]:
        output([*program, "encode", "--model", model, "--data", arguments.data, "--out", folder / f"{name}.safetensors"])
    pairs = folder / "pairs.csv"
    pairs.write_text("x,y\n" + "".join(f"{row},{row}\n" for row in range(1024)))
    sides = ["--x", folder / "x.safetensors", "--y", folder / "y.safetensors", "--pairs", pairs]
    output([*program, "fit", "--recipe", "paper", *sides, "--out", folder / "paper.bridge"])
    images, _ = read_mnist_test(arguments.data)
    save_file({"images": images[:20].astype(np.float32)}, folder / "images.safetensors")


def seconds_of(command):
    start = time.perf_counter()
    output(command)
    return time.perf_counter() - start


def cold_starts(arguments, folder):
    """Seconds of whole programs, run by run, once the files are in memory: zbridge's and PyTorch's, and that which does
    nothing but import PyTorch."""
    program = [arguments.zbridge, "--quiet", "generate", "--bridge", folder / "paper.bridge", "--from", 7, "--to", "x"]
    models = [ASSETS / "mnist-image.safetensors", ASSETS / "mnist-label.safetensors"]
    commands = {
        "zbridge": [*program, "--count", 100, "--out", folder / "sheet.png"],
        "eager": [sys.executable, HERE / "cold_start.py", *models, folder / "paper.bridge", 7, folder / "sheet.pgm"],
        ONLY_IMPORT: [sys.executable, "-c", "import torch"],
    }
    for command in commands.values():
        output(command)
    return [{name: seconds_of(command) for name, command in commands.items()} for _ in range(arguments.runs)]


def measure(task, arguments, folder):
    """The row of a task: seconds of everybody, run by run."""
    if task == "cold-start":
        return cold_starts(arguments, folder)
    # Where networks are tiny a second thread only costs, up to twenty times as much on a busy machine.
    threads = 1 if task in SMALL else arguments.threads
    variants = [name for name in arguments.variants if task not in WITHOUT_ADAM or name != "fused Adam"]
    workers = {variant: Worker(task, variant, threads, folder) for variant in variants}
    for worker in workers.values():
        worker.ask(0.05)
    rounds = []
    for _ in range(arguments.runs):
        found = {"zbridge": json.loads(output([arguments.speed, "time", task, folder]))["seconds"]}
        for name, worker in workers.items():
            time.sleep(0.05)
            found[name] = worker.ask()
        rounds.append(found)
    for worker in workers.values():
        worker.leave()
    return rounds


def shown(seconds):
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def row(task, rounds, peak):
    """A line of the table, and whether the task is fast enough."""
    about, must, work = TASKS[task]
    others = [name for name in rounds[0] if name not in ("zbridge", ONLY_IMPORT)]
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    best = min(others, key=medians.get)
    ratios = [min(found[name] for name in others) / found["zbridge"] for found in rounds]
    ratio = statistics.median(ratios)
    share = f"{100 * work / medians['zbridge'] / peak:.0f} %" if work else "–"
    needed = "–" if must is None else f"{must} ×"
    if most := MOST_SECONDS.get(task):
        needed = f"{most} s"
    cells = [about, shown(medians["zbridge"]), f"{shown(medians[best])} ({best})", f"**{ratio:.2f} ×**"]
    cells += [f"{min(ratios):.2f} to {max(ratios):.2f}", needed, share]
    enough = (must is None or ratio >= must) and medians["zbridge"] <= MOST_SECONDS.get(task, math.inf)
    return "| " + " | ".join(cells) + " |", enough


def peak_of(folder, threads):
    """Billions of operations a second of a large product of matrices, by PyTorch's library."""
    worker = Worker("peak", "eager", threads, folder)
    found = max(worker.ask() for _ in range(5))
    worker.leave()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zbridge", default="target/release/zbridge", help="the program")
    parser.add_argument("--speed", default="target/release/examples/speed", help="cargo build --release -p zbridge-experiments --example speed")
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--runs", type=int, default=5, help="times that each is run")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="processor cores of PyTorch, at most")
    parser.add_argument("--isa", choices=list(CAPS), help="the widest instruction set that both may use")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--variants", nargs="+", default=["eager", "fused Adam", "compiled"],
                        choices=["eager", "fused Adam", "compiled"])
    arguments = parser.parse_args()
    if arguments.isa:
        ENVIRONMENT.update(CAPS[arguments.isa])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(arguments, folder)
        output([arguments.speed, "check", folder / "check"])
        worker = Worker("check", "eager", 1, folder / "check")
        differences = worker.ask()
        worker.leave()
        wrong = {name: found for name, found in differences.items() if found > LIMIT}
        if wrong:
            sys.exit(f"objectives differ by more than {LIMIT}: {wrong}")
        peak = peak_of(folder, arguments.threads)
        lines, slow, importing = [], [], []
        for task in arguments.tasks:
            rounds = measure(task, arguments, folder)
            importing += [found[ONLY_IMPORT] for found in rounds if ONLY_IMPORT in found]
            line, enough = row(task, rounds, peak)
            print(line, file=sys.stderr, flush=True)
            lines.append(line)
            slow += [] if enough else [task]
    print(table(lines, differences, peak, arguments))
    if importing:
        print(f"\nImporting PyTorch alone takes {shown(statistics.median(importing))}.")
    if slow:
        print(f"\nShort of what is asked: {', '.join(slow)}.")


def table(lines, differences, peak, arguments):
    largest = max(differences.values())
    return "\n".join(
        [
            f"**Time of zbridge and of PyTorch on {arguments.threads} cores"
            f"{f' with {arguments.isa} at most' if arguments.isa else ''}, medians of {arguments.runs} runs in turn; ratio"
            f" to the fastest of {', '.join(arguments.variants)} in each run.** Before the runs all objectives agreed to"
            f" {largest:.0e} relative. A large product of matrices runs at {peak:.0f} GFLOP/s here.",
            "",
            "| work | zbridge | best PyTorch | faster by | least to most | must | of the peak |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *lines,
        ]
    )


if __name__ == "__main__":
    main()
