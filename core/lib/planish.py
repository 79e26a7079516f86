"""Planish's solvers on numpy arrays: libplanish by ctypes, one file, no build step.

    import numpy as np, planish
    site = planish.Site(X)                               # X [tokens, n]; or Site(gram=G, tokens=T)
    W2, report = planish.astro(W, site, beta=1e-4)       # W [rows, n]; report["gap"], ["dual"], ...
    q = planish.gptq(W2, site, bits=3)                   # q.codes, q.scales, q.zeros, q.group_of
    What = q.dequantize()
    planish.relative_error(site, W, What)
    planish.certificate(site, W, W3, "astro", beta=1e-4) # how far W3 is from the optimum

    T = planish.hadamard(site)                           # or smoothquant, awq, orthogonal
    W1, site1 = T.weights(W), T.site(site)               # solve in T's coordinates
    W1 = T.weights(W1, back=True)

Every method of `planish -c 'help method'` but flatquant is a function here, its parameters are
keywords.  Arrays of float32 whose rows lie in one piece each are used where they are (torch
tensors of the CPU, too: numpy.asarray shares their memory); others are converted first.  What
fails raises planish.Error with one sentence.

The library is looked for in $PLANISH_LIBRARY, in the checkout's build folder, beside an
installation's prefix, and where the loader finds libplanish.so.0."""

import ctypes
import os
import pathlib
import sys
import warnings

import numpy as np

__all__ = ["Error", "Quantized", "Site", "Transform", "certificate", "kernels", "methods",
           "precondition", "quantize", "relative_error", "set_threads", "transform", "version"]


def _load():
    here = pathlib.Path(__file__).resolve()
    name = "libplanish.so.0"
    places = [os.environ.get("PLANISH_LIBRARY"), here.parents[2] / "build/core/lib" / name]
    for prefix in here.parents[2:5]:
        places += [prefix / name, *prefix.glob(f"lib/{name}"), *prefix.glob(f"lib/*/{name}")]
    for place in places:
        if place and pathlib.Path(place).is_file():
            return ctypes.CDLL(str(place))
    return ctypes.CDLL(name)


_lib = _load()
_MOST_OWN = 8
_pointer, _size, _text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p


class _Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 768)]


class _Report(ctypes.Structure):
    _fields_ = [("objective", ctypes.c_double), ("dual", ctypes.c_double),
                ("gap", ctypes.c_double), ("worst_row_gap", ctypes.c_double),
                ("worst_row", _size), ("iterations", ctypes.c_int), ("n_own", _size),
                ("own_names", _text * _MOST_OWN), ("own", ctypes.c_double * _MOST_OWN)]

    def as_dict(self):
        told = {name: getattr(self, name) for name, _ in self._fields_[:6]}
        told.update((self.own_names[i].decode(), self.own[i]) for i in range(self.n_own))
        return told


class _Quantized(ctypes.Structure):
    _fields_ = [("rows", _size), ("cols", _size), ("groups", _size), ("group_size", _size),
                ("bits", ctypes.c_int), ("symmetric", _text),
                ("codes", ctypes.POINTER(ctypes.c_int16)),
                ("scales", ctypes.POINTER(ctypes.c_float)),
                ("zeros", ctypes.POINTER(ctypes.c_int16)),
                ("group_of", ctypes.POINTER(ctypes.c_uint32))]


def _declare(name, result, *arguments):
    function = getattr(_lib, "planish_" + name)
    function.restype, function.argtypes = result, arguments


_out, _err = ctypes.POINTER(_pointer), ctypes.POINTER(_Error)
_told, _coded = ctypes.POINTER(_Report), ctypes.POINTER(_Quantized)
for _row in [
    ("version", _text), ("kernels", _text), ("better_kernels", _text),
    ("set_threads", ctypes.c_int, ctypes.c_int, _err),
    ("method_name", _text, _size), ("method_slot", _text, _size), ("method_summary", _text, _size),
    ("site_from_inputs", ctypes.c_int, _pointer, _size, _size, _size, _out, _err),
    ("site_from_gram", ctypes.c_int, _pointer, _size, ctypes.c_double, _out, _err),
    ("site_channels", _size, _pointer), ("site_tokens", ctypes.c_double, _pointer),
    ("site_gram", ctypes.POINTER(ctypes.c_float), _pointer), ("site_destroy", None, _pointer),
    ("precondition", ctypes.c_int, _pointer, _text, _pointer, _size, _size, _pointer, _told, _err),
    ("certificate", ctypes.c_int, _pointer, _text, _pointer, _size, _pointer, _size, _size, _told,
     _err),
    ("relative_error", ctypes.c_int, _pointer, _pointer, _size, _pointer, _size, _size,
     ctypes.POINTER(ctypes.c_double), _err),
    ("round", ctypes.c_int, _pointer, _text, _pointer, _size, _size, _size,
     ctypes.POINTER(_coded), _told, _err),
    ("dequantize", None, _coded, _pointer), ("quantized_destroy", None, _coded),
    ("transform_create", ctypes.c_int, _pointer, _text, _text, ctypes.POINTER(_pointer),
     ctypes.POINTER(_size), _size, _out, _err),
    ("transform_inputs", ctypes.c_int, _pointer, _pointer, _size, ctypes.c_int, _err),
    ("transform_weights", ctypes.c_int, _pointer, _pointer, _size, ctypes.c_int, _err),
    ("transform_site", ctypes.c_int, _pointer, _pointer, _out, _err),
    ("transform_destroy", None, _pointer),
]:
    _declare(*_row)


