"""planish.py on the matrices that the program has solved: library.py FOLDER.  Prints `same` where
every result is the program's, to the bit."""
import sys

import numpy as np

import planish

folder = sys.argv[1]


def load(name):
    return np.load(f"{folder}/{name}.npy")


def same(name, values):
    want = load(name)
    if not np.array_equal(want, values):
        sys.exit(f"{name}: off by {np.abs(want - values).max()} from the program's")


W, X = load("W"), load("X")
site = planish.Site(X)
flat, report = planish.astro(W, site, beta=3e-4)
same("preconditioned", flat)
q = planish.gptq(flat, site, bits=3)
same("after", q.dequantize())
assert 0 <= report["gap"] < 1e-3 and q.codes.dtype == np.int16

# Nothing is copied: rows of a larger array are used where they are, results go where they should.
wide = np.full((W.shape[0], W.shape[1] + 8), np.nan, np.float32)
wide[:, :W.shape[1]] = W
out = np.empty_like(W)
got, _ = planish.precondition("astro", wide[:, :W.shape[1]], site, out=out, beta=3e-4)
assert got is out
same("preconditioned", out)
assert not q.codes.flags.owndata and not q.codes.flags.writeable
codes, total = q.codes, int(q.codes.sum())
del q
assert int(codes.sum()) == total

# What stands behind a rounder: sweeps of descent lower the error, down to no less than the bound.
rough, fine = (planish.rtn(W, site, bits=3, refine=sweeps, certify="yes") for sweeps in (0, 3))
lost = [planish.relative_error(site, W, q.dequantize()) for q in (rough, fine)]
assert lost[1] < 0.9 * lost[0], lost
assert 0 < fine.report["least_rounded_error"] <= lost[1]

# In the coordinates of a transform, and back.
T = planish.hadamard(site)
turned = T.site(site)
q = planish.gptq(planish.astro(T.weights(W), turned, beta=3e-4)[0], turned, bits=3)
same("hadamard", T.weights(q.dequantize(), back=True))
same("smoothquant", (lambda t: t.weights(planish.gptq(t.weights(W), t.site(site), bits=3)
                                         .dequantize(), back=True))
     (planish.smoothquant(site, [W])))
same("magr", planish.magr(W, site, beta=3e-4)[0])
assert np.allclose(T.inputs(X) @ T.weights(W).T, X @ W.T, atol=1e-4)
assert np.allclose(T.inputs(T.inputs(X), back=True), X, atol=1e-4)

# A certificate of weights from anywhere: the solver's own, and W itself, which is no optimum.
told = planish.certificate(site, W, flat, "astro", beta=3e-4)
assert told["gap"] < 1e-3 and abs(told["objective"] - report["objective"]) < 1e-9
assert planish.certificate(site, W, W, "astro", beta=3e-4)["gap"] > 0.01
gram = planish.Site(gram=site.gram, tokens=len(X))
assert np.array_equal(planish.astro(W, gram, beta=3e-4)[0], flat)
assert planish.relative_error(site, W, W) == 0.0


def refused(says, function, *arguments, **parameters):
    try:
        function(*arguments, **parameters)
    except (planish.Error, ValueError) as error:
        assert str(error) == says, error
        return
    sys.exit(f"not refused: {says}")


bad = W.copy()
bad[1, 2] = np.inf
refused("planish: W [1, 2] is not finite", planish.gptq, bad, site)
refused('planish: no method is named "astra"', planish.precondition, "astra", W, site)
refused('planish: "gptq bits=3" does not fill the slot precondition', planish.precondition, "gptq",
        W, site, bits=3)
refused('planish: expected key=value, found "x"', planish.precondition, "astro x", W, site)
refused("planish: the matrix has the shape (2, 3), expected [rows, 144]", T.weights,
        np.zeros((2, 3), np.float32))
refused("planish: X [0, 5] is not finite", T.inputs, np.where(np.arange(144) == 5, np.nan, X[:1]))
refused("planish: gptq needs the site whose inputs the layer sees", planish.gptq, W)
refused("planish: rtn scales=search needs the site whose inputs the layer sees", planish.rtn, W,
        scales="search")
refused("planish: rtn refine=2 needs the site whose inputs the layer sees", planish.rtn, W, refine=2)
refused("planish: awq needs the inputs of the site, not only their Gram matrix", planish.awq, gram,
        [W], round="gptq bits=3")
refused("planish: flatquant is learned in steps, which only the program does", planish.flatquant,
        site)
refused(f"planish: W has the shape {W[:, 1:].shape}, expected [rows, {W.shape[1]}]", planish.astro,
        W[:, 1:], site)
askew = site.gram
askew[1, 2] += 1
refused("planish: the Gram matrix is not symmetric at [1, 2]", planish.Site, gram=askew, tokens=9)
refused("planish: 0 tokens: expected how many rows of X the Gram matrix is of", planish.Site,
        gram=site.gram, tokens=0)
refused("planish: 2000 threads: expected a whole number from 0 to 1024", planish.set_threads, 2000)
print("same")
