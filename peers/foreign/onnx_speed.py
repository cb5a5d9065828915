"""Rows a second of ONNX Runtime on ONNX files: what zbridge's speed on the same files is compared with.

    python peers/foreign/onnx_speed.py FILE... [--rows 256] [--threads 2] [--repeats 7]

The counterpart is `cargo run --release -p zbridge-foreign --example onnx_speed -- FILE...`. Both print the best of the
repeats; on a machine that does nothing else, please.
"""

import argparse
import time

import numpy as np
import onnxruntime


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def rows_per_second(path, rows, threads, repeats):
    """The best of the repeats, all rows in one batch."""
    run = session(path, threads)
    [entry] = run.get_inputs()
    shape = [rows, *entry.shape[1:]]
    batch = {entry.name: np.random.default_rng(1).random(shape, dtype=np.float32)}
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run.run(None, batch)
        times.append(time.perf_counter() - start)
    return rows / min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    for path in arguments.files:
        speed = rows_per_second(path, arguments.rows, arguments.threads, arguments.repeats)
        print(f"{path}: {speed:.0f} rows/s")


if __name__ == "__main__":
    main()
