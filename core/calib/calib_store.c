#include "core/calib/calib.h"

#include "core/base/checked.h"
#include "core/calib/calib_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <string.h>

static const char SITE[] = "site";
static const char WHOLE[] = "calib";
static const char NEAREST[] = "nearest";
static const char CROSS[] = "cross";

pl_id pl_calib_site_key(pl_id calibration, size_t site)
{
    const uint64_t parts[] = {calibration.high, calibration.low, (uint64_t)site};
    return pl_id_bytes(parts, sizeof parts);
}

bool pl_calib_complete(pl_store *store, pl_id calibration, const pl_model *model)
{
    for (size_t s = 0; s < pl_model_site_count(model); s++) {
        if (!pl_store_has(store, SITE, pl_calib_site_key(calibration, s))) {
            return false;
        }
    }
    return pl_store_has(store, WHOLE, calibration);
}

/* Sections of a site that hold n 32-bit words, where their pointers are in pl_site_stats. */
typedef struct channel_section {
    const char *name;
    size_t offset;
} channel_section;

static const channel_section channel_sections[] = {
    {"max", offsetof(pl_site_stats, max)},
    {"max_position", offsetof(pl_site_stats, max_position)},
    {"max_token", offsetof(pl_site_stats, max_token)},
    {"mean_abs", offsetof(pl_site_stats, mean_abs)},
    {"rms", offsetof(pl_site_stats, rms)},
    {"mean", offsetof(pl_site_stats, mean)},
    {"kurtosis", offsetof(pl_site_stats, kurtosis)},
};
enum { CHANNEL_SECTIONS = sizeof channel_sections / sizeof channel_sections[0] };

/* The member's address; every one of them is a pointer to 32-bit words. */
static void *get_array(const pl_site_stats *stats, size_t offset)
{
    void *array;
    memcpy(&array, (const char *)stats + offset, sizeof array);
    return array;
}

static void set_array(pl_site_stats *stats, size_t offset, void *array)
{
    memcpy((char *)stats + offset, &array, sizeof array);
}

static float *pack_triangle(const float *gram, size_t n)
{
    float *packed = pl_alloc(pl_packed_size(n), sizeof(float));
    for (size_t i = 0, at = 0; packed != NULL && i < n; at += n - i, i++) {
        memcpy(packed + at, gram + i * n + i, (n - i) * sizeof(float));
    }
    return packed;
}

/* The triangle lies at the end of the square it unpacks to: row i's source never lies before its
 * place, so rows move forward in order. */
static void unpack_triangle(float *gram, size_t n)
{
    const float *from = gram + n * n - pl_packed_size(n);
    for (size_t i = 0; i < n; i++) {
        memmove(gram + i * n + i, from, (n - i) * sizeof(float));
        from += n - i;
    }
    pl_symmetrize(n, gram);
}

pl_status pl_calib_put_site(pl_store *store, pl_id calibration, const pl_model *model, size_t site,
                            const pl_site_stats *stats, pl_error *err)
{
    const size_t n = stats->n;
    char id[PL_ID_TEXT];
    pl_id_format(calibration, id);
    json_t *about = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:f, s:I}", "holds", "statistics of a site's input",
        "calibration", id, "site", pl_model_site(model, site)->name, "index", (json_int_t)site, "n",
        (json_int_t)n, "tokens", stats->tokens, "sample_rows", (json_int_t)stats->sample_rows);
    float *made = stats->triangle == NULL ? pack_triangle(stats->gram, n) : NULL;
    const float *packed = stats->triangle != NULL ? stats->triangle : made;
    pl_status status;
    if (about == NULL || packed == NULL) {
        status =
            pl_error_memory(err, "the stored statistics of %s", pl_model_site(model, site)->name);
    } else {
        pl_section sections[CHANNEL_SECTIONS + 5];
        size_t count = 0;
        sections[count++] = (pl_section){"gram", packed, pl_packed_size(n) * sizeof(float)};
        for (size_t i = 0; i < CHANNEL_SECTIONS; i++) {
            sections[count++] = (pl_section){channel_sections[i].name,
                                             get_array(stats, channel_sections[i].offset), n * 4};
        }
        if (stats->cross != NULL) {
            sections[count++] = (pl_section){CROSS, stats->cross, n * n * sizeof(float)};
        }
        sections[count++] = (pl_section){"histogram", stats->histogram, sizeof stats->histogram};
        sections[count++] =
            (pl_section){"sample", stats->sample, stats->sample_rows * n * sizeof(float)};
        sections[count++] =
            (pl_section){"sample_position", stats->sample_position, stats->sample_rows * 4};
        status = pl_store_put(store, SITE, pl_calib_site_key(calibration, site), about, sections,
                              count, err);
    }
    free(made);
    json_decref(about);
    return status;
}

/* A section of `bytes` bytes, in memory of its own. */
static pl_status read_section(pl_entry *entry, const char *name, size_t bytes, void **out,
                              pl_error *err)
{
    *out = NULL;
    /* Nothing is reserved for a size that the file has not: reading says what is wrong. */
    if (pl_entry_section_bytes(entry, name) == bytes && (*out = pl_alloc(1, bytes)) == NULL) {
        return pl_error_memory(err, "%zu bytes of statistics", bytes);
    }
    return pl_entry_read(entry, name, *out, bytes, err);
}