class Error(Exception):
    """What the library says, in one sentence; status: a planish_status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _call(name, *arguments):
    error = _Error()
    status = getattr(_lib, "planish_" + name)(*arguments, ctypes.byref(error))
    if status != 0:
        raise Error(status, error.message.decode())


def _matrix(values, cols=None, what="W"):
    """float32 [rows, cols] whose rows lie in one piece each, values itself where it is that."""
    m = np.asarray(values, dtype=np.float32)
    if m.ndim != 2 or (cols is not None and m.shape[1] != cols):
        raise ValueError(f"planish: {what} has the shape {m.shape}, expected "
                         f"[rows, {cols if cols is not None else 'n'}]")
    good = m.strides[1] == 4 and m.strides[0] % 4 == 0 and m.strides[0] >= 4 * m.shape[1]
    return m if good or m.size == 0 else np.ascontiguousarray(m)


def _stride(m):
    return max(m.strides[0] // 4, m.shape[1]) if m.shape[0] > 1 else m.shape[1]


def _spec(method, parameters):
    def said(value):
        return "yes" if value is True else "no" if value is False else \
            value if isinstance(value, str) else repr(value.item() if hasattr(value, "item")
                                                      else value)
    return " ".join([method] + [f"{k}={said(v)}" for k, v in parameters.items()]).encode()


class Site:
    """What the layers that share one input see: Site(X), X [tokens, n], or
    Site(gram=X.T @ X / tokens, tokens=tokens)."""

    def __init__(self, inputs=None, *, gram=None, tokens=None):
        self._handle = _pointer()
        if (inputs is None) == (gram is None) or (gram is None) != (tokens is None):
            raise ValueError("planish: a Site is made from inputs, or from gram= and tokens=")
        if inputs is not None:
            x = _matrix(inputs, what="X")
            _call("site_from_inputs", x.ctypes.data, *x.shape, _stride(x),
                  ctypes.byref(self._handle))
        else:
            self._kept = np.ascontiguousarray(_matrix(gram, len(gram), "the Gram matrix"))
            _call("site_from_gram", self._kept.ctypes.data, len(self._kept), float(tokens),
                  ctypes.byref(self._handle))

    @classmethod
    def _of(cls, handle):
        site = cls.__new__(cls)
        site._handle = handle
        return site

    def __del__(self, destroy=_lib.planish_site_destroy):
        if getattr(self, "_handle", None):
            destroy(self._handle)

    @property
    def channels(self):
        return _lib.planish_site_channels(self._handle)

    @property
    def tokens(self):
        return _lib.planish_site_tokens(self._handle)

    @property
    def gram(self):
        """[n, n], a copy."""
        n = self.channels
        return np.ctypeslib.as_array(_lib.planish_site_gram(self._handle), (n, n)).copy()


class Quantized:
    """Codes, scales and zero points, arrays of the library's that live with this object."""

    def __init__(self, handle, report):
        self._handle, self.report = handle, report
        q = handle.contents
        self.shape, self.bits, self.group_size = (q.rows, q.cols), q.bits, q.group_size
        self.symmetric = q.symmetric.decode()
        self.codes = self._view(q.codes, (q.rows, q.cols))
        self.scales = self._view(q.scales, (q.rows, q.groups))
        self.zeros = self._view(q.zeros, (q.rows, q.groups))
        self.group_of = self._view(q.group_of, (q.cols,))

    def _view(self, pointer, shape):
        kind = pointer._type_ * int(np.prod(shape))
        memory = kind.from_address(ctypes.addressof(pointer.contents))
        memory.owner = self  # an array, and a view of it, keep what they are of
        view = np.frombuffer(memory, dtype=pointer._type_).reshape(shape)
        view.flags.writeable = False
        return view

    def __del__(self, destroy=_lib.planish_quantized_destroy):
        if getattr(self, "_handle", None):
            destroy(self._handle)

    def dequantize(self, out=None):
        """The weights that the codes stand for, into out (float32, contiguous) if it is given."""
        out = _result(out, self.shape)
        _lib.planish_dequantize(self._handle, out.ctypes.data)
        return out


class Transform:
    """An invertible T on the channels of a site: X T and W T^-T give the same outputs."""

    def __init__(self, handle, channels):
        self._handle, self.channels = handle, channels

    def __del__(self, destroy=_lib.planish_transform_destroy):
        if getattr(self, "_handle", None):
            destroy(self._handle)

    def _turn(self, name, values, back):
        m = np.array(_matrix(values, self.channels, "the matrix"), order="C")
        _call(name, self._handle, m.ctypes.data, m.shape[0], int(back))
        return m

    def inputs(self, x, back=False):
        return self._turn("transform_inputs", x, back)

    def weights(self, w, back=False):
        return self._turn("transform_weights", w, back)

    def site(self, site):
        """The site in T's coordinates."""
        handle = _pointer()
        _call("transform_site", self._handle, site._handle, ctypes.byref(handle))
        return Site._of(handle)


