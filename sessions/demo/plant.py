#!/usr/bin/env python3
"""Plant known outliers in the trained demo model without changing what it computes.

    plant.py [--out DIR] [--raw FILE]

Reads train.py's FILE (default: demo-raw.pt), writes DIR/model.safetensors (float16) and
DIR/truth.json. Every change is a rescaling by a power of two of one channel where it is made
(a norm's gain, a row of v_proj or up_proj) and by its inverse where it is used (the columns of
the layers behind it). Weights are kept either zero or normal in float16, before and after, so
the rescaling is exact: both models give the same numbers.

1. Channels that are outliers by training alone are quieted, so that the truth is complete.
2. Input channels of two sites are made outliers through the gains of their norms.
3. One channel of a down_proj's input is made massive: it fires on one token.
4. All other gains are made mildly uneven, as the gains of large models are. So small a model
   would hardly suffer from 3 bits otherwise; none of these channels becomes an outlier.
"""
import argparse
import json
import pathlib
import platform

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

import make_text
import train

RULE = 6.0                     # an outlier: channel max > 6 x the median channel max
QUIET = 4.0                    # what is not planted stays at or below this
NORMAL = 2.0 ** -14            # the smallest normal float16
CALIBRATION_WINDOWS, EVALUATION_WINDOWS, LENGTH = 8, 20, 512

# (block, kind of site, number of channels, scale): the channels with the largest natural maxima.
THROUGH_NORMS = [(1, "qkv", 3, 8.0), (2, "gate_up", 2, 8.0)]
# Every other channel behind a norm is made uneven: its scale is 2 to a rounded normal exponent.
UNEVEN_SEED, UNEVEN_DEVIATION, UNEVEN_RANGE = 5, 0.75, (-2, 1)
MASSIVE_SCALE = 16.0
MASSIVE_MIN_COUNT = 8          # the token must occur as often in the calibration windows

