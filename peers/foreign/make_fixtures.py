"""The fixtures of `crates/zbridge-foreign/tests/fixtures`, written anew.

    python peers/foreign/make_fixtures.py

Needs torch, onnx, onnxscript, diffusers and safetensors; what is in the folder was written with the versions that each
ONNX file names as its producer.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from foreign_networks import autoencoder_kl

HERE = Path(__file__).parent
OUT = HERE.parent.parent / "crates/zbridge-foreign/tests/fixtures"


def onnx_files():
    """Each network by one exporter, and one by all."""
    for exporter, names in [
        ("dynamo", ["conv-encoder", "conv-decoder", "pixel-encoder", "upsample-decoder", "transformer-encoder"]),
        ("dynamo", ["gru-encoder", "sound-encoder", "kl-encoder"]),
        ("torchscript", ["mlp-encoder", "mlp-decoder", "conv-encoder"]),
        ("fixed", ["conv-decoder"]),
        ("external", ["mlp-encoder"]),
    ]:
        command = [sys.executable, HERE / "onnx_export.py", OUT / "onnx", "--only", *names, "--by", exporter]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


OLD_KEYS = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_names(state):
    """The names that attention had before diffusers 0.18."""
    renamed = {}
    for name, tensor in state.items():
        for new, old in OLD_KEYS.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        renamed[name] = tensor
    return renamed


def autoencoders():
    """An `AutoencoderKL` in several forms, and what diffusers makes of some images."""
    torch.manual_seed(3)
    forms = {
        "plain": dict(scaling_factor=0.18215),
        "shifted": dict(scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        "standardised": dict(
            latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 1.5, 2.0, 1.0], mid_block_add_attention=False
        ),
    }
    for form, settings in forms.items():
        vae = autoencoder_kl((8, 16), **settings)
        save(vae, OUT / "autoencoder-kl" / form, form)


def save(vae, folder, form):
    vae.save_pretrained(folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    state = {name: tensor.half().contiguous() for name, tensor in vae.state_dict().items()}
    vae.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    save_file(old_names(state) if form == "plain" else state, weights)
    if form == "shifted":
        weights.unlink()
        torch.save(state, folder / "diffusion_pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        posterior = vae.encode(2 * images - 1).latent_dist
        decoded = vae.decode(posterior.mean).sample
    tensors = {"images": images, "mean": shown(vae, posterior.mean), "decoded": (decoded + 1) / 2}
    tensors["std"] = posterior.std * (shown(vae, torch.ones_like(posterior.std)) - shown(vae, torch.zeros_like(posterior.std)))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")


def shown(vae, latents):
    """Latents as pipelines of diffusers hand them on."""
    config = vae.config
    if config.latents_mean is not None:
        mean, std = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (config.latents_mean, config.latents_std))
        return (latents - mean) * config.scaling_factor / std
    return (latents - (config.shift_factor or 0)) * config.scaling_factor


def state_dicts():
    """State dicts in the forms in which they are found."""
    folder = OUT / "state-dicts"
    folder.mkdir(parents=True, exist_ok=True)
    weight = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8
    tensors = {
        "weight": weight,
        "transposed": weight.t(),
        "part": weight[1:, 1:3],
        "half": weight.half(),
        "brain": weight.bfloat16(),
        "double": weight.double(),
        "steps": torch.tensor([7, -1]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    torch.save(tensors, folder / "plain.pt")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.rand(4, 3)).sum().backward()
    optimiser.step()
    checkpoint = {"state_dict": model.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 3, "note": "kept"}
    torch.save(checkpoint, folder / "checkpoint.pth")
    torch.save(model, folder / "whole-module.pt")
    torch.save(model.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "plain.safetensors")


if __name__ == "__main__":
    onnx_files()
    autoencoders()
    state_dicts()
