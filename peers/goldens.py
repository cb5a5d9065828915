"""Writes the reference values that zbridge's networks are tested against, computed by PyTorch in double precision.

    python goldens.py

writes `crates/zbridge-nn/tests/goldens/networks.safetensors` and `crates/zbridge-models/tests/goldens/vae.safetensors`.
The same version of PyTorch writes the same files. Parameters are in zbridge's layout (grids are [height, width,
channels], kernels [out, height, width, in]); they are permuted inside the computation, so that gradients are in that
layout too."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

CRATES = Path(__file__).resolve().parent.parent / "crates"
ROWS = 12
STEPS = 5
torch.set_default_dtype(torch.float64)


class Goldens:
    """Tensors and metadata of a fixture."""

    def __init__(self):
        self.tensors = {}
        self.metadata = {"program": "peers/goldens.py", "torch": torch.__version__, "precision": "float64"}

    def put(self, name, tensor):
        self.tensors[name] = tensor.detach().to(torch.float32).contiguous().clone()

    def write(self, path):
        path.parent.mkdir(exist_ok=True)
        save_file(self.tensors, path, {"zbridge": json.dumps(self.metadata)})
        print(f"{path.relative_to(CRATES.parent)}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


def given(*shape, scale=1.0):
    """Random numbers that single precision holds exactly."""
    return (scale * torch.randn(shape)).to(torch.float32).to(torch.float64)


# Layers, as zbridge writes them.


def linear(inputs, outputs):
    return {"layer": "linear", "inputs": inputs, "outputs": outputs}


def convolution(kind, grid, channels, kernel, stride, padding):
    return {
        "layer": kind,
        "input": list(grid),
        "channels": channels,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
    }


def batch_norm(width):
    return {"layer": "batch-norm", "width": width}


def leaky_relu(slope):
    return {"layer": "leaky-relu", "slope": slope}


def transpose(rows, columns):
    return {"layer": "transpose", "rows": rows, "columns": columns}


SILU = {"layer": "silu"}

NETWORKS = {
    "linear": [linear(7, 9)],
    "silu": [linear(7, 9), SILU, linear(9, 4)],
    "leaky_relu": [linear(7, 9), leaky_relu(0.1), linear(9, 4)],
    # Activations come before normalisations: a normalisation takes a bias that reaches it directly away again, so that
    # the gradient of that bias is zero but for rounding, which Adam would magnify.
    "batch_norm": [linear(6, 8), leaky_relu(0.1), batch_norm(8), SILU, linear(8, 3)],
    "convolution": [convolution("conv", (6, 5, 2), 3, 4, 2, 1), SILU, convolution("conv", (3, 2, 3), 4, 3, 1, 1)],
    "transposed_convolution": [convolution("conv-transpose", (3, 2, 3), 2, 4, 2, 1), SILU],
    "grids": [
        transpose(3, 20),
        convolution("conv", (5, 4, 3), 4, 3, 1, 1),
        leaky_relu(0.2),
        batch_norm(80),
        linear(80, 12),
        convolution("conv-transpose", (2, 2, 3), 2, 6, 2, 2),
        transpose(16, 2),
    ],
    # Gradients only: here normalisations do take away the biases of the layers below.
    "fused": [linear(6, 8), batch_norm(8), leaky_relu(0.2), linear(8, 5), batch_norm(5), SILU, linear(5, 3)],
}
WITHOUT_ADAM = {"fused"}


def parameters_of(layers):
    """Random parameters by name, in zbridge's order; large enough that activations bend."""
    parameters = {}
    for index, layer in enumerate(layers):
        kind = layer["layer"]
        if kind == "linear":
            shapes = {"weight": (layer["outputs"], layer["inputs"]), "bias": (layer["outputs"],)}
            fan_in = layer["inputs"]
        elif kind in ("conv", "conv-transpose"):
            kernel, channels, inputs = layer["kernel"], layer["channels"], layer["input"][2]
            outer, inner = (channels, inputs) if kind == "conv" else (inputs, channels)
            shapes = {"weight": (outer, kernel, kernel, inner), "bias": (channels,)}
            fan_in = kernel * kernel * inputs
        elif kind == "batch-norm":
            width = layer["width"]
            parameters[f"{index}.weight"] = 1 + given(width, scale=0.3)
            parameters[f"{index}.bias"] = given(width, scale=0.3)
            parameters[f"{index}.running_mean"] = given(width, scale=0.3)
            parameters[f"{index}.running_var"] = 0.5 + given(width).abs()
            continue
        else:
            continue
        for name, shape in shapes.items():
            parameters[f"{index}.{name}"] = given(*shape, scale=1.5 / math.sqrt(fan_in))
    return parameters


