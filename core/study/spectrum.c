#include "core/study/spectrum.h"

#include "core/base/checked.h"
#include "core/tensor/eigen.h"
#include "core/tensor/linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char KIND[] = "spectrum";

void pl_spectrum_deinit(pl_spectrum *spectrum)
{
    free(spectrum->values);
    free(spectrum->vectors);
    *spectrum = (pl_spectrum){0};
}

pl_status pl_spectrum_key(pl_id calibration, size_t site, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish spectrum 1");
        pl_hasher_id(hasher, pl_calib_site_key(calibration, site));
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static size_t ends_of(size_t n)
{
    return n / 2 < PL_SPECTRUM_ENDS ? n / 2 : PL_SPECTRUM_ENDS;
}

/* What follows from the values; the trace is the diagonal's sum up to float64's rounding. */
static pl_status conclude_spectrum(pl_spectrum *s, const char *site, pl_error *err)
{
    double sum = 0.0;
    for (size_t i = 0; i < s->n; i++) {
        sum += s->values[i];
        if (!isfinite(s->values[i])) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: eigenvalue %zu is not finite", site, i);
        }
    }
    if (!(s->values[0] > 0.0)) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "%s: the Gram matrix is zero: this input was never active", site);
    }
    s->mean_diag = sum / (double)s->n;
    s->floor = (double)FLT_EPSILON * s->values[0];
    s->eps_rank = 0;
    while (s->eps_rank < s->n && s->values[s->eps_rank] > PL_SPECTRUM_EPSILON * s->values[0]) {
        s->eps_rank++;
    }
    return PL_OK;
}

/* Without a sentence: absent and damaged are the same, it is computed again. */
static pl_status read_spectrum(pl_store *store, pl_id key, pl_spectrum *s)
{
    pl_entry *entry = NULL;
    const size_t vectors = 2 * s->ends * s->n * sizeof(double);
    pl_status status = pl_store_get(store, KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, "values", s->values, s->n * sizeof(double), NULL));
    PL_THEN(pl_entry_read(entry, "vectors", s->vectors, vectors, NULL));
    pl_entry_close(entry);
    return status;
}

static pl_status write_spectrum(pl_store *store, pl_id key, const char *site, const pl_spectrum *s,
                                pl_error *err)
{
    json_t *about =
        json_pack("{s:s, s:s, s:I, s:I, s:i, s:s}", "holds", "the spectrum of a site's Gram matrix",
                  "site", site, "n", (json_int_t)s->n, "ends", (json_int_t)s->ends, "threads",
                  pl_linalg_threads(), "version", PL_VERSION);
    if (about == NULL) {
        return pl_error_memory(err, "a spectrum");
    }
    const pl_section sections[] = {
        {"values", s->values, s->n * sizeof(double)},
        {"vectors", s->vectors, 2 * s->ends * s->n * sizeof(double)},
    };
    pl_status status = pl_store_replace(store, KIND, key, about, sections, 2, err);
    json_decref(about);
    return status;
}

static pl_status compute_spectrum(pl_context cx, pl_id calibration, size_t site, pl_spectrum *s,
                                  pl_error *err)
{
    const char *name = pl_model_site(cx.state->source->model, site)->name;
    const double bytes = 12.0 * (double)s->n * (double)s->n;
    if (bytes > (double)pl_lab_memory_limit(cx.lab)) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "%s: a spectrum of %zu channels needs %.0f MB, the memory limit is "
                            "%.0f MB",
                            name, s->n, bytes / 1e6, (double)pl_lab_memory_limit(cx.lab) / 1e6);
    }
    pl_bench bench = {0};
    pl_eigen eigen = {0};
    pl_status status = pl_lab_site(cx, calibration, site, &bench, err);
    if (status == PL_OK) {
        status = pl_eigen_symmetric(pl_factors_gram(bench.factors), s->ends, s->ends, &eigen,
                                    cx.task, err);
        if (status != PL_OK && status != PL_ERR_CANCELLED) {
            pl_error_prefix(err, "%s: ", name);
        }
    }
    pl_lab_release(cx.lab, &bench);
    if (status == PL_OK) {
        memcpy(s->values, eigen.values, s->n * sizeof(double));
        memcpy(s->vectors, eigen.vectors, 2 * s->ends * s->n * sizeof(double));
    }
    pl_eigen_deinit(&eigen);
    return status;
}

pl_status pl_spectrum_load(pl_context cx, pl_id calibration, size_t site, pl_spectrum *out,
                           pl_error *err)
{
    const pl_site *info = pl_model_site(cx.state->source->model, site);
    *out = (pl_spectrum){.n = info->cols, .ends = ends_of(info->cols)};
    pl_id key = {0};
    pl_status status = pl_spectrum_key(calibration, site, &key, err);
    out->values = pl_alloc(out->n, sizeof(double));
    out->vectors = pl_alloc(2 * out->ends * out->n, sizeof(double));
    if (status == PL_OK && (out->values == NULL || out->vectors == NULL)) {
        status = pl_error_memory(err, "a spectrum");
    }
    pl_store *store = pl_lab_store(cx.lab);
    if (status == PL_OK && read_spectrum(store, key, out) != PL_OK) {
        status = compute_spectrum(cx, calibration, site, out, err);
        PL_THEN(write_spectrum(store, key, info->name, out, err));
    }
    PL_THEN(conclude_spectrum(out, info->name, err));
    if (status != PL_OK) {
        pl_spectrum_deinit(out);
    }
    return status;
}
