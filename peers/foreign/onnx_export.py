"""Exports the networks of `foreign_networks.py` by both of PyTorch's exporters, with inputs and outputs as PyTorch computes them.

    python peers/foreign/onnx_export.py OUT [--large] [--rows N] [--only NAME ...] [--by EXPORTER ...]

writes, for each network, `NAME.torchscript.onnx`, `NAME.dynamo.onnx` and `NAME.safetensors` with `input` and
`output.0`, `output.1` … . The batch dimension is dynamic, except in `NAME.fixed.onnx`, where it is the number of rows.
`--by external` writes the weights into `NAME.external.onnx.data`.
"""

import argparse
import warnings
from pathlib import Path

import onnx
import torch
from safetensors.torch import save_file

from foreign_networks import networks


EXPORTERS = ["torchscript", "dynamo", "fixed", "external"]


def export(module, example, outputs, path, exporter):
    """Writes one file, its weights inside, unless they are to lie outside."""
    dynamo, dynamic = exporter != "torchscript", exporter != "fixed"
    settings = dict(input_names=["input"], output_names=outputs, dynamo=dynamo)
    if dynamic and dynamo:
        settings["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic:
        settings["dynamic_axes"] = {name: {0: "batch"} for name in ["input", *outputs]}
    if dynamo:
        settings["external_data"] = False
    torch.onnx.export(module, (example,), path, **settings)
    without_paths(path, exporter == "external")


def without_paths(path, external):
    """Drops what exporters note about the sources they saw: paths and stack traces."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for function in model.functions:
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]
    del model.graph.metadata_props[:]
    data = dict(save_as_external_data=True, location=f"{Path(path).name}.data", size_threshold=0) if external else {}
    onnx.save(model, path, **data)


def inputs(shape, rows):
    """Images and numbers in 0..1, so that every network gets what it may expect."""
    return torch.rand(rows, *shape, generator=torch.Generator().manual_seed(11))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--by", nargs="*", default=EXPORTERS[:3], choices=EXPORTERS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, (module, shape, outputs) in networks(arguments.large).items():
        if arguments.only and name not in arguments.only:
            continue
        x = inputs(shape, arguments.rows)
        with torch.no_grad():
            expected = module(x)
        expected = expected if isinstance(expected, tuple) else (expected,)
        tensors = {f"output.{i}": tensor.contiguous().clone() for i, tensor in enumerate(expected)}
        save_file({"input": x, **tensors}, arguments.out / f"{name}.safetensors")
        for exporter in arguments.by:
            export(module, x, outputs, str(arguments.out / f"{name}.{exporter}.onnx"), exporter)


if __name__ == "__main__":
    main()
