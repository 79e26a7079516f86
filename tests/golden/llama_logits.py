#!/usr/bin/env python3
"""llama_logits.py MODEL.gguf IDS.npy OUT.npy -- the logits of llama.cpp for the token ids.

By the C interface in the library of PyPI's xllamacpp (llama.h): its structures of parameters are
taken as they are given, so that only the fields of a batch are written here."""
import ctypes as c
import sys
from pathlib import Path

import numpy as np
import xllamacpp

lib = c.CDLL(str(next(Path(xllamacpp.__file__).parent.glob("*.so"))))


class Parameters(c.Structure):
    _fields_ = [("bytes", c.c_ubyte * 1024)]  # at least as many as the structure has


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.c_void_p),
                ("pos", c.POINTER(c.c_int32)), ("n_seq_id", c.POINTER(c.c_int32)),
                ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]


def function(name, result, *arguments):
    found = getattr(lib, name)
    found.restype, found.argtypes = result, arguments
    return found


Log = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
silent = Log(lambda level, text, data: None)
function("llama_log_set", None, Log, c.c_void_p)(silent, None)
function("llama_backend_init", None)()
model = function("llama_model_load_from_file", c.c_void_p, c.c_char_p, Parameters)(
    sys.argv[1].encode(), function("llama_model_default_params", Parameters)())
assert model, "llama.cpp does not load " + sys.argv[1]
vocab = function("llama_model_get_vocab", c.c_void_p, c.c_void_p)(model)
width = function("llama_vocab_n_tokens", c.c_int32, c.c_void_p)(vocab)
context = function("llama_init_from_model", c.c_void_p, c.c_void_p, Parameters)(
    model, function("llama_context_default_params", Parameters)())
assert context
ids = np.load(sys.argv[2])
batch = function("llama_batch_init", Batch, c.c_int32, c.c_int32, c.c_int32)(len(ids), 0, 1)
batch.n_tokens = len(ids)
for i, token in enumerate(ids):
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
    batch.seq_id[i][0] = 0
assert function("llama_decode", c.c_int32, c.c_void_p, Batch)(context, batch) == 0
row = function("llama_get_logits_ith", c.POINTER(c.c_float), c.c_void_p, c.c_int32)
np.save(sys.argv[3], np.stack([np.ctypeslib.as_array(row(context, i), (width,)).copy()
                               for i in range(len(ids))]))