def grid(x, layer):
    """Rows as images [rows, channels, height, width]."""
    height, width, channels = layer["input"]
    return x.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def rows_of(images):
    return images.permute(0, 2, 3, 1).flatten(1)


def forward(layers, parameters, x, training):
    """The outputs; in training, running statistics in `parameters` move."""
    for index, layer in enumerate(layers):
        of = lambda name: parameters[f"{index}.{name}"]
        kind = layer["layer"]
        if kind == "linear":
            x = F.linear(x, of("weight"), of("bias"))
        elif kind == "conv":
            weight = of("weight").permute(0, 3, 1, 2)
            x = rows_of(F.conv2d(grid(x, layer), weight, of("bias"), layer["stride"], layer["padding"]))
        elif kind == "conv-transpose":
            weight = of("weight").permute(0, 3, 1, 2)
            x = rows_of(F.conv_transpose2d(grid(x, layer), weight, of("bias"), layer["stride"], layer["padding"]))
        elif kind == "batch-norm":
            statistics = (of("running_mean"), of("running_var"))
            x = F.batch_norm(x, *statistics, of("weight"), of("bias"), training, momentum=0.1, eps=1e-5)
        elif kind == "leaky-relu":
            x = F.leaky_relu(x, layer["slope"])
        elif kind == "silu":
            x = F.silu(x)
        elif kind == "transpose":
            x = x.reshape(-1, layer["rows"], layer["columns"]).transpose(1, 2).flatten(1)
        else:
            raise ValueError(kind)
    return x


def learned(parameters):
    return {name: tensor for name, tensor in parameters.items() if "running" not in name}


def network(goldens, name, layers):
    """Outputs, gradients of the objective sum(c * outputs), running statistics, and steps of Adam."""
    parameters = parameters_of(layers)
    inputs = given(ROWS, width_of(layers[0]))
    goldens.metadata[f"{name}.layers"] = json.dumps(layers)
    goldens.put(f"{name}.input", inputs)
    for key, tensor in parameters.items():
        goldens.put(f"{name}.parameters.{key}", tensor)
    goldens.put(f"{name}.inference", forward(layers, parameters, inputs, training=False))

    leaves = learned(parameters)
    for tensor in leaves.values():
        tensor.requires_grad_()
    inputs.requires_grad_()
    outputs = forward(layers, parameters, inputs, training=True)
    goldens.put(f"{name}.output", outputs)
    for key, tensor in parameters.items():
        if "running" in key:
            goldens.put(f"{name}.after.{key}", tensor)
    coefficients = given(*outputs.shape)
    goldens.put(f"{name}.output_gradient", coefficients)
    gradients = torch.autograd.grad((coefficients * outputs).sum(), [inputs, *leaves.values()])
    goldens.put(f"{name}.input_gradient", gradients[0])
    for key, gradient in zip(leaves, gradients[1:]):
        goldens.put(f"{name}.gradient.{key}", gradient)
    if name not in WITHOUT_ADAM:
        inputs.requires_grad_(False)
        objective = lambda: (coefficients * forward(layers, parameters, inputs, training=True)).sum()
        adam = torch.optim.Adam(leaves.values(), lr=1e-2)
        take_steps(adam, objective)
        for key, tensor in leaves.items():
            goldens.put(f"{name}.adam.{key}", tensor)


def width_of(layer):
    if layer["layer"] == "transpose":
        return layer["rows"] * layer["columns"]
    return layer["inputs"] if layer["layer"] == "linear" else math.prod(layer["input"])


def take_steps(optimiser, objective, max_norm=None):
    for _ in range(STEPS):
        optimiser.zero_grad()
        objective().backward()
        for group in optimiser.param_groups:
            if max_norm is not None:
                torch.nn.utils.clip_grad_norm_(group["params"], max_norm)
        optimiser.step()


def optimisers(goldens):
    """Steps on given gradients: other decays, and clipping with decoupled weight decay."""
    start, gradients = given(40), given(STEPS, 40)
    goldens.put("optimiser.start", start)
    goldens.put("optimiser.gradients", gradients)
    settings = {
        "decays": (lambda p: torch.optim.Adam([p], lr=1e-2, betas=(0.5, 0.99)), None),
        "clipped": (lambda p: torch.optim.AdamW([p], lr=1e-2, weight_decay=0.3), 2.0),
    }
    for name, (optimiser_of, max_norm) in settings.items():
        parameters = start.clone().requires_grad_()
        steps = iter(gradients)
        take_steps(optimiser_of(parameters), lambda: (next(steps) * parameters).sum(), max_norm)
        goldens.put(f"optimiser.{name}", parameters)


