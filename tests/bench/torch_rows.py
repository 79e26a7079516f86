"""The works of tests/bench in PyTorch (float32, CPU), as their authors or their users write them.

    torch_rows.py [--threads N] WORK ARGUMENTS

Prints the seconds of one run after a short warm-up, or "null" where torch cannot be imported.
Weights and inputs are made: the time of this work does not depend on the values.

  pgd ROWS COLS STEPS        proximal gradient steps with the sort-based projection, groups of 128
  gptq BLOCKS RxC ...        GPTQ's column loop, 3 bits, groups of 128, one factorization a layer
  calibrate ... / forward ...  WINDOWS LENGTH BLOCKS HIDDEN INNER HEADS KV_HEADS VOCABULARY:
                             the forward pass with, for calibrate, X^T X of every site
  flatquant OUT IN ROWS      one step of learning FlatQuant's transform of a linear layer, W4A4
"""
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("null")
    sys.exit(0)

GROUP, BLOCK = 128, 128


def project(v, tau):
    """v - tau * projection of v / tau on the unit L1 ball; v [..., group], tau [..., 1]."""
    a = v.abs() / tau
    u, _ = torch.sort(a, dim=-1, descending=True)
    excess = (torch.cumsum(u, -1) - 1) / torch.arange(1, u.shape[-1] + 1)
    count = (u > excess).sum(-1, keepdim=True).clamp(min=1)
    theta = excess.gather(-1, count - 1).clamp(min=0)
    return v - tau * torch.sign(v) * torch.clamp(a - theta, min=0)


