#!/usr/bin/env python3
"""make_comparison_values.py W3 W4 -- writes comparison_values.json: two settings of the demo measured
and compared by transformers and numpy, in float64.  W3, W4: the folders of

  method rtn bits=3; solve all; export dir=W3 dtype=f32; method rtn bits=4; solve all; export dir=W4
  dtype=f32

The text is the demo's evaluation.txt, cut into windows of LENGTH tokens whose first is not scored.
The windows are what is drawn independently: a standard error is numpy's std(ddof=1) of their means
over sqrt(WINDOWS)."""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "sessions/demo"
LENGTH, WINDOWS = 64, 8
text = (DEMO / "evaluation.txt").read_text(encoding="utf-8")
ids = PreTrainedTokenizerFast.from_pretrained(DEMO)(text, add_special_tokens=False).input_ids
ids = torch.tensor(ids[:LENGTH * WINDOWS]).view(WINDOWS, LENGTH)


def log_probabilities(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).double().eval()
    with torch.no_grad():
        return model(ids).logits[:, :-1].log_softmax(-1)


def nll(ln):
    return -ln.gather(-1, ids[:, 1:, None]).squeeze(-1).numpy()


def mean_and_error(per_token):
    means = per_token.mean(1)
    return [float(per_token.mean()), float(np.std(means, ddof=1) / np.sqrt(WINDOWS))]


original = log_probabilities(DEMO)
found = {"length": LENGTH, "windows": WINDOWS, "original_perplexity": float(np.exp(nll(original).mean())),
         "rows": []}
first = None
for folder in sys.argv[1:3]:
    ln = log_probabilities(folder)
    of = nll(ln)
    first = of if first is None else first
    kl, kl_error = mean_and_error((original.exp() * (original - ln)).sum(-1).numpy())
    difference, error = mean_and_error(of - first)
    found["rows"].append({
        "perplexity": float(np.exp(of.mean())),
        "perplexity_error": float(np.exp(of.mean()) * np.std(of, ddof=1) / np.sqrt(of.size)),
        "kl_mean": kl, "kl_error": kl_error, "nll_difference": difference,
        "nll_difference_error": error,
        "top1_agreement": float((ln.argmax(-1) == original.argmax(-1)).double().mean())})
(HERE / "comparison_values.json").write_text(json.dumps(found, indent=1) + "\n")
