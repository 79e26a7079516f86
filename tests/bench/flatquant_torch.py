"""FlatQuant's recipe (arXiv 2410.09426) in PyTorch, to lay beside `method flatquant scope=block`.

    python tests/bench/flatquant_torch.py FOLDER CALIBRATION.txt REPORT.txt [--windows 48]
        [--length 512] [--epochs 15] [--batch 4] [--report 10] [--kv] [--blocks I,I,...] [--threads 2]

FOLDER: a Llama checkpoint as Hugging Face has them (`export format=hf` of Planish makes one from a
GGUF).  W4A4: weights by rows, activations by tokens, both symmetric; --kv: the cache at 4 bits with a
zero point, by heads.  What it prints, as JSON lines: for each block the loss before and after, over
what the block adds, and the seconds of a step; at the end the perplexity behind it, weights rounded
to nearest.  --blocks: only these are learned, without a perplexity; a block's loss is the same, as each
learns on the full-precision model's inputs.

The recipe: block after block on the full-precision model's inputs, mean squared error over its own
value, AdamW (PyTorch's weight decay of 0.01) with 5e-3 for matrices and diagonals, ten times that for
clipping, a cosine down to 5e-6, windows in their order; matrices U diag(d) V^T with random orthogonal
U and V, kept so by Cayley's transform; the diagonal starts as SmoothQuant's with alpha 0.3.

Needs PyPI's torch, transformers, safetensors.
"""
import argparse
import json
import math
import time

import torch
import transformers
from safetensors.torch import load_file
from torch import nn

BITS = 4


def rounded(x):
    return (x.round() - x).detach() + x


def symmetric(x, most):
    scale = most / (2 ** (BITS - 1) - 1)
    scale = torch.where(scale == 0, 1.0, scale)
    return scale * rounded(x / scale).clamp(-(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1)


def asymmetric(x, low, high):
    scale = (high - low) / (2**BITS - 1)
    scale = torch.where(scale == 0, 1.0, scale)
    zero = torch.round(-low / scale)
    return scale * ((rounded(x / scale) + zero).clamp(0, 2**BITS - 1) - zero)


class Matrix(nn.Module):
    """U diag(d) V^T and its inverse's transpose."""

    def __init__(self, n):
        super().__init__()
        for name in "uv":
            linear = nn.Linear(n, n, bias=False)
            linear.weight.data = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0].float()
            setattr(self, name, nn.utils.parametrizations.orthogonal(
                linear, orthogonal_map="cayley", use_trivialization=False))
        self.d = nn.Parameter(torch.ones(n))

    def forward(self):
        u, v = self.u.weight, self.v.weight
        return u * self.d @ v.T, u / self.d @ v.T


def split(n):
    a = int(math.sqrt(n))
    while n % a:
        a -= 1
    return a, n // a


def kron(x, a, b):
    shape = x.shape
    return (a.T @ x.reshape(-1, a.shape[0], b.shape[0]) @ b).reshape(shape)


class Clip(nn.Module):
    def __init__(self, rows=None):
        super().__init__()
        shape = (rows, 1) if rows else (1,)
        self.low, self.high = nn.Parameter(torch.full(shape, 4.0)), nn.Parameter(torch.full(shape, 4.0))

    def range(self, x):
        low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
        return low * self.low.sigmoid(), high * self.high.sigmoid()

    def weight(self, w):
        low, high = self.range(w)
        return torch.minimum(torch.maximum(w, low), high)

    def tokens(self, x):
        low, high = self.range(x)
        return symmetric(x, torch.maximum(low.clamp(max=0).abs(), high.clamp(min=0)))

    def cache(self, x):
        low, high = self.range(x)
        return asymmetric(x, low.clamp(max=0), high.clamp(min=0))


def rows_rounded(w):
    return symmetric(w, w.abs().amax(1, keepdim=True).clamp(min=1e-5))