def gru(goldens):
    """States of all steps, and gradients of sum(c * states)."""
    rows, steps, inputs, units = 4, 6, 3, 5
    unit = torch.nn.GRU(inputs, units)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.copy_(given(*parameter.shape, scale=0.6))
    x, coefficients = given(steps, rows, inputs), given(steps, rows, units)
    goldens.put("gru.input", x)
    goldens.put("gru.output_gradient", coefficients)
    x.requires_grad_()
    states, _ = unit(x)
    (coefficients * states).sum().backward()
    goldens.put("gru.states", states)
    goldens.put("gru.input_gradient", x.grad)
    names = {
        "weight_ih_l0": "weight_input",
        "weight_hh_l0": "weight_state",
        "bias_ih_l0": "bias_input",
        "bias_hh_l0": "bias_state",
    }
    for theirs, ours in names.items():
        goldens.put(f"gru.parameters.{ours}", getattr(unit, theirs))
        goldens.put(f"gru.gradient.{ours}", getattr(unit, theirs).grad)


SCALE, LEVELS, SD, CLASSES = 0.3, 11, 0.4, 3


def log_mass_of_bins(location, x):
    """log of the mass of a logistic distribution in the bin of `x`; the outermost bins are unbounded."""
    half = 0.5 / (LEVELS - 1)
    above = torch.where(x + half >= 1, torch.inf, (x + half - location) / SCALE)
    below = torch.where(x - half <= 0, -torch.inf, (x - half - location) / SCALE)
    return torch.log(torch.sigmoid(above) - torch.sigmoid(below))


LIKELIHOODS = {
    "bernoulli": lambda outputs, x: -F.binary_cross_entropy_with_logits(outputs, x, reduction="none").sum(1),
    "categorical": lambda outputs, x: (x * F.log_softmax(outputs, 1)).sum(1),
    "categoricals": lambda outputs, x: (x * F.log_softmax(outputs.unflatten(1, (-1, CLASSES)), 2).flatten(1)).sum(1),
    "gaussian": lambda outputs, x: torch.distributions.Normal(outputs, SD).log_prob(x).sum(1),
    "discretised_logistic": lambda outputs, x: log_mass_of_bins(outputs, x).sum(1),
}


def likelihoods(goldens):
    """log p of each row, and the gradient of -scale * log p by the outputs."""
    goldens.metadata["likelihood"] = json.dumps({"scale": SCALE, "levels": LEVELS, "sd": SD, "classes": CLASSES})
    outputs = given(5, 6, scale=2.0)
    grey = torch.rand(5, 6).to(torch.float32).to(torch.float64)
    # Levels at both ends have unbounded bins.
    levels = (torch.randint(0, LEVELS, (5, 6)) / (LEVELS - 1)).to(torch.float32).to(torch.float64)
    levels[0, 0], levels[0, 1] = 0.0, 1.0
    goldens.put("likelihood.outputs", outputs)
    for name, log_likelihood in LIKELIHOODS.items():
        x = levels if name == "discretised_logistic" else grey
        leaves = outputs.clone().requires_grad_()
        nats = log_likelihood(leaves, x)
        (-0.7 * nats.sum()).backward()
        goldens.put(f"likelihood.{name}.x", x)
        goldens.put(f"likelihood.{name}.nats", nats)
        goldens.put(f"likelihood.{name}.gradient", leaves.grad)


# Draws of `RandomStream::named(3, "golden").child(step).child(0)`, which the model's trainer uses as its noise; the test
# checks that they still are.
VAE_NOISE = [
    [
        -1.9255158, 0.88796806, 1.2366182, 1.9500064, -3.3342497, -1.8464249, -0.106968075, 1.491203,
        -0.37597558, -0.19072674, 1.0872394, -0.2972068, -0.02452787, 0.08456088, -1.3900977, -0.88419336,
        -0.649102, 0.3130391, 2.2324767, -1.7671824, -0.20676948, -0.8761672, -1.0465894, -0.5618833,
    ],
    [
        -0.027522463, -1.1801155, -1.2494315, 0.3462249, 1.1749036, 0.21634886, -1.2268581, -1.7892472,
        -0.29325435, 1.176062, -0.007471696, 1.3924642, 1.9736292, 0.7533703, 0.51097023, 1.2834455,
        -1.2673416, -0.52728754, 1.640515, -0.59734124, -0.3120237, -0.369246, 0.992342, 0.79923403,
    ],
    [
        -0.2952719, 0.29855806, -0.22262332, -0.13622573, 1.0495023, -0.6268507, 0.8733215, 0.18050987,
        0.07386692, 0.28361145, -1.0909847, -1.2911278, -1.4257756, -0.73059475, 0.6619407, -0.5884785,
        -0.28815803, 0.16436072, 0.5135296, 0.885907, -0.41210726, 0.13164137, -0.96243167, -1.1805674,
    ],
]


