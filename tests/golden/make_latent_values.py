"""Writes latent_values.json: what transformers computes on some of the tiny checkpoints of
make_arch_values.py when latent attention's cache is quantized: the latent vector behind its norm and
the turned part of the keys, each in groups of 8 of a token, symmetrically to 4 bits.  Attention is
computed as engines do that keep such a cache (DeepSeek-V2, arXiv 2405.04434, section 2.1.2): kv_b's
rows of keys go into the queries, its rows of values behind the sum over latent vectors.

    python tests/golden/make_latent_values.py > tests/golden/latent_values.json

Needs what make_arch_values.py needs.
"""
import json
import sys

import make_arch_values as arch
import numpy as np
import torch
import transformers
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek

NAMES = ["deepseek_v3", "deepseek_v3_yarn", "deepseek_v3_dense"]
GROUP, LEVELS = 8, 7


def rounded(x):
    groups = x.reshape(*x.shape[:-1], -1, GROUP)
    scale = groups.abs().amax(-1, keepdim=True) / LEVELS
    return (torch.clamp(torch.round(groups / scale), -LEVELS - 1, LEVELS) * scale).reshape(x.shape)


def absorbed(this, x, position_embeddings, attention_mask, **_):
    """DeepseekV3Attention.forward, from a quantized cache of latent vectors."""
    batch, length, _ = x.shape
    plain, turned, values = this.qk_nope_head_dim, this.qk_rope_head_dim, this.v_head_dim
    q = this.q_proj(x) if this.q_lora_rank is None else this.q_b_proj(
        this.q_a_layernorm(this.q_a_proj(x)))
    q = q.view(batch, length, -1, plain + turned).transpose(1, 2)
    latent, k_turned = this.kv_a_proj_with_mqa(x).split([this.kv_lora_rank, turned], -1)
    cos, sin = position_embeddings
    q_turned, k_turned = deepseek.apply_rotary_pos_emb_interleave(
        q[..., plain:], k_turned[:, None], cos, sin)
    latent, k_turned = rounded(this.kv_a_layernorm(latent)), rounded(k_turned[:, 0])
    w = this.kv_b_proj.weight.view(-1, plain + values, this.kv_lora_rank)
    q_latent = torch.einsum("bhtd,hdl->bhtl", q[..., :plain], w[:, :plain])
    scores = torch.einsum("bhtl,bsl->bhts", q_latent, latent)
    scores = scores + torch.einsum("bhtd,bsd->bhts", q_turned, k_turned)
    weights = torch.softmax(scores * this.scaling + attention_mask[..., :length], -1)
    mixed = torch.einsum("bhts,bsl->bhtl", weights, latent)
    out = torch.einsum("bhtl,hvl->bthv", mixed, w[:, plain:])
    return this.o_proj(out.reshape(batch, length, -1)), None


def measure(this):
    model, _ = arch.build(this)
    model = model.float().eval()
    with torch.no_grad():
        buffers = [b for b in model.named_buffers() if b[0].endswith("e_score_correction_bias")]
        for name, p in [*model.named_parameters(), *buffers]:
            p.copy_(torch.from_numpy(arch.weights(name, tuple(p.shape), False)))
    ids = (arch.formula("tokens", arch.LENGTH).astype(np.float64) + 1) / 2 * arch.VOCAB
    ids = torch.from_numpy(ids.astype(np.int64))[None]
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.forward = lambda hidden_states, this=attention, **more: absorbed(
            this, hidden_states, **more)
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[0].double()
    nll = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
    return {"name": this["name"], "perplexity": float(np.exp(nll)),
            "logits_last": arch.rounded(logits[-1][:16].tolist())}


def main():
    cases = {c["name"]: c for c in arch.CASES}
    values = {"made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
              "group_size": GROUP, "cases": [measure(cases[name]) for name in NAMES]}
    json.dump(values, sys.stdout)
    print()


if __name__ == "__main__":
    main()
