#!/usr/bin/env python3
"""Train the demo's tokenizer and model, and save them before any outlier is planted.

    train.py [--out DIR] [--raw FILE]

Writes tokenizer.json, tokenizer_config.json, config.json and generation_config.json to DIR
(default: beside this file) and the trained float32 weights to FILE
(default: demo-raw.pt in the current folder). plant.py makes model.safetensors and truth.json
from FILE. Needs PyPI's torch, transformers, tokenizers; everything is seeded.
"""
import argparse
import json
import math
import os
import pathlib
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

import make_text

SEED = 7
VOCAB = 640
TRAINING_CHARS = 6_000_000
STORIES_PER_SHELF = 8          # <|end|> stands between shelves of stories
BATCH_TOKENS = 4096
STEPS = 1500
LONG_STEPS = 300               # the last steps see windows of 512 tokens, the others 256
PEAK_LR, WARMUP, WEIGHT_DECAY = 4e-3, 60, 0.1
END = "<|end|>"

CONFIG = dict(
    vocab_size=VOCAB, hidden_size=144, intermediate_size=400, num_hidden_layers=4,
    num_attention_heads=6, num_key_value_heads=2, head_dim=24, max_position_embeddings=512,
    rope_theta=10000.0, rms_norm_eps=1e-5, tie_word_embeddings=False, hidden_act="silu",
    attention_bias=False, mlp_bias=False, initializer_range=0.05,
    bos_token_id=None, eos_token_id=0, pad_token_id=None,
)


def training_documents():
    """The training text as shelves of stories; never written to disk."""
    tales = make_text.stories(make_text.TRAINING_SEED, TRAINING_CHARS)
    return ["\n".join(tales[i:i + STORIES_PER_SHELF])
            for i in range(0, len(tales), STORIES_PER_SHELF)]


def train_tokenizer(documents):
    """Byte-level BPE with GPT-2's split pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(documents[:200], trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    assert tokenizer.get_vocab_size() == VOCAB
    return tokenizer


def encode_training(tokenizer, documents):
    """All shelves as one stream of ids, each shelf followed by <|end|>."""
    end = tokenizer.token_to_id(END)
    stream = []
    for document in documents:
        stream += tokenizer.encode(document).ids + [end]
    return np.array(stream, dtype=np.int64)


def windows(ids, length):
    """Non-overlapping windows; what does not fill one is left out."""
    count = len(ids) // length
    return np.asarray(ids[:count * length]).reshape(count, length)


def bigram_perplexity(train, rows):
    """A bigram model interpolated with unigram and uniform (Witten-Bell), on the same targets."""
    unigram = np.bincount(train, minlength=VOCAB).astype(np.float64)
    unigram = (unigram + 1) / (unigram.sum() + VOCAB)
    pairs = np.zeros((VOCAB, VOCAB))
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    kinds = (pairs > 0).sum(1, keepdims=True) + 1e-9
    table = (pairs + kinds * unigram) / (pairs.sum(1, keepdims=True) + kinds)
    return math.exp(-np.log(table[rows[:, :-1], rows[:, 1:]]).mean())


@torch.no_grad()
def perplexity(model, rows):
    """exp of the mean negative log-likelihood; the first token of a window is not scored."""
    total = 0.0
    for row in torch.as_tensor(rows).split(4):
        logits = model(row).logits[:, :-1].double()
        total += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), row[:, 1:].flatten(), reduction="sum").item()
    return math.exp(total / (rows.shape[0] * (rows.shape[1] - 1)))


def train_model(stream, held_out):
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, attn_implementation="sdpa"))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": gains, "weight_decay": 0}],
        lr=PEAK_LR, betas=(0.9, 0.95))
    started = time.time()
    for step in range(STEPS):
        lr = PEAK_LR * min(1, (step + 1) / WARMUP)
        lr *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        for group in optimizer.param_groups:
            group["lr"] = lr
        length = 512 if step >= STEPS - LONG_STEPS else 256
        starts = rng.integers(0, len(stream) - length, BATCH_TOKENS // length)
        batch = torch.as_tensor(np.stack([stream[s:s + length] for s in starts]))
        logits = model(batch).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}: training loss {loss.item():.4f}, held-out perplexity "
                  f"{perplexity(model, held_out[:8]):.3f}, {time.time() - started:.0f} s",
                  flush=True)
    return model


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=here)
    parser.add_argument("--raw", type=pathlib.Path, default=pathlib.Path("demo-raw.pt"))
    args = parser.parse_args()
    torch.set_num_threads(2)

    documents = training_documents()
    tokenizer = train_tokenizer(documents)
    tokenizer.save(str(args.out / "tokenizer.json"))
    write_json(args.out / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END,
        "model_max_length": CONFIG["max_position_embeddings"],
        "clean_up_tokenization_spaces": False})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "torch_dtype": "float16", **CONFIG}
    write_json(args.out / "config.json", config)
    write_json(args.out / "generation_config.json", {"eos_token_id": 0, "do_sample": False})

    stream = encode_training(tokenizer, documents)
    ids = tokenizer.encode((here / "evaluation.txt").read_text(encoding="utf-8")).ids
    held_out = windows(ids, 512)
    print(f"{len(stream)} training tokens, {len(ids)} for evaluation, bigram perplexity "
          f"{bigram_perplexity(stream, held_out):.3f}", flush=True)
    model = train_model(stream, held_out)
    print(f"held-out perplexity {perplexity(model, held_out):.4f}")
    torch.save({"weights": model.state_dict()}, args.raw)


if __name__ == "__main__":
    main()
