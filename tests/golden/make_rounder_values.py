#!/usr/bin/env python3
"""Writes rounder_values.json: what GPTQ's kin make of small layers, by numpy in float64, from the
papers' formulas (column by column, without blocks).  Needs numpy; the tests need only what it wrote.

Inputs are generated, here and in test_rounders.c, from one sequence of random numbers: X0 [T, n] of
the original model, X = X0 and noise of the quantized one, channel 5 dead in both, W [rows, n].
G = X'X/T and D = (X0 - X)'X/T are rounded to float32, as is W.  error is
tr((W - Q) G (W - Q)'), follow is what the rounder minimizes, ||W (X + share (X0 - X))' - Q X'||^2 / T
without what does not depend on Q.
"""
import json
from pathlib import Path

import numpy as np

N, ROWS, T, GROUP, DEAD = 40, 6, 96, 16, 5
state = 12345


def uniform():
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
    return (state >> 11) / 2.0 ** 53


def normal(rows, cols):
    return np.array([[sum(uniform() for _ in range(4)) - 2.0 for _ in range(cols)]
                     for _ in range(rows)])


mix = normal(N, N)
scale = np.array([2.0 ** (i * 7 % 5 - 2) for i in range(N)])
x0 = (normal(T, N) + 0.5 * normal(T, N) @ mix / N ** 0.5) * scale
x = x0 + 0.3 * normal(T, N) * scale + 0.1 * np.roll(x0, 1, axis=1)
x0[:, DEAD] = x[:, DEAD] = 0.0
G = (x.T @ x / T).astype(np.float32).astype(np.float64)
D = ((x0 - x).T @ x / T).astype(np.float32).astype(np.float64)
W = normal(ROWS, N).astype(np.float32).astype(np.float64)
BITS = 3
TOP = 2 ** (BITS - 1) - 1


def fit(w, weights=None):
    """Symmetric, float32 scales."""
    best, least = None, np.inf
    top = max(-min(w.min(), 0.0), max(w.max(), 0.0))
    if top == 0.0:
        return 1.0
    for i in range(80 if weights is not None else 1):
        p = 1.0 - i / 100.0
        s = float(np.float32(max(-p * min(w.min(), 0.0), p * max(w.max(), 0.0)) / TOP))
        error = 0.0 if weights is None else (weights * (w - level(w, s)) ** 2).sum()
        if error < least:
            best, least = s, error
    return best


def level(w, s):
    return s * np.clip(np.rint(w / s), -TOP - 1, TOP)


def order_of(kind, diagonal):
    n = len(diagonal)
    if kind == "yes":
        return sorted(range(n), key=lambda i: (-diagonal[i], i))
    if kind == "group":
        whole = n // GROUP
        inside = [sorted(range(k * GROUP, (k + 1) * GROUP), key=lambda i: (-diagonal[i], i))
                  for k in range(whole)]
        groups = sorted(range(whole), key=lambda k: (-diagonal[inside[k][0]], k))
        return [i for k in groups for i in inside[k]] + list(range(whole * GROUP, n))
    return list(range(n))


def upper(h):
    """U with inv(h) = U'U."""
    return np.linalg.cholesky(np.linalg.inv(h)).T