static pl_status read_gram(pl_entry *entry, size_t n, pl_site_stats *out, pl_error *err)
{
    out->gram = pl_alloc(n * n, sizeof(float));
    if (out->gram == NULL) {
        return pl_error_memory(err, "a Gram matrix of %zu channels", n);
    }
    const size_t packed = pl_packed_size(n);
    pl_status status =
        pl_entry_read(entry, "gram", out->gram + n * n - packed, packed * sizeof(float), err);
    if (status == PL_OK) {
        unpack_triangle(out->gram, n);
    }
    return status;
}

/* A size from the entry's JSON; false if it is missing or no sensible number. */
static bool read_stored_size(const json_t *about, const char *key, size_t limit, size_t *out)
{
    const json_t *value = json_object_get(about, key);
    const json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    *out = number >= 0 ? (size_t)number : 0;
    return number >= 0 && *out <= limit;
}

static pl_status read_site(pl_entry *entry, const pl_site *site, pl_gram_form form,
                           bool with_sample, pl_site_stats *out, pl_error *err)
{
    const json_t *about = pl_entry_about(entry);
    const double tokens = json_number_value(json_object_get(about, "tokens"));
    size_t n = 0, rows = 0;
    if (!read_stored_size(about, "n", 1u << 24, &n) || n == 0 || !(tokens >= 0.0) ||
        !isfinite(tokens) || !read_stored_size(about, "sample_rows", UINT32_MAX, &rows)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: stored statistics: n, tokens or sample_rows is missing or out of "
                            "range",
                            site->name);
    }
    if (n != site->cols) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: the stored statistics are of %zu channels, expected %zu",
                            site->name, n, site->cols);
    }
    out->n = n;
    out->tokens = tokens;
    pl_status status =
        pl_entry_read(entry, "histogram", out->histogram, sizeof out->histogram, err);
    for (size_t i = 0; status == PL_OK && i < CHANNEL_SECTIONS; i++) {
        void *array = NULL;
        status = read_section(entry, channel_sections[i].name, n * 4, &array, err);
        set_array(out, channel_sections[i].offset, array);
    }
    if (status == PL_OK && form == PL_GRAM_SQUARE) {
        status = read_gram(entry, n, out, err);
    } else if (status == PL_OK && form == PL_GRAM_PACKED) {
        void *packed = NULL;
        status = read_section(entry, "gram", pl_packed_size(n) * sizeof(float), &packed, err);
        out->triangle = packed;
    }
    if (status == PL_OK && with_sample) {
        void *sample = NULL, *position = NULL;
        out->sample_rows = rows;
        status = read_section(entry, "sample", rows * n * sizeof(float), &sample, err);
        out->sample = sample;
        if (status == PL_OK) {
            status = read_section(entry, "sample_position", rows * 4, &position, err);
            out->sample_position = position;
        }
    }
    return status;
}

pl_status pl_calib_load_site(pl_store *store, pl_id calibration, const pl_model *model, size_t site,
                             pl_gram_form form, bool with_sample, pl_site_stats *out, pl_error *err)
{
    *out = (pl_site_stats){0};
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(store, SITE, pl_calib_site_key(calibration, site), &entry, err);
    if (status == PL_OK) {
        status = read_site(entry, pl_model_site(model, site), form, with_sample, out, err);
        pl_entry_close(entry);
    }
    if (status != PL_OK) {
        pl_site_stats_deinit(out);
    }
    return status;
}

pl_status pl_calib_load_cross(pl_store *store, pl_id calibration, const pl_model *model,
                              size_t site, float **out, pl_error *err)
{
    const pl_site *about = pl_model_site(model, site);
    pl_entry *entry = NULL;
    void *cross = NULL;
    *out = NULL;
    pl_status status = pl_store_get(store, SITE, pl_calib_site_key(calibration, site), &entry, err);
    if (status == PL_OK && pl_entry_section_bytes(entry, CROSS) == SIZE_MAX) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: its statistics are without those of the original model's inputs",
                              about->name);
    }
    PL_THEN(read_section(entry, CROSS, about->cols * about->cols * sizeof(float), &cross, err));
    pl_entry_close(entry);
    if (status != PL_OK) {
        free(cross);
        return status;
    }
    *out = cross;
    return PL_OK;
}

bool pl_calib_has_cross(pl_store *store, pl_id calibration, size_t site)
{
    pl_entry *entry = NULL;
    const pl_id key = pl_calib_site_key(calibration, site);
    const bool has = pl_store_get(store, SITE, key, &entry, NULL) == PL_OK &&
                     pl_entry_section_bytes(entry, CROSS) != SIZE_MAX;
    pl_entry_close(entry);
    return has;
}

