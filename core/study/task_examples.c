#include "core/study/task_examples.h"

#include "core/base/checked.h"

#include <string.h>

enum { SEED = 1234 }; /* lm-eval's fewshot_random_seed */

pl_status pl_examples_init(pl_examples *out, const pl_task_set *set, const pl_task_set *pool,
                           size_t shots, pl_error *err)
{
    *out = (pl_examples){.set = set, .pool = pool, .shots = shots};
    if (shots > 0 && set->kind->first && pool == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: shots=%zu: its examples are the first of each subject in a file "
                            "of their own: expected examples=FILE",
                            set->kind->name, shots);
    }
    pl_twister_init(&out->twister, SEED);
    out->drawn =
        pl_alloc(json_array_size((pool != NULL ? pool : set)->items) + 1, sizeof *out->drawn);
    return out->drawn != NULL ? PL_OK : pl_error_memory(err, "examples");
}

void pl_examples_deinit(pl_examples *examples)
{
    free(examples->drawn);
    examples->drawn = NULL;
}

static void put_example(const pl_task_kind *kind, const json_t *example, pl_buf *out)
{
    const char *shot = json_string_value(json_object_get(example, "shot"));
    const char *answer = pl_task_text(example, "answer");
    pl_buf_puts(out, shot != NULL ? shot : pl_task_text(example, "text"));
    if (answer[0] != '\0') {
        pl_buf_printf(out, " %s%s", answer, kind->delimiter);
    }
}

static pl_status too_few(const pl_examples *e, size_t wanted, pl_error *err)
{
    return pl_error_set(err, PL_ERR_USAGE,
                        "%s: shots=%zu: %zu examples cannot be drawn from the %zu items of %s",
                        e->set->kind->name, e->shots, wanted,
                        json_array_size((e->pool != NULL ? e->pool : e->set)->items),
                        e->pool != NULL ? "examples=" : "the file itself");
}

/* The first examples of the item's own subject. */
static pl_status put_first(const pl_examples *e, size_t item, pl_buf *out, pl_error *err)
{
    const json_t *subject = json_object_get(json_array_get(e->set->items, item), "task");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(e->pool->items) && count < e->shots; i++) {
        const json_t *example = json_array_get(e->pool->items, i);
        if (json_equal(json_object_get(example, "task"), subject)) {
            put_example(e->set->kind, example, out);
            count++;
        }
    }
    return count == e->shots
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE, "%s: examples= has %zu items, expected shots=%zu",
                              json_string_value(subject), count, e->shots);
}

/* Indices drawn, without those of items that are the document itself; how many are left. */
static size_t keep_others(const pl_task_set *pool, const json_t *doc, size_t *drawn, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!json_equal(json_array_get(pool->docs, drawn[i]), doc)) {
            drawn[kept++] = drawn[i];
        }
    }
    return kept;
}

static pl_status put_drawn(pl_examples *e, size_t item, pl_buf *out, pl_error *err)
{
    const pl_task_set *pool = e->pool != NULL ? e->pool : e->set;
    const json_t *doc = json_array_get(e->set->docs, item);
    const size_t n = json_array_size(pool->items);
    const bool one_more = e->set->kind->own_split || e->pool == NULL;
    const size_t wanted = e->shots + one_more;
    size_t count = wanted;
    if (wanted > n) {
        return too_few(e, wanted, err);
    }
    pl_status status = pl_twister_sample(&e->twister, n, wanted, e->drawn, err);
    if (status == PL_OK && one_more) {
        count = keep_others(pool, doc, e->drawn, wanted);
    }
    if (status == PL_OK && count < e->shots) {
        /* Copies of the document were drawn: again, from all but them. */
        size_t *others = pl_alloc(2 * n, sizeof *others), *index = others + n;
        if (others == NULL) {
            return pl_error_memory(err, "examples");
        }
        for (size_t i = 0; i < n; i++) {
            others[i] = i;
        }
        const size_t left = keep_others(pool, doc, others, n);
        status = e->shots <= left ? pl_twister_sample(&e->twister, left, e->shots, index, err)
                                  : too_few(e, e->shots, err);
        for (size_t i = 0; status == PL_OK && i < e->shots; i++) {
            e->drawn[i] = others[index[i]];
        }
        free(others);
    }
    for (size_t i = 0; status == PL_OK && i < e->shots; i++) {
        put_example(e->set->kind, json_array_get(pool->items, e->drawn[i]), out);
    }
    return status;
}

pl_status pl_examples_put(pl_examples *e, size_t item, pl_buf *out, pl_error *err)
{
    if (e->set->kind->describe != NULL) {
        e->set->kind->describe(json_array_get(e->set->items, item), out);
    }
    pl_status status = e->shots == 0         ? PL_OK
                       : e->set->kind->first ? put_first(e, item, out, err)
                                             : put_drawn(e, item, out, err);
    PL_THEN(pl_buf_check(out, err));
    return status;
}