VAE_ROWS, VAE_DIM, VAE_DRAWS, KL_WEIGHT = 4, 2, 3, 0.7
VAE_ENCODER = [linear(6, 8), SILU, linear(8, 2 * VAE_DIM)]
VAE_DECODER = [linear(VAE_DIM, 8), SILU, linear(8, 6)]


def vae_objective(encoder, decoder, x, noise, draws):
    """The mean over rows, in nats: the evidence lower bound with a weight of the KL for one draw, the importance-weighted
    bound (Burda et al. 2016, equation 8) for several."""
    mean, log_var = forward(VAE_ENCODER, encoder, x, training=True).chunk(2, 1)
    noise = noise[: VAE_ROWS * draws * VAE_DIM].reshape(VAE_ROWS, draws, VAE_DIM)
    z = mean[:, None] + torch.exp(0.5 * log_var)[:, None] * noise
    logits = forward(VAE_DECODER, decoder, z.flatten(0, 1), training=True).unflatten(0, (VAE_ROWS, draws))
    each = x[:, None].expand_as(logits)
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, each, reduction="none").sum(2)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_var))
    prior = torch.distributions.Normal(torch.zeros(VAE_DIM), torch.ones(VAE_DIM))
    if draws == 1:
        kl = torch.distributions.kl_divergence(posterior, prior).sum(1)
        return (log_likelihood[:, 0] - KL_WEIGHT * kl).mean()
    log_q = posterior.log_prob(z.transpose(0, 1)).sum(2).T
    log_weights = log_likelihood + prior.log_prob(z).sum(2) - log_q
    return (torch.logsumexp(log_weights, 1) - math.log(draws)).mean()


def vae(goldens):
    """A few steps of a VAE's training by either bound: objectives, the first gradients, and parameters in the end."""
    goldens.metadata |= {"encoder": json.dumps(VAE_ENCODER), "decoder": json.dumps(VAE_DECODER)}
    start = {"encoder": parameters_of(VAE_ENCODER), "decoder": parameters_of(VAE_DECODER)}
    x = torch.rand(VAE_ROWS, 6).to(torch.float32).to(torch.float64)
    goldens.put("x", x)
    goldens.put("noise", torch.tensor(VAE_NOISE))
    for network, parameters in start.items():
        for key, tensor in parameters.items():
            goldens.put(f"{network}.{key}", tensor)
    for bound, draws in (("elbo", 1), ("importance", VAE_DRAWS)):
        leaves = {
            network: {key: tensor.clone().requires_grad_() for key, tensor in parameters.items()}
            for network, parameters in start.items()
        }
        named = [(f"{network}.{key}", tensor) for network in leaves for key, tensor in leaves[network].items()]
        adam = torch.optim.Adam([tensor for _, tensor in named], lr=1e-2)
        objectives = []
        for step, noise in enumerate(VAE_NOISE):
            adam.zero_grad()
            objective = vae_objective(leaves["encoder"], leaves["decoder"], x, torch.tensor(noise), draws)
            (-objective).backward()
            objectives.append(objective)
            if step == 0:
                for name, tensor in named:
                    goldens.put(f"{bound}.gradient.{name}", tensor.grad)
            adam.step()
        goldens.put(f"{bound}.objectives", torch.stack(objectives))
        for name, tensor in named:
            goldens.put(f"{bound}.trained.{name}", tensor)


def main():
    torch.manual_seed(1)
    goldens = Goldens()
    for name, layers in NETWORKS.items():
        network(goldens, name, layers)
    optimisers(goldens)
    gru(goldens)
    likelihoods(goldens)
    goldens.write(CRATES / "zbridge-nn/tests/goldens/networks.safetensors")
    goldens = Goldens()
    vae(goldens)
    goldens.write(CRATES / "zbridge-models/tests/goldens/vae.safetensors")


if __name__ == "__main__":
    main()
