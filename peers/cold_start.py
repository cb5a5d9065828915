"""From nothing to a sheet of 100 images of a label, in PyTorch: what `zbridge generate --from 7 --count 100` does.

`speed.py` times the whole program. It reads as little as that takes: no NumPy readers, no compiling."""

import json
import sys

import torch
from safetensors import safe_open
from torch import nn

import training


def read(path, prefix):
    with safe_open(path, framework="pt") as file:
        return {name[len(prefix) :]: file.get_tensor(name).float() for name in file.keys() if name.startswith(prefix)}


def posterior(path, observation):
    """Mean and log-variance of a label by its VAE's encoder, layers of which are linear and SiLU."""
    with safe_open(path, framework="pt") as file:
        layers = json.loads(json.loads(file.metadata()["zbridge"])["vae"])["encoder"]
    tensors = read(path, "encoder.")
    for index, layer in enumerate(layers):
        linear = layer["layer"] == "linear"
        weights = (tensors[f"{index}.weight"], tensors[f"{index}.bias"]) if linear else ()
        observation = nn.functional.linear(observation, *weights) if linear else nn.functional.silu(observation)
    return observation.chunk(2)


@torch.inference_mode()
def main():
    image_model, label_model, bridge_file, label, out = sys.argv[1:]
    bridge, vae = training.PaperBridge(2, 64).eval(), training.conv_vae().eval()
    training.fill(bridge.network, read(bridge_file, "y_to_x.0."), "")
    training.fill(vae.decoder, read(image_model, "decoder."), "")
    mean, log_var = posterior(label_model, nn.functional.one_hot(torch.tensor(int(label)), 10).float())
    source = mean + torch.exp(0.5 * log_var) * torch.randn(100, 2)
    q_mean, q_log_var = bridge.network(source).chunk(2, 1)
    images = torch.sigmoid(vae.decoder(q_mean + torch.exp(0.5 * q_log_var) * torch.randn(100, 64)))
    sheet = images.view(10, 10, 28, 28).transpose(1, 2).reshape(280, 280)
    with open(out, "wb") as file:
        file.write(b"P5 280 280 255\n" + (255 * sheet).byte().numpy().tobytes())


if __name__ == "__main__":
    main()
