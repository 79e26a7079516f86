#include "tests/fuzz/made_store.h"

#include "core/base/file.h"
#include "tests/support/matrices.h"
#include "tests/support/temp.h"

#include <dirent.h>

static pl_temp temp;
static char store_folder[600];

static void remove_all(void)
{
    (void)!chdir("/");
    pl_temp_deinit(&temp);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const made_entry *)a)->path, ((const made_entry *)b)->path);
}

static void add_entries(made_store *made, const char *kind)
{
    char folder[650];
    pl_error err;
    snprintf(folder, sizeof folder, "%s/%s", store_folder, kind);
    DIR *dir = opendir(folder);
    for (struct dirent *item = dir != NULL ? readdir(dir) : NULL; item != NULL;
         item = readdir(dir)) {
        made_entry *entry = &made->entries[made->n_entries];
        if (made->n_entries < MADE_ENTRIES && pl_id_parse(item->d_name, &entry->key)) {
            snprintf(entry->path, sizeof entry->path, "%s/%.40s", folder, item->d_name);
            snprintf(entry->kind, sizeof entry->kind, "%s", kind);
            pl_check_ok(pl_file_read_all(entry->path, 1 << 24, &entry->bytes, &entry->size, &err),
                        err);
            made->n_entries++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void open_lab(made_store *made)
{
    pl_error err;
    const pl_lab_options options = {.store = store_folder};
    pl_lab_destroy(made->front.lab);
    made->front.lab = NULL;
    pl_check_ok(pl_lab_create(&options, &made->front.lab, &err), err);
}

pl_status made_store_run(made_store *made, const char *script)
{
    pl_status status = PL_OK;
    while (status == PL_OK) {
        pl_error err = {0};
        char *text = NULL;
        pl_call *call = NULL;
        status = pl_script_next(&script, &text, &err);
        if (status == PL_OK && text == NULL) {
            return PL_OK;
        }
        if (status == PL_OK) {
            status = pl_call_parse(text, &call, &err);
        }
        if (status == PL_OK) {
            status = pl_front_execute(&made->front, call, false, &err);
        }
        if (status != PL_OK && err.message[0] == '\0') {
            fprintf(stderr, "%s: %s without a sentence\n", text, pl_status_name(status));
            abort();
        }
        pl_call_destroy(call);
        free(text);
    }
    return status;
}

made_store *made_store_get(void)
{
    static made_store made;
    static const char *const kinds[] = {"result",   "precondition", "round",    "transform",
                                        "learning", "site",         "spectrum", "basin"};
    if (made.front.worker != NULL) {
        return &made;
    }
    pl_error err;
    pl_temp_init_fast(&temp);
    atexit(remove_all);
    assert_int_equal(chdir(temp.folder), 0);
    snprintf(store_folder, sizeof store_folder, "%s/store", temp.folder);
    PL_WRITE_MATRICES("w.safetensors", {"b.2.fc.weight", 12, 16, 1, PL_F32},
                      {"b.10.fc.weight", 8, 24, 3, PL_F32});
    PL_WRITE_MATRICES("x.safetensors", {"b.2.fc", 64, 16, 5, PL_F32},
                      {"b.10.fc", 64, 24, 6, PL_F32});
    const pl_options options = {.store = store_folder, .threads = 1};
    pl_check_ok(pl_front_open(&options, NULL, &made.front, &err), err);
    assert_int_equal(made_store_run(&made,
                                    "open w.safetensors inputs=x.safetensors; activations bits=4;"
                                    "method astro beta=1e-3; method rtn bits=3 group_size=8;"
                                    "method flatquant steps=4; solve all; layers; select b.2.fc;"
                                    "pin; plot spectrum file=f.csv; plot basin file=f.csv"),
                     PL_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t before = made.n_entries;
        add_entries(&made, kinds[i]);
        if (made.n_entries == before) {
            fprintf(stderr, "no entry of the kind %s was made\n", kinds[i]);
            abort();
        }
        qsort(made.entries + before, made.n_entries - before, sizeof *made.entries, by_path);
    }
    return &made;
}

void made_store_reset(made_store *made)
{
    for (size_t i = 0; i < made->n_entries; i++) {
        const made_entry *entry = &made->entries[i];
        char *now = NULL;
        size_t size = 0;
        if (pl_file_read_all(entry->path, 1 << 24, &now, &size, NULL) != PL_OK ||
            size != entry->size || memcmp(now, entry->bytes, size) != 0) {
            FILE *file = fopen(entry->path, "wb"); /* no fsync, which takes most of the time */
            assert_non_null(file);
            assert_int_equal(fwrite(entry->bytes, 1, entry->size, file), entry->size);
            assert_int_equal(fclose(file), 0);
        }
        free(now);
    }
    open_lab(made);
}