def pgd(rows, cols, steps):
    w0 = 0.05 * torch.randn(rows, cols)
    x = torch.randn(2 * cols, cols)
    gram = x.T @ x
    gram /= torch.linalg.matrix_norm(gram, 2) if cols <= 1024 else 6.0 * cols
    tau = 3e-4 * (0.5 + torch.rand((cols + GROUP - 1) // GROUP, 1))
    whole = cols // GROUP

    def run(count):
        w = w0.clone()
        for _ in range(count):
            v = w - (w - w0) @ gram
            w = v.clone()
            body = v[:, : whole * GROUP].view(rows, whole, GROUP)
            w[:, : whole * GROUP] = project(body, tau[:whole]).view(rows, -1)
            if whole * GROUP < cols:
                w[:, whole * GROUP :] = project(v[:, whole * GROUP :], tau[whole])
        return w

    return timed(lambda: run(2), lambda: run(steps))


def gptq_layer(w, h, bits=3, damping=0.01):
    """`fasterquant` of the authors' code: symmetric, no act_order."""
    rows, cols = w.shape
    w = w.clone()
    dead = torch.diag(h) == 0
    h = h.clone()
    h[dead, dead] = 1
    w[:, dead] = 0
    losses = torch.zeros_like(w)
    out = torch.zeros_like(w)
    diag = torch.arange(cols)
    h[diag, diag] += damping * torch.mean(torch.diag(h))
    h = torch.linalg.cholesky(h)
    h = torch.cholesky_inverse(h)
    hinv = torch.linalg.cholesky(h, upper=True)
    maxq = torch.tensor(2**bits - 1)
    scale = zero = None
    for i1 in range(0, cols, BLOCK):
        i2 = min(i1 + BLOCK, cols)
        count = i2 - i1
        w1 = w[:, i1:i2].clone()
        q1 = torch.zeros_like(w1)
        err1 = torch.zeros_like(w1)
        losses1 = torch.zeros_like(w1)
        hinv1 = hinv[i1:i2, i1:i2]
        for i in range(count):
            col = w1[:, i]
            d = hinv1[i, i]
            if (i1 + i) % GROUP == 0:
                part = w[:, i1 + i : i1 + i + GROUP]
                top = torch.maximum(part.max(1)[0].clamp(min=0), -part.min(1)[0].clamp(max=0))
                top[top == 0] = 1
                scale = (2 * top / maxq).unsqueeze(1)
                zero = torch.full_like(scale, (maxq + 1) / 2)
            q = torch.clamp(torch.round(col.unsqueeze(1) / scale) + zero, 0, maxq)
            q = (scale * (q - zero)).flatten()
            q1[:, i] = q
            losses1[:, i] = (col - q) ** 2 / d**2
            err = (col - q) / d
            w1[:, i:] -= err.unsqueeze(1).matmul(hinv1[i, i:].unsqueeze(0))
            err1[:, i] = err
        out[:, i1:i2] = q1
        losses[:, i1:i2] = losses1 / 2
        w[:, i2:] -= err1.matmul(hinv[i1:i2, i2:])
    return out, torch.sum(losses)


def gptq(blocks, shapes):
    work = []
    for rows, cols in shapes:
        x = torch.randn(2 * cols, cols)
        work.append((0.05 * torch.randn(rows, cols), x.T @ x / (2 * cols)))
    return timed(lambda: gptq_layer(*work[0]),
                 lambda: [gptq_layer(w, h) for _ in range(blocks) for w, h in work])


def forward(calibrate, windows, length, blocks, hidden, inner, heads, kv_heads, vocabulary):
    dim = hidden // heads
    scale = hidden**-0.5
    weight = lambda rows, cols: torch.randn(rows, cols) * scale
    layers = [dict(q=weight(hidden, hidden), k=weight(kv_heads * dim, hidden),
                   v=weight(kv_heads * dim, hidden), o=weight(hidden, hidden),
                   gate=weight(inner, hidden), up=weight(inner, hidden),
                   down=weight(hidden, inner)) for _ in range(blocks)]
    head = weight(vocabulary, hidden)
    grams = [{site: torch.zeros(n, n) for site, n in
              (("qkv", hidden), ("o", hidden), ("gate", hidden), ("down", inner))}
             for _ in range(blocks)]
    ids = torch.randint(vocabulary, (windows, length))
    angles = torch.outer(torch.arange(length).float(), 10000.0 ** -(torch.arange(0, dim, 2) / dim))
    cosine, sine = (torch.cat((t, t), -1) for t in (angles.cos(), angles.sin()))

    def norm(x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)

    def rope(x):
        half = torch.cat((-x[..., dim // 2 :], x[..., : dim // 2]), -1)
        return x * cosine + half * sine

    def see(gram, site, x):
        if calibrate:
            gram[site] += x.T @ x
        return x

    def window(w):
        x = head[ids[w]]
        for layer, gram in zip(layers, grams):
            y = see(gram, "qkv", norm(x))
            split = lambda t, n: t.view(length, n, dim).transpose(0, 1)
            q, k = rope(split(y @ layer["q"].T, heads)), rope(split(y @ layer["k"].T, kv_heads))
            v = split(y @ layer["v"].T, kv_heads)
            k, v = (t.repeat_interleave(heads // kv_heads, 0) for t in (k, v))
            a = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
            x = x + see(gram, "o", a.transpose(0, 1).reshape(length, hidden)) @ layer["o"].T
            y = see(gram, "gate", norm(x))
            z = F.silu(y @ layer["gate"].T) * (y @ layer["up"].T)
            x = x + see(gram, "down", z) @ layer["down"].T
        if not calibrate:
            logits = norm(x) @ head.T
            return F.cross_entropy(logits[:-1], ids[w][1:])
        return x

    return timed(lambda: window(0), lambda: [window(w) for w in range(windows)])


def flatquant(out, width, rows, steps=5):
    """SVD factors by torch's Cayley parametrization, diagonal, clipping, AdamW; targets once."""
    small = max(d for d in range(1, int(width**0.5) + 1) if width % d == 0)
    sizes = (small, width // small)
    x, w = torch.randn(rows, width), 0.05 * torch.randn(out, width)
    target = x @ w.T

    def orthogonal(n):
        module = torch.nn.Linear(n, n, bias=False)
        torch.nn.init.orthogonal_(module.weight)
        return torch.nn.utils.parametrizations.orthogonal(
            module, orthogonal_map="cayley", use_trivialization=False)

    us, vs = [orthogonal(n) for n in sizes], [orthogonal(n) for n in sizes]
    ds = [torch.nn.Parameter(torch.ones(n)) for n in sizes]
    scale = torch.nn.Parameter(torch.ones(width))
    w_clip = [torch.nn.Parameter(torch.full((out, 1), 4.0)) for _ in range(2)]
    x_clip = [torch.nn.Parameter(torch.full((1,), 4.0)) for _ in range(2)]
    slow = [scale, *ds, *(p for m in us + vs for p in m.parameters())]
    optimizer = torch.optim.AdamW([{"params": slow, "lr": 5e-3},
                                   {"params": w_clip + x_clip, "lr": 5e-2}])

    def kron(t, a, b):
        return (a.T @ (t.view(-1, *sizes) @ b)).reshape(t.shape)

    def quantize(t, clip):
        high = t.amax(-1, keepdim=True).clamp(min=0) * torch.sigmoid(clip[0])
        low = t.amin(-1, keepdim=True).clamp(max=0) * torch.sigmoid(clip[1])
        s = torch.maximum(high, -low) / 7
        v = t / s
        return s * torch.clamp(v + (torch.round(v) - v).detach(), -8, 7)

    def step():
        optimizer.zero_grad()
        p = [u.weight @ torch.diag(d) @ v.weight.T for u, d, v in zip(us, ds, vs)]
        q = [u.weight @ torch.diag(1 / d) @ v.weight.T for u, d, v in zip(us, ds, vs)]
        xq = quantize(kron(x * scale, *p), x_clip)
        wq = quantize(kron(w / scale, *q), w_clip)
        loss = (xq @ wq.T - target).square().mean()
        (loss / loss.detach()).backward()
        optimizer.step()

    step()
    step()
    start = time.monotonic()
    for _ in range(steps):
        step()
    return (time.monotonic() - start) / steps


def timed(warm, run):
    with torch.inference_mode():
        warm()
        start = time.monotonic()
        run()
        return time.monotonic() - start


def main(argv):
    if argv[0] == "--threads":
        torch.set_num_threads(int(argv[1]))
        argv = argv[2:]
    torch.manual_seed(1)
    work, rest = argv[0], argv[1:]
    if work == "pgd":
        seconds = pgd(*map(int, rest))
    elif work == "gptq":
        seconds = gptq(int(rest[0]), [tuple(map(int, s.split("x"))) for s in rest[1:]])
    elif work == "flatquant":
        seconds = flatquant(*map(int, rest))
    else:
        seconds = forward(work == "calibrate", *map(int, rest))
    print(f"{seconds:.6f}")


main(sys.argv[1:])
