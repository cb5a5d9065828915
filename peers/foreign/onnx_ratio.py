"""zbridge and ONNX Runtime on the same ONNX files in turn, A B A B …: medians and ratios as a table in Markdown.

    python peers/foreign/onnx_ratio.py FILE... [--runs 5] [--zbridge target/release/examples/onnx_speed]

Each run tells the best of seven passes over 256 rows. The machine should do nothing else."""

import argparse
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MUST = 0.7


def rows_per_second(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    found = re.search(r": (\d+) rows/s", done.stdout + done.stderr)
    if not found:
        sys.exit(f"{command}: {done.stderr[-1000:]}")
    return float(found.group(1))


def engine(inspect, path):
    """What runs the network, by `zbridge inspect`."""
    said = subprocess.run([inspect, "inspect", path], capture_output=True, text=True).stdout
    return "own kernel" if "own kernel" in said else "rten"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="as onnx_export.py writes them")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--speed", default="target/release/examples/onnx_speed", help="cargo build --release -p zbridge-foreign --example onnx_speed")
    parser.add_argument("--zbridge", default="target/release/zbridge")
    arguments = parser.parse_args()
    print(f"**ONNX files, rows a second on {os.cpu_count()} cores, medians of {arguments.runs} runs in turn.**\n")
    print("| network | run by | zbridge | ONNX Runtime | ratio | least to most |")
    print("|---|---|---:|---:|---:|---:|")
    slow = []
    for path in arguments.files:
        own, other = [], []
        for _ in range(arguments.runs):
            own.append(rows_per_second([arguments.speed, path]))
            other.append(rows_per_second([sys.executable, HERE / "onnx_speed.py", path]))
        ratios = [a / b for a, b in zip(own, other)]
        ratio = statistics.median(ratios)
        name = Path(path).name.split(".")[0]
        slow += [name] if ratio < MUST else []
        cells = [name, engine(arguments.zbridge, path), f"{statistics.median(own):,.0f}", f"{statistics.median(other):,.0f}"]
        print("| " + " | ".join([*cells, f"**{ratio:.2f}**", f"{min(ratios):.2f} to {max(ratios):.2f}"]) + " |", flush=True)
    if slow:
        print(f"\nBelow {MUST}: {', '.join(slow)}.")


if __name__ == "__main__":
    main()
