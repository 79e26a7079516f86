/* A store entry that somebody forged, with right checksums: {"kind": ..., "index": which of that
 * kind, "about": keys laid over its own (null takes one away), "sections": [{"name", "bytes",
 * "fill": "own", "zero", "ones", or "other"}] in place of its own of that name}.  Whatever it says,
 * every command that reads it works or ends with a sentence, and a solve makes it anew. */
#include "core/lab/weights.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/made_store.h"
#include "tests/support/check.h"

enum { MOST_SECTIONS = 16, MOST_BYTES = 1 << 16 };

/* What reads the entries of a kind. */
static const struct {
    const char *kind, *script[3];
} readers[] = {
    {"result",
     {"layers", "dump weights b.2.fc which=after file=f.npy", "plot landscape b.10.fc file=f.csv"}},
    {"precondition",
     {"dump weights b.2.fc which=preconditioned file=f.npy",
      "dump weights b.10.fc which=preconditioned file=f.npy", "plot channels b.2.fc file=f.csv"}},
    {"round",
     {"dump weights b.2.fc which=after file=f.npy", "dump weights b.10.fc which=after file=f.npy",
      "plot histogram b.2.fc file=f.csv"}},
    {"transform",
     {"dump weights b.2.fc which=after file=f.npy", "plot flatness b.10.fc file=f.csv",
      "plot landscape b.2.fc file=f.csv"}},
    {"learning",
     {"plot learning b.2.fc file=f.csv", "plot transform b.2.fc file=f.csv", "learn b.10.fc"}},
    {"site", {"outliers b.2.fc", "dump gram b.2.fc file=f.npy", "dump inputs b.10.fc file=f.npy"}},
    {"spectrum",
     {"plot spectrum b.2.fc file=f.csv", "plot spectrum b.10.fc file=f.csv",
      "plot basin b.2.fc file=f.csv"}},
    {"basin", {"plot basin b.2.fc file=f.csv", "plot basin b.10.fc file=f.csv", "layers"}},
};

static const made_entry *find(const made_store *made, const char *kind, size_t index)
{
    const made_entry *found = NULL;
    for (size_t i = 0; kind != NULL && i < made->n_entries; i++) {
        if (strcmp(made->entries[i].kind, kind) == 0) {
            found = &made->entries[i];
            if (index-- == 0) {
                break;
            }
        }
    }
    return found;
}

/* Its bytes are the caller's to free. */
static pl_section forge_section(pl_entry *entry, const json_t *wanted, const char *name)
{
    const size_t own = pl_entry_section_bytes(entry, name);
    const json_int_t asked = json_integer_value(json_object_get(wanted, "bytes"));
    size_t bytes = own != SIZE_MAX ? own : 0;
    if (json_is_integer(json_object_get(wanted, "bytes"))) {
        bytes = asked < 0 ? 0 : asked > MOST_BYTES ? MOST_BYTES : (size_t)asked;
    }
    const char *fill = json_string_value(json_object_get(wanted, "fill"));
    unsigned char *data = calloc(bytes + 1, 1), *was = calloc(own != SIZE_MAX ? own + 1 : 1, 1);
    if (data == NULL || was == NULL) {
        abort();
    }
    if (fill == NULL || strcmp(fill, "own") == 0) {
        if (own != SIZE_MAX && pl_entry_read(entry, name, was, own, NULL) == PL_OK) {
            memcpy(data, was, own < bytes ? own : bytes);
        }
    } else if (strcmp(fill, "zero") != 0) {
        for (size_t i = 0; i < bytes; i++) {
            data[i] = strcmp(fill, "ones") == 0 ? 0xff : (unsigned char)(i * 37 + 11);
        }
    }
    free(was);
    return (pl_section){name, data, bytes};
}

static const json_t *wanted_for(const json_t *sections, const char *name)
{
    size_t index;
    json_t *item;
    json_array_foreach(sections, index, item)
    {
        const char *own = json_string_value(json_object_get(item, "name"));
        if (own != NULL && strcmp(own, name) == 0) {
            return item;
        }
    }
    return NULL;
}

static void forge(made_store *made, const made_entry *at, const json_t *input)
{
    static const char *const names[] = {
        "w",       "codes",        "scales",  "zeros", "group_of", "scale",           "p1",
        "p2",      "i1",           "i2",      "clip",  "row_clip", "numbers",         "gram",
        "max",     "max_position", "rms",     "mean",  "sample",   "sample_position", "histogram",
        "summary", "values",       "vectors", "basin", "q",        "max_token",       "mean_abs",
        "kurtosis"};
    pl_store *store = pl_lab_store(made->front.lab);
    pl_entry *entry = NULL;
    pl_section sections[sizeof names / sizeof *names];
    size_t count = 0;
    pl_error err;
    pl_check_ok(pl_store_get(store, at->kind, at->key, &entry, &err), err);
    json_t *about = json_deep_copy(pl_entry_about(entry));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(input, "about"), key, value)
    {
        if (json_is_null(value)) {
            json_object_del(about, key);
        } else if (about != NULL) {
            json_object_set(about, key, value);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *wanted = wanted_for(json_object_get(input, "sections"), names[i]);
        if (wanted != NULL || pl_entry_section_bytes(entry, names[i]) != SIZE_MAX) {
            sections[count++] = forge_section(entry, wanted, names[i]);
        }
    }
    pl_entry_close(entry);
    pl_check_ok(pl_store_replace(store, at->kind, at->key, about, sections, count, &err), err);
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)sections[i].data);
    }
    json_decref(about);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    made_store *made = made_store_get();
    json_t *input = json_loadb((const char *)data, size, 0, NULL);
    const json_int_t index = json_integer_value(json_object_get(input, "index"));
    const made_entry *at = find(made, json_string_value(json_object_get(input, "kind")),
                                index >= 0 && index < MADE_ENTRIES ? (size_t)index : 0);
    if (at != NULL) {
        made_store_reset(made);
        forge(made, at, input);
        for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
            for (size_t k = 0; k < 3 && strcmp(readers[i].kind, at->kind) == 0; k++) {
                pl_status status = made_store_run(made, readers[i].script[k]);
                (void)status; /* its sentence is looked at there */
            }
        }
        /* The cure that the sentences name. */
        float out[12 * 16 + 8 * 24];
        bool cured = made_store_run(made, "solve b.2.fc; solve b.10.fc") == PL_OK;
        for (size_t i = 0; i < 2; i++) {
            cured = cured &&
                    pl_weights_read((pl_context){made->front.lab, &made->front.state, NULL}, i,
                                    (pl_weights_of){.which = PL_WHICH_AFTER}, out, NULL) == PL_OK;
        }
        if (!cured) {
            fprintf(stderr, "solving again did not help:\n%.*s\n", (int)size, (const char *)data);
            abort();
        }
    }
    json_decref(input);
    return 0;
}
