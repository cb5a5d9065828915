"""Importance sampling by zbridge and by PyTorch in turn, A B A B …, on the same machine: decoder runs per second.

Both estimate log p(x) and log p(x|y) under three bridges of the recipe `paper` from one decoder pass. zbridge's figure is
`decoder_evaluations_per_second` of `zbridge reproduce`, PyTorch's `draws_per_second` of `importance_sampling.py`. Prints a
table in Markdown with medians, ranges and the ratio run by run. The machine should do nothing else."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PAIRS = [256, 1024, 8192]
# Settings of numerical libraries that a machine may bring along, and that would slow them down.
UNSET = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


def run(command):
    """What the command printed, as JSON, and its peak memory in MiB."""
    environment = {key: value for key, value in os.environ.items() if key not in UNSET}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{command[0]} left with code {process.returncode}: {' '.join(map(str, command))}")
        output.seek(0)
        return json.load(output), usage.ru_maxrss / 1024


def bridges(zbridge, data, folder):
    """Bridges of the recipe `paper` on the first rows of the data, one for each number of pairs."""
    for model, name in [("mnist-image", "x"), ("mnist-label", "y")]:
        run([zbridge, "encode", "--model", model, "--data", data, "--out", folder / f"{name}.safetensors", "--quiet", "--json"])
    paths = []
    for pairs in PAIRS:
        csv = folder / f"{pairs}.csv"
        csv.write_text("x,y\n" + "".join(f"{row},{row}\n" for row in range(pairs)))
        path = folder / f"{pairs}.bridge"
        run([zbridge, "fit", "--recipe", "paper", "--x", folder / "x.safetensors", "--y", folder / "y.safetensors",
             "--pairs", csv, "--out", path, "--quiet", "--json"])
        paths.append(path)
    return paths


def systems(arguments, folder):
    """(name, command, key of the figure) of each system."""
    peer = [sys.executable, HERE / "importance_sampling.py", "--data", arguments.data, "--images", arguments.images,
            "--draws", 1000, "--threads", arguments.threads]
    for path in bridges(arguments.zbridge, arguments.data, folder):
        peer += ["--bridge", path]
    reproduce = [arguments.zbridge, "reproduce", "--quick", "--data", arguments.data, "--out", folder / "quick", "--quiet", "--json"]
    named = {
        "PyTorch eager, batch 250": ["--batch", 250],
        "PyTorch eager, batch 1000": ["--batch", 1000],
        "PyTorch compiled, batch 250": ["--batch", 250, "--variant", "compiled"],
        "PyTorch eager, plain layers, batch 250": ["--batch", 250, "--decoder", "plain"],
    }
    peers = [(name, peer + more, "draws_per_second") for name, more in named.items()]
    return [("zbridge", reproduce, "decoder_evaluations_per_second"), *peers]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zbridge", default="target/release/zbridge", help="the program")
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--runs", type=int, default=5, help="times that each is run")
    parser.add_argument("--images", type=int, default=60, help="images of the PyTorch program")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="processor cores of the PyTorch program")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        everybody = systems(arguments, Path(folder))
        figures = {name: [] for name, _, _ in everybody}
        memory = {name: 0.0 for name, _, _ in everybody}
        for _ in range(arguments.runs):
            for name, command, key in everybody:
                found, peak = run(command)
                figures[name].append(found[key])
                memory[name] = max(memory[name], peak)
    print(table(figures, memory, arguments.runs))


def table(figures, memory, runs):
    own = figures["zbridge"]
    lines = [
        f"**Decoder runs (images × draws) per second on {os.cpu_count()} cores, {runs} runs in turn.**",
        "",
        "| program | median | least to most | zbridge is faster by, median of runs | peak memory, MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in figures.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(own, found))
        shown = "–" if name == "zbridge" else f"{ratio:.2f} ×"
        span = f"{min(found):,.0f} to {max(found):,.0f}"
        lines.append(f"| {name} | {statistics.median(found):,.0f} | {span} | {shown} | {memory[name]:,.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