pl_status pl_calib_verify_site(pl_store *store, pl_id calibration, const pl_calib_spec *spec,
                               size_t site, bool *whole, bool *damaged, pl_error *err)
{
    *whole = false;
    *damaged = false;
    pl_site_stats stats;
    pl_error why;
    pl_status status = pl_calib_load_site(store, calibration, spec->model, site, PL_GRAM_PACKED,
                                          true, &stats, &why);
    const double tokens = (double)spec->protocol.windows * (double)spec->protocol.length;
    const pl_site *about = pl_model_site(spec->model, site);
    const bool routed = about->expert < PL_SHARED_EXPERT; /* sees some of the tokens */
    if (status == PL_OK && (stats.tokens > tokens || (stats.tokens < tokens && !routed))) {
        status = PL_ERR_FORMAT;
    }
    pl_site_stats_deinit(&stats);
    if (status == PL_ERR_FORMAT) {
        *damaged = true;
        return pl_store_remove(store, SITE, pl_calib_site_key(calibration, site), err);
    }
    if (status != PL_OK && status != PL_ERR_NOT_FOUND) {
        return pl_error_set(err, status, "%s", why.message);
    }
    *whole = status == PL_OK;
    return PL_OK;
}

static json_t *describe_calibration(const pl_calib_spec *spec, size_t massive)
{
    char text[PL_ID_TEXT];
    pl_id_format(spec->tokens->text, text);
    const pl_protocol *p = &spec->protocol;
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:b, s:i, s:s, s:s}", "holds",
                     "a calibration", "model", pl_model_name(spec->model), "text", text, "length",
                     (json_int_t)p->length, "windows", (json_int_t)p->windows, "sample",
                     p->sample == PL_SAMPLE_RANDOM ? "random" : "first", "seed",
                     (json_int_t)p->seed, "tokens", (json_int_t)(p->length * p->windows), "massive",
                     (json_int_t)massive, "massive_cut", massive == PL_PASS_MASSIVE, "threads",
                     pl_linalg_threads(), "blas", pl_linalg_config(), "version", PL_VERSION);
}

pl_status pl_calib_put_whole(pl_store *store, pl_id calibration, const pl_calib_spec *spec,
                             const pl_massive *massive, size_t count, const pl_massive *nearest,
                             pl_error *err)
{
    json_t *about = describe_calibration(spec, count);
    if (about == NULL) {
        return pl_error_memory(err, "a stored calibration");
    }
    const pl_section sections[] = {{"massive", massive, count * sizeof *massive},
                                   {NEAREST, nearest, sizeof *nearest}};
    pl_status status =
        pl_store_put(store, WHOLE, calibration, about, sections, nearest != NULL ? 2 : 1, err);
    json_decref(about);
    return status;
}

bool pl_calib_text(pl_store *store, pl_id calibration, pl_id *out)
{
    pl_entry *entry = NULL;
    bool found = false;
    if (pl_store_get(store, WHOLE, calibration, &entry, NULL) == PL_OK) {
        const char *text = json_string_value(json_object_get(pl_entry_about(entry), "text"));
        found = text != NULL && pl_id_parse(text, out);
    }
    pl_entry_close(entry);
    return found;
}

pl_status pl_calib_load_massive(pl_store *store, pl_id calibration, pl_massive **out, size_t *count,
                                pl_error *err)
{
    *out = NULL;
    *count = 0;
    pl_entry *entry = NULL;
    void *list = NULL;
    size_t bytes = 0;
    pl_status status = pl_store_get(store, WHOLE, calibration, &entry, err);
    if (status == PL_OK) {
        bytes = pl_entry_section_bytes(entry, "massive");
        status =
            bytes == SIZE_MAX || bytes % sizeof **out != 0 || bytes / sizeof **out > PL_PASS_MASSIVE
                ? pl_error_set(err, PL_ERR_FORMAT,
                               "stored calibration: its list of massive activations is "
                               "missing")
                : read_section(entry, "massive", bytes, &list, err);
        pl_entry_close(entry);
    }
    if (status != PL_OK) {
        free(list);
        return status;
    }
    *out = list;
    *count = bytes / sizeof **out;
    return PL_OK;
}

pl_status pl_calib_load_nearest(pl_store *store, pl_id calibration, pl_massive *out, bool *found,
                                pl_error *err)
{
    pl_entry *entry = NULL;
    *found = false;
    pl_status status = pl_store_get(store, WHOLE, calibration, &entry, err);
    if (status == PL_OK && pl_entry_section_bytes(entry, NEAREST) != SIZE_MAX) {
        status = pl_entry_read(entry, NEAREST, out, sizeof *out, err);
        *found = status == PL_OK;
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_calib_verify_whole(pl_store *store, pl_id calibration, bool *whole, bool *damaged,
                                pl_error *err)
{
    pl_massive *massive = NULL;
    size_t count = 0;
    pl_error why;
    pl_status status = pl_calib_load_massive(store, calibration, &massive, &count, &why);
    free(massive);
    *whole = status == PL_OK;
    *damaged = status == PL_ERR_FORMAT;
    if (*damaged) {
        return pl_store_remove(store, WHOLE, calibration, err);
    }
    return status == PL_OK || status == PL_ERR_NOT_FOUND
               ? PL_OK
               : pl_error_set(err, status, "%s", why.message);
}