BLOCKS = train.CONFIG["num_hidden_layers"]
HEADS, KV_HEADS = train.CONFIG["num_attention_heads"], train.CONFIG["num_key_value_heads"]
HEAD_DIM = train.CONFIG["head_dim"]
SITES = {  # kind: (the norm or layer that makes the channel, the layers that read it)
    "qkv": ("input_layernorm", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    "o": ("self_attn.v_proj", ["self_attn.o_proj"]),
    "gate_up": ("post_attention_layernorm", ["mlp.gate_proj", "mlp.up_proj"]),
    "down": ("mlp.up_proj", ["mlp.down_proj"]),
}


def name(block, part):
    return f"model.layers.{block}.{part}"


def rescale(weights, block, kind, channel, scale):
    """Multiply one input channel of a site by `scale` and divide the columns that read it.

    For "o" the channel is a row of v_proj, which all heads of its group share.
    """
    maker, readers = SITES[kind]
    weights[name(block, maker) + ".weight"][channel] *= scale
    columns = [channel]
    if kind == "o":
        group, inside = divmod(channel, HEAD_DIM)
        per = HEADS // KV_HEADS
        columns = [(group * per + i) * HEAD_DIM + inside for i in range(per)]
    for reader in readers:
        weights[name(block, reader) + ".weight"][:, columns] /= scale


def build(weights):
    model = LlamaForCausalLM(LlamaConfig(**train.CONFIG, attn_implementation="sdpa")).eval()
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def site_inputs(model, rows):
    """The inputs of every site over all rows: {(block, kind): [tokens, channels]}."""
    kept = {(b, k): [] for b in range(BLOCKS) for k in SITES}
    hooks = [model.get_submodule(name(b, SITES[k][1][0])).register_forward_hook(
        lambda _, args, __, key=(b, k): kept[key].append(args[0].flatten(0, 1)))
        for b, k in kept]
    for row in torch.as_tensor(rows).split(4):
        model(row)
    for hook in hooks:
        hook.remove()
    return {key: torch.cat(parts) for key, parts in kept.items()}


def ratios(inputs):
    """Channel maxima over their median (the mean of the two middle values of an even count)."""
    maxima = inputs.abs().amax(0).double().numpy()
    return maxima / np.median(maxima)


def quiet(weights, rows):
    """Halve natural outliers until their ratio is at most QUIET; returns how many there were."""
    count = 0
    for (block, kind), x in site_inputs(build(weights), rows).items():
        ratio = ratios(x)
        if kind == "o":        # one entry for each row of v_proj: the largest of its heads
            ratio = ratio.reshape(KV_HEADS, HEADS // KV_HEADS, HEAD_DIM).max(1).ravel()
        for channel in np.flatnonzero(ratio > QUIET):
            rescale(weights, block, kind, channel, 0.5 ** np.ceil(np.log2(ratio[channel] / QUIET)))
            count += 1
    return count


def choose_massive(inputs, ids):
    """The down_proj channel that is most clearly fired by a single token.

    Score: its weakest answer to that token over its strongest answer to any other.
    """
    best = None
    tokens, counts = np.unique(ids, return_counts=True)
    for block in range(BLOCKS):
        x = inputs[block, "down"].abs().numpy()
        strongest = np.stack([x[ids == t].max(0) for t in tokens])
        order = strongest.argsort(0)
        for channel in range(x.shape[1]):
            first, second = order[-1, channel], order[-2, channel]
            if counts[first] < MASSIVE_MIN_COUNT:
                continue
            weakest = x[ids == tokens[first], channel].min()
            score = weakest / strongest[second, channel]
            if best is None or score > best[0]:
                best = (float(score), block, channel, int(tokens[first]))
    return best


def plan_uneven(planted):
    """Scales for the channels behind all norms, without those that are planted."""
    rng = np.random.default_rng(UNEVEN_SEED)
    plan = []
    for block in range(BLOCKS):
        for kind in ("qkv", "gate_up"):
            exponents = rng.normal(0, UNEVEN_DEVIATION, train.CONFIG["hidden_size"])
            exponents = exponents.round().clip(*UNEVEN_RANGE)
            plan += [(block, kind, c, 2.0 ** e) for c, e in enumerate(exponents)
                     if e != 0 and (block, kind, c) not in planted]
    return plan


def flush(weight, limit):
    weight[weight.abs() < limit] = 0


def plan_and_flush(weights, rows):
    """Choose what to plant, and clear the weights that would not survive it exactly."""
    inputs = site_inputs(build(weights), rows)
    plan = []
    for block, kind, count, scale in THROUGH_NORMS:
        largest = (-ratios(inputs[block, kind])).argsort(kind="stable")
        plan += [(block, kind, int(c), scale) for c in sorted(largest[:count])]
    score, block, channel, token = choose_massive(inputs, rows.ravel())
    plan.append((block, "down", channel, MASSIVE_SCALE))
    uneven = plan_uneven({(b, k, c) for b, k, c, _ in plan})
    for weight in weights.values():
        flush(weight, NORMAL)
    for b, kind, c, scale in plan + uneven:
        for reader in SITES[kind][1]:
            flush(weights[name(b, reader) + ".weight"][:, c], NORMAL * scale)
    return plan, uneven, {"token_id": token, "selectivity": round(score, 3)}


def assert_float16(weights):
    for key, weight in weights.items():
        assert torch.equal(weight, weight.half().float()), key
        small = weight.abs()[weight != 0].min().item()
        assert small >= NORMAL and weight.abs().max().item() < 1000, key


def describe(x, channel, ids, tokenizer):
    """What `outliers` must report of one channel."""
    column = x[:, channel]
    at = int(column.abs().argmax())
    return {"channel": int(channel), "max": float(column.abs().max()),
            "rms": float(column.double().square().mean().sqrt()),
            "ratio": float(ratios(x)[channel]), "token_position": at, "token_id": int(ids[at]),
            "token": tokenizer.decode([int(ids[at])])}


def found_outliers(inputs):
    """{layer: its outlier input channels} by the rule, over the whole model."""
    return {name(b, reader): np.flatnonzero(ratios(x) > RULE).tolist()
            for (b, kind), x in inputs.items() for reader in SITES[kind][1]}


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=here)
    parser.add_argument("--raw", type=pathlib.Path, default=pathlib.Path("demo-raw.pt"))
    args = parser.parse_args()
    torch.set_num_threads(2)

    raw = torch.load(args.raw, weights_only=True)
    weights = {k: v.half().float() for k, v in raw["weights"].items()}
    tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json"))
    ids = {key: tokenizer.encode((here / f"{key}.txt").read_text(encoding="utf-8")).ids
           for key in ("calibration", "evaluation")}
    every = {key: train.windows(value, LENGTH) for key, value in ids.items()}
    rows = every["calibration"][:CALIBRATION_WINDOWS]
    scored = every["evaluation"][:EVALUATION_WINDOWS]

    quieted = quiet(weights, np.concatenate([every["calibration"], every["evaluation"]]))
    plan, uneven, massive = plan_and_flush(weights, rows)
    assert_float16(weights)
    before_model = build({k: v.clone() for k, v in weights.items()})
    before = train.perplexity(before_model, scored)
    for block, kind, channel, scale in plan + uneven:
        rescale(weights, block, kind, channel, scale)
    assert_float16(weights)
    model = build(weights)
    after = train.perplexity(model, scored)
    assert abs(after / before - 1) < 1e-6, (before, after)
    stream = train.encode_training(tokenizer, train.training_documents())
    bigram = train.bigram_perplexity(stream, scored)
    assert after < bigram / 2

    planted = {}
    for block, kind, channel, _ in plan:
        for reader in SITES[kind][1]:
            planted.setdefault(name(block, reader), []).append(channel)
    inputs = site_inputs(model, rows)
    for some in (inputs, site_inputs(model, every["calibration"]),
                 site_inputs(model, every["evaluation"])):
        for layer, channels in found_outliers(some).items():
            assert channels == sorted(planted.get(layer, [])), (layer, channels)

    sites = []
    for block, kind in dict.fromkeys((b, k) for b, k, _, _ in plan):
        maker, readers = SITES[kind]
        sites.append({
            "layers": [name(block, r) for r in readers], "scaled_in": name(block, maker),
            "channels": [{**describe(inputs[block, kind], c, rows.ravel(), tokenizer), "scale": s}
                         for b, k, c, s in plan if (b, k) == (block, kind)]})
    block, _, channel, _ = plan[-1]
    column = inputs[block, "down"][:, channel].abs()
    fires = torch.as_tensor(rows.ravel() == massive["token_id"])
    massive = {"layer": name(block, "mlp.down_proj"), "channel": channel,
               "token": tokenizer.decode([massive["token_id"]]), **massive,
               "occurrences": int(fires.sum()),
               "least_on_token": float(column[fires].min()),
               "largest_on_others": float(column[~fires].max()),
               "median_of_the_layers_input": float(inputs[block, "down"].abs().median())}
    others = max(float(np.delete(ratios(x), [c for b, k, c, _ in plan if (b, k) == key]).max())
                 for key, x in inputs.items())
    save_file({k: v.half().contiguous() for k, v in weights.items()},
              args.out / "model.safetensors", metadata={"format": "pt"})
    (args.out / "model.safetensors").chmod(0o644)
    train.write_json(args.out / "truth.json", {
        "rule": "channel max > 6 x median channel max, over the site's input",
        "measured_on": {"text": "calibration.txt", "windows": CALIBRATION_WINDOWS,
                        "length": LENGTH},
        "outlier_channels": found_outliers(inputs),
        "sites": sites,
        "massive_activation": massive,
        "largest_ratio_not_planted": others,
        "natural_outliers_quieted": quieted,
        "perplexity": {
            "text": "evaluation.txt", "protocol": "gptq", "windows": EVALUATION_WINDOWS,
            "length": LENGTH, "model": after, "before_planting": before,
            "bigram": bigram},
        "parameters": sum(v.numel() for v in weights.values()),
        "tokens": {"training": len(stream),
                   **{key: len(value) for key, value in ids.items()}},
        "seeds": {"training_text": make_text.TRAINING_SEED,
                  "calibration_text": make_text.CALIBRATION_SEED,
                  "evaluation_text": make_text.EVALUATION_SEED, "model": train.SEED,
                  "uneven_gains": UNEVEN_SEED},
        "uneven_gains": {"deviation_of_exponent": UNEVEN_DEVIATION, "range": UNEVEN_RANGE},
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "transformers": transformers.__version__},
        "rebuild": ["python3 make_text.py", "python3 train.py", "python3 plant.py"],
    })
    print(json.dumps({"before": before, "after": after, "bigram": bigram,
                      "planted": planted, "massive": massive, "largest other ratio": others,
                      "quieted": quieted}, indent=1))


if __name__ == "__main__":
    main()