class Block(nn.Module):
    def __init__(self, weights, config, kv):
        super().__init__()
        self.w, self.kv, self.eps = weights, kv, config.rms_norm_eps
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.dim = config.hidden_size // self.heads
        hidden, inner = config.hidden_size, config.intermediate_size
        self.two = nn.ModuleDict({site: nn.ModuleList(Matrix(n) for n in split(size)) for site, size in
                                  (("qkv", hidden), ("mlp", hidden), ("down", inner))})
        self.scale = nn.ParameterDict({s: nn.Parameter(torch.ones(inner if s == "down" else hidden))
                                       for s in ("qkv", "mlp", "down")})
        self.across, self.value = Matrix(self.heads), Matrix(self.dim)
        self.key = Matrix(self.dim) if kv else None
        self.clip_w = nn.ModuleDict({n: Clip(weights[n].shape[0]) for n in weights if "norm" not in n})
        self.clip_x = nn.ModuleDict({n: Clip() for n in weights if "norm" not in n})
        self.clip_k, self.clip_v = (Clip(), Clip()) if kv else (None, None)

    def start_scales(self, most, alpha=0.3):
        for site, names in (("qkv", "qkv"), ("mlp", ("gate", "up")), ("down", ("down",))):
            w = torch.cat([self.w[n] for n in names]).abs().amax(0).clamp(min=1e-5)
            self.scale[site].data = w ** (1 - alpha) / most[site].clamp(min=1e-5) ** alpha

    def norm(self, x, gain):
        return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def split_heads(self, x, n):
        return x.view(x.shape[0], x.shape[1], n, self.dim).transpose(1, 2)

    def attention(self, q, k, v, angle, see):
        c, s = angle.cos(), angle.sin()
        turn = lambda x: x * c + torch.cat([-x[..., self.dim // 2:], x[..., :self.dim // 2]], -1) * s
        q, k, v = (self.split_heads(x, n) for x, n in ((q, self.heads), (k, self.kv_heads), (v, self.kv_heads)))
        q, k, v = see(turn(q), turn(k), v)
        k, v = (x.repeat_interleave(self.heads // self.kv_heads, 1) for x in (k, v))
        mask = torch.full((q.shape[2], q.shape[2]), -math.inf).triu(1)
        p = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(self.dim) + mask, -1)
        return (p @ v).transpose(1, 2).flatten(2)

    def full(self, x, angle, most=None):
        """In full precision; most: maxima of the sites' inputs, to be widened."""
        def seen(site, x):
            if most is not None:
                most[site] = torch.maximum(most.get(site, torch.zeros(x.shape[-1])), x.abs().flatten(0, -2).amax(0))
            return x
        w = self.w
        n = seen("qkv", self.norm(x, w["input_norm"]))
        a = self.attention(n @ w["q"].T, n @ w["k"].T, n @ w["v"].T, angle, lambda *qkv: qkv)
        x = x + a @ w["o"].T
        n = seen("mlp", self.norm(x, w["post_norm"]))
        a = seen("down", nn.functional.silu(n @ w["gate"].T) * (n @ w["up"].T))
        return x + a @ w["down"].T

    def prepare(self):
        """Matrices and rounded weights: the same for all windows."""
        m = {s: tuple(f() for f in self.two[s]) for s in self.two}
        across, value = self.across(), self.value()
        site_of = {"q": "qkv", "k": "qkv", "v": "qkv", "gate": "mlp", "up": "mlp", "down": "down"}
        w = {}
        for name, site in site_of.items():
            (_, a), (_, b) = m[site]
            t = self.clip_w[name].weight(kron(self.w[name] / self.scale[site], a, b))
            if name == "v":
                t = (value[0].T @ t.view(self.kv_heads, self.dim, -1)).reshape(t.shape)
            w[name] = rows_rounded(t)
        w["o"] = rows_rounded(self.clip_w["o"].weight(kron(self.w["o"], across[1], value[1])))
        return m, w, across[0], self.key() if self.kv else None

    def forward(self, x, angle, prepared=None):
        m, w, across, key = prepared or self.prepare()
        on = lambda site, x: kron(x * self.scale[site], m[site][0][0], m[site][1][0])
        put = lambda name, x: self.clip_x[name].tokens(x) @ w[name].T

        def cache(q, k, v):
            if not self.kv:
                return q, k, v
            return q @ key[1], self.clip_k.cache(k @ key[0]), self.clip_v.cache(v)

        n = on("qkv", self.norm(x, self.w["input_norm"]))
        a = self.attention(put("q", n), put("k", n), put("v", n), angle, cache)
        a = (across.T @ a.view(*a.shape[:2], self.heads, self.dim)).flatten(2)
        x = x + put("o", a)
        n = on("mlp", self.norm(x, self.w["post_norm"]))
        a = on("down", nn.functional.silu(put("gate", n)) * put("up", n))
        return x + put("down", a)

    def groups(self, rate):
        clip = [p for n, p in self.named_parameters() if n.startswith("clip")]
        rest = [p for n, p in self.named_parameters() if not n.startswith("clip")]
        return [{"params": rest, "lr": rate}, {"params": clip, "lr": 10 * rate}]


NAMES = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
         "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
         "input_norm": "input_layernorm", "post_norm": "post_attention_layernorm"}


def say(**values):
    print(json.dumps(values), flush=True)


def learn(block, x, y, angle, a):
    optimizer = torch.optim.AdamW(block.groups(5e-3))
    steps = a.epochs * (a.windows // a.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=5e-6)
    start = time.process_time()
    for _ in range(a.epochs):
        for at in range(0, a.windows // a.batch * a.batch, a.batch):
            loss = nn.functional.mse_loss(block(x[at:at + a.batch], angle), y[at:at + a.batch])
            optimizer.zero_grad()
            (loss / loss.detach()).backward()
            optimizer.step()
            schedule.step()
    return (time.process_time() - start) / steps


@torch.no_grad()
def lost(block, x, y, angle):
    p = block.prepare()
    return (sum((block(x[i:i + 1], angle, p) - y[i:i + 1]).pow(2).sum() for i in range(len(x))) /
            (y - x).pow(2).sum()).item()


def main():
    parser = argparse.ArgumentParser()
    for name in ("folder", "calibration", "report_text"):
        parser.add_argument(name)
    for name, value in (("windows", 48), ("length", 512), ("epochs", 15), ("batch", 4), ("report", 10),
                        ("threads", 2)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--blocks", type=lambda text: {int(i) for i in text.split(",")})
    parser.add_argument("--kv", action="store_true")
    a = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    config = transformers.AutoConfig.from_pretrained(a.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(a.folder)
    from glob import glob
    tensors = {}
    for file in glob(a.folder + "/*.safetensors"):
        tensors.update({n: t.float() for n, t in load_file(file).items()})

    def windows(file, count):
        ids = tokenizer(open(file, encoding="utf-8").read())["input_ids"]
        return torch.tensor(ids[:count * a.length]).view(count, a.length)

    embed = tensors["model.embed_tokens.weight"]
    head = tensors.get("lm_head.weight", embed)
    ids = windows(a.report_text, a.report)
    x, z, q = embed[windows(a.calibration, a.windows)], embed[ids], embed[ids]
    dim = config.hidden_size // config.num_attention_heads
    angle = torch.outer(torch.arange(a.length).float(),
                        1 / config.rope_theta ** (torch.arange(0, dim, 2).float() / dim))
    angle = torch.cat([angle, angle], -1)
    for i in range(config.num_hidden_layers):
        prefix = f"model.layers.{i}."
        block = Block({n: tensors[f"{prefix}{full}.weight"] for n, full in NAMES.items()}, config, a.kv)
        most = {}
        with torch.no_grad():
            y = torch.cat([block.full(x[j:j + 1], angle, most) for j in range(len(x))])
        if a.blocks is None or i in a.blocks:
            block.start_scales(most)
            before = lost(block, x, y, angle)
            seconds = learn(block, x, y, angle, a)
            say(block=i, before=before, after=lost(block, x, y, angle), seconds_a_step=round(seconds, 4))
        x = y
        if a.blocks is not None:
            continue
        with torch.no_grad():
            p = block.prepare()
            q = torch.cat([block(q[j:j + 1], angle, p) for j in range(len(q))])
            z = torch.cat([block.full(z[j:j + 1], angle) for j in range(len(z))])
    if a.blocks is not None:
        return

    def perplexity(h):
        total = 0.0
        for j in range(len(h)):
            n = h[j] * torch.rsqrt(h[j].pow(2).mean(-1, keepdim=True) + config.rms_norm_eps)
            logits = (n * tensors["model.norm.weight"]) @ head.T
            total += nn.functional.cross_entropy(logits[:-1].double(), ids[j, 1:], reduction="sum").item()
        return math.exp(total / (len(h) * (a.length - 1)))

    with torch.no_grad():
        say(original=perplexity(z), perplexity=perplexity(q))


if __name__ == "__main__":
    main()