def kin(method, act_order="no", static=False, search=False, damping=None, alpha=0.25):
    h, w = 2.0 * G.copy(), W.copy()
    h[DEAD, DEAD] = 1.0
    w[:, DEAD] = 0.0
    if method == "qronos":
        static, lam = True, (damping or 1e-3) * np.linalg.eigvalsh(2.0 * G)[-1]
    else:
        lam = (damping or 1e-2) * np.diag(h).mean()
    p = np.array(order_of(act_order, np.diag(h)))
    hp, dp, wp = h[np.ix_(p, p)], 2.0 * D[np.ix_(p, p)], w[:, p]
    U = upper(hp + lam * np.eye(N))
    weights = np.zeros(N)
    weights[p] = 1.0 / np.diag(U) ** 2
    # which group a column is in, and the columns of a group
    group = np.array([c // GROUP for c in range(N)])
    if act_order == "yes" and not static:
        group[p] = np.arange(N) // GROUP
    scales = np.zeros((ROWS, (N + GROUP - 1) // GROUP))
    for r in range(ROWS):
        for k in range(scales.shape[1]) if static else ():
            own = group == k
            scales[r, k] = fit(w[r, own], weights[own] if search else None)
    P = np.zeros((N, N))
    if method == "gptaq":
        P = alpha * np.triu(dp @ U.T, 1) @ U
    q = np.zeros((ROWS, N))
    v = wp.copy()
    for i in range(N):
        k = group[p[i]]
        if not static and i % GROUP == 0:
            own = np.arange(i, min(i + GROUP, N))
            for r in range(ROWS):
                scales[r, k] = fit(v[r, own], weights[p[own]] if search else None)
        s = scales[:, k]
        if method == "qronos" and i == 0:
            first = (wp @ (hp + dp)[:, 0] - wp[:, 1:] @ hp[0, 1:]) / hp[0, 0]
            q[:, 0] = [level(first[r], s[r]) for r in range(ROWS)]
            K = np.linalg.inv((hp + lam * np.eye(N))[1:, 1:])
            v[:, 1:] = (wp @ (hp + dp + lam * np.eye(N))[:, 1:] - np.outer(q[:, 0], hp[0, 1:])) @ K
            U[1:, 1:] = np.linalg.cholesky(K).T
            continue
        q[:, i] = [level(v[r, i], s[r]) for r in range(ROWS)]
        e = (v[:, i] - q[:, i]) / U[i, i]
        kept = v[:, i].copy()
        v[:, i + 1:] += -np.outer(e, U[i, i + 1:]) + np.outer(kept, P[i, i + 1:])
    out, per = np.zeros((ROWS, N)), np.zeros((ROWS, N))
    out[:, p] = q
    for c in range(N):
        per[:, c] = scales[:, group[c]]
    return out, per


def rtn(search=False):
    out, per = np.zeros((ROWS, N)), np.zeros((ROWS, N))
    for r in range(ROWS):
        for c in range(0, N, GROUP):
            w = W[r, c:c + GROUP]
            per[r, c:c + GROUP] = fit(w, np.diag(G)[c:c + GROUP] if search else None)
            out[r, c:c + GROUP] = level(w, per[r, c])
    return out, per


def follow(q, share):
    """tr of (W - Q) G (W - Q)' + 2 share W D (W - Q)'."""
    return np.trace((W - q) @ G @ (W - q).T) + 2.0 * share * np.trace(W @ D @ (W - q).T)


def refine(q, per, sweeps, share):
    q = q.copy()
    for r in range(ROWS):
        for _ in range(sweeps):
            moved = False
            for i in range(N):
                left = (W[r] - q[r]) @ G[:, i] + share * W[r] @ D[:, i]
                if G[i, i] > 0.0:
                    to = level(q[r, i] + left / G[i, i], per[r, i])
                    d = to - q[r, i]
                    if d * d * G[i, i] - 2.0 * d * left < -1e-12 * d * d * G[i, i]:
                        q[r, i], moved = to, True
            if not moved:
                break
    return q


CASES = [("gptq", dict(act_order="group"), 0), ("gptq", dict(search=True), 0),
         ("gptq", dict(act_order="yes", search=True), 3), ("gptq", dict(static=True), 2),
         ("rtn", dict(search=True), 0), ("rtn", dict(), 4),
         ("gptaq", dict(), 0), ("gptaq", dict(alpha=1.0), 0),
         ("gptaq", dict(alpha=1.0, act_order="yes"), 0),
         ("gptaq", dict(alpha=1.0, act_order="group", static=True), 3),
         ("qronos", dict(), 0), ("qronos", dict(damping=1e-6), 0),
         ("qronos", dict(act_order="yes"), 0),
         ("qronos", dict(act_order="group", search=True), 4)]
rows = []
for method, options, sweeps in CASES:
    q, per = rtn(**options) if method == "rtn" else kin(method, **options)
    share = {"gptaq": options.get("alpha", 0.25), "qronos": 1.0}.get(method, 0.0)
    q = refine(q, per, sweeps, share) if sweeps else q
    words = [f"bits={BITS}", f"group_size={GROUP}", "scale_dtype=f32"]
    words += [f"{'static_groups' if k == 'static' else k}={'yes' if v is True else v}"
              for k, v in options.items() if k != "search"]
    words += ["scales=search"] if options.get("search") else []
    words += [f"refine={sweeps}"] if sweeps else []
    rows.append({"method": method, "words": " ".join(words),
                 "error": float(np.trace((W - q) @ G @ (W - q).T)), "share": share,
                 "follow": float(follow(q, share)),
                 "codes": [int(c) for c in np.rint(q / per).ravel()]})
text = json.dumps({"cases": rows}, indent=1)
Path(__file__).resolve().with_name("rounder_values.json").write_text(
    __import__("re").sub(r"\n {4}(-?\d)", r" \1", text) + "\n")
