"""Two models in PyTorch, a bridge by zbridge, and back: run from the root of the repository after `cargo build --release`."""
import subprocess, tempfile, torch
from pathlib import Path
from safetensors.torch import load_file, save_file

zbridge, folder = "target/release/zbridge", Path(tempfile.mkdtemp())
torch.manual_seed(1)

# In place of your models: an encoder of x that gives means and log-variances, one of y that gives points, and a decoder.
encoder_x = torch.nn.Sequential(torch.nn.Linear(50, 64), torch.nn.Tanh(), torch.nn.Linear(64, 2 * 8))
encoder_y = torch.nn.Sequential(torch.nn.Linear(30, 64), torch.nn.Tanh(), torch.nn.Linear(64, 4 * 3))
decoder_y = torch.nn.Linear(4 * 3, 30)
cause = torch.randn(1500, 4)  # what both modalities show
x, y = (torch.tanh(cause @ torch.randn(4, width)) for width in (50, 30))

with torch.no_grad():
    mean, log_var = encoder_x(x).chunk(2, dim=1)
    z_y = encoder_y(y).unflatten(1, (4, 3))  # latents may have any number of axes
for name, rows in [("fit", slice(0, 1000)), ("test", slice(1000, None))]:
    ids = torch.arange(1500)[rows]
    save_file({"mean": mean[rows].clone(), "log_var": log_var[rows] - 3, "ids": ids}, folder / f"x-{name}.safetensors")
    save_file({"z": z_y[rows].clone(), "ids": ids}, folder / f"y-{name}.safetensors")

def run(*words):
    subprocess.run([zbridge, *map(str, words)], check=True)

run("doctor", "--x", folder / "x-fit.safetensors", "--y", folder / "y-fit.safetensors")
run("fit", "--x", folder / "x-fit.safetensors", "--y", folder / "y-fit.safetensors", "--budget", "10s", "--out", folder / "my.bridge")
run("generate", "--bridge", folder / "my.bridge", "--from-latents", folder / "x-test.safetensors", "--to", "y",
    "--latents", "--count", 16, "--out", folder / "made.safetensors")
made = load_file(folder / "made.safetensors")["samples"]  # [500, 16, 4, 3]: the shape of z_y again
with torch.no_grad():
    outputs = decoder_y(made.flatten(2))  # what your decoder makes of them, [500, 16, 30]
error = (made.mean(1) - z_y[1000:]).pow(2).mean().sqrt() / z_y.std()
print(f"latents {tuple(made.shape)}, outputs {tuple(outputs.shape)}, error {error:.2f} of the spread")