def _result(out, shape):
    if out is None:
        return np.empty(shape, np.float32)
    if out.dtype != np.float32 or out.shape != tuple(shape) or not out.flags.c_contiguous:
        raise ValueError(f"planish: out= is to be contiguous float32 of the shape {tuple(shape)}")
    return out


def precondition(method, w, site, out=None, **parameters):
    """(W', report) of "astro" or "magr"."""
    w = _matrix(w, site.channels)
    out, report = _result(out, w.shape), _Report()
    if np.shares_memory(out, w):
        raise ValueError("planish: out= is not to share memory with W")
    _call("precondition", site._handle, _spec(method, parameters), w.ctypes.data, w.shape[0],
          _stride(w), out.ctypes.data, ctypes.byref(report))
    return out, report.as_dict()


def quantize(method, w, site=None, **parameters):
    """A Quantized, of "gptq" or "rtn"; rtn needs no site."""
    w = _matrix(w, site.channels if site is not None else None)
    handle, report = _coded(), _Report()
    _call("round", site._handle if site is not None else None, _spec(method, parameters),
          w.ctypes.data, *w.shape, _stride(w), ctypes.byref(handle), ctypes.byref(report))
    return Quantized(handle, report.as_dict())


def transform(method, site, weights=(), round=None, **parameters):
    """A Transform, of "smoothquant", "awq", "hadamard" or "orthogonal".  weights: all matrices
    [rows, n] of the site, a list; round: the rounder that AWQ is for, "gptq bits=4"."""
    kept = [np.ascontiguousarray(_matrix(w, site.channels)) for w in weights]
    data = (_pointer * max(len(kept), 1))(*[w.ctypes.data for w in kept])
    rows = (_size * max(len(kept), 1))(*[w.shape[0] for w in kept])
    handle = _pointer()
    _call("transform_create", site._handle, _spec(method, parameters),
          round.encode() if round is not None else None, data, rows, len(kept),
          ctypes.byref(handle))
    return Transform(handle, site.channels)


def certificate(site, w0, w, method="astro", **parameters):
    """A report whose gap says how far w, from anywhere, is from the optimum of method's problem on
    w0 at most: objective of w, and a lower bound (dual) on the least there is."""
    w0, w = _matrix(w0, site.channels, "W0"), _matrix(w, site.channels)
    if w0.shape != w.shape:
        raise ValueError(f"planish: W0 has the shape {w0.shape}, W {w.shape}")
    report = _Report()
    _call("certificate", site._handle, _spec(method, parameters), w0.ctypes.data, _stride(w0),
          w.ctypes.data, _stride(w), w.shape[0], ctypes.byref(report))
    return report.as_dict()


def relative_error(site, w0, w):
    """tr((W - W0) G (W - W0)^T) / tr(W0 G W0^T)."""
    w0, w = _matrix(w0, site.channels, "W0"), _matrix(w, site.channels)
    if w0.shape != w.shape:
        raise ValueError(f"planish: W0 has the shape {w0.shape}, W {w.shape}")
    error = ctypes.c_double()
    _call("relative_error", site._handle, w0.ctypes.data, _stride(w0), w.ctypes.data, _stride(w),
          w.shape[0], ctypes.byref(error))
    return error.value


def set_threads(threads):
    """So many from now on; 0: the usable processors."""
    _call("set_threads", threads)


def kernels():
    """The BLAS kernels in use."""
    return _lib.planish_kernels().decode()


version = _lib.planish_version().decode()

_kinds = {"transform": transform, "precondition": precondition, "round": quantize}


def _methods():
    found, index = {}, 0
    while _lib.planish_method_name(index) is not None:
        name, slot, summary = (getattr(_lib, "planish_method_" + what)(index).decode()
                               for what in ("name", "slot", "summary"))
        found[name] = (slot, summary)
        index += 1
    return found


methods = _methods()  # name: (slot, summary)


def _function(name, slot, summary):
    def function(*arguments, **parameters):
        return _kinds[slot](name, *arguments, **parameters)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}\n\nplanish.{_kinds[slot].__name__}(\"{name}\", ...)"
    return function


for _name, (_slot, _summary) in methods.items():
    setattr(sys.modules[__name__], _name, _function(_name, _slot, _summary))
    __all__.append(_name)

if _lib.planish_better_kernels() is not None and "OPENBLAS_CORETYPE" not in os.environ:
    warnings.warn(f"planish: OpenBLAS has chosen its {kernels()} kernels; this processor is faster "
                  f"with OPENBLAS_CORETYPE={_lib.planish_better_kernels().decode()} in the "
                  "environment when Python starts", RuntimeWarning)
