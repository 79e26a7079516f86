#include "core/lab/learned.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/transform_entry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char kind_learning[] = "learning";

/* Between two checkpoints, at least; and so many times as long as the last one took to write, which
 * for a block of many experts is long. */
static const double CHECKPOINT_SECONDS = 0.5, CHECKPOINT_SHARE = 10.0;

enum { SLOTS = 2 };

/* --- in the store ----------------------------------------------------------------------------- */

static pl_status slot_key(pl_id key, uint64_t slot, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish learning 1");
        pl_hasher_id(hasher, key);
        pl_hasher_u64(hasher, slot);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* The layout's numbers in the order that they are stored. */
enum { LAYOUT_NUMBERS = 15 };

static void layout_numbers(pl_flat_layout *at, size_t *out[LAYOUT_NUMBERS])
{
    size_t *const all[LAYOUT_NUMBERS] = {
        &at->n1,         &at->n2,          &at->n,         &at->rows,       &at->groups,
        &at->width,      &at->first,       &at->second,    &at->scale,      &at->clips,
        &at->weight_low, &at->weight_high, &at->input_low, &at->input_high, &at->count};
    memcpy(out, all, sizeof all);
}

static json_t *about_of(const pl_learning *l)
{
    pl_flat_layout at = l->at;
    size_t *numbers[LAYOUT_NUMBERS];
    layout_numbers(&at, numbers);
    json_t *layout = json_array();
    for (size_t i = 0; i < LAYOUT_NUMBERS; i++) {
        pl_json_append(layout, json_integer((json_int_t)*numbers[i]));
    }
    return json_pack("{s:o, s:I, s:I, s:f, s:I, s:b, s:b, s:s}", "layout", layout, "step",
                     (json_int_t)l->step, "steps", (json_int_t)l->steps, "rate_share",
                     l->rate_share, "rollbacks", (json_int_t)l->rollbacks, "stopped", l->stopped,
                     "done", pl_learning_done(l), "trouble", l->trouble.message);
}

/* Into the slot that the last checkpoint is not in.  params: NULL for a block, of which no
 * transform is kept beside the numbers. */
static pl_status write_checkpoint(pl_lab *lab, pl_id key, uint64_t slot, const pl_learning *l,
                                  const double *params, pl_error *err)
{
    pl_store *store = pl_lab_store(lab);
    pl_section sections[PL_TRANSFORM_ARRAYS + 1];
    pl_transform *t = NULL;
    pl_id id = {0};
    const unsigned before = pl_memory_failures();
    json_t *about = about_of(l);
    pl_status status = about != NULL ? PL_OK : pl_error_memory(err, "a learned transform");
    if (status == PL_OK && params != NULL) {
        status = pl_flat_transform(&l->at, params, &t, err);
    }
    PL_THEN(slot_key(key, slot, &id, err));
    if (status == PL_OK) {
        const size_t count = t != NULL ? pl_transform_sections(t, about, sections) : 0;
        sections[count] =
            (pl_section){"numbers", l->numbers, pl_learning_count(l) * sizeof *l->numbers};
        status = pl_memory_check(before, err);
        PL_THEN(pl_store_replace(store, kind_learning, id, about, sections, count + 1, err));
    }
    PL_THEN(pl_store_pin(store, kind_learning, id, err));
    pl_transform_destroy(t);
    json_decref(about);
    return status;
}

static json_int_t integer(const json_t *about, const char *name)
{
    const json_t *value = json_object_get(about, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static pl_status read_layout(const json_t *about, pl_flat_layout *at)
{
    const json_t *layout = json_object_get(about, "layout");
    size_t *numbers[LAYOUT_NUMBERS];
    layout_numbers(at, numbers);
    if (json_array_size(layout) != LAYOUT_NUMBERS) {
        return PL_ERR_FORMAT;
    }
    for (size_t i = 0; i < LAYOUT_NUMBERS; i++) {
        const json_int_t value = json_integer_value(json_array_get(layout, i));
        if (value < 0) {
            return PL_ERR_FORMAT;
        }
        *numbers[i] = (size_t)value;
    }
    return PL_OK;
}

/* Which learning is looked for: of a site of n channels and so many rows, or of a layout. */
typedef struct wanted {
    size_t n, rows;
    const pl_flat_layout *at; /* of a block's first site, or NULL */
} wanted;

static bool is_wanted(const wanted *want, const pl_flat_layout *at)
{
    return want->at != NULL ? memcmp(want->at, at, sizeof *at) == 0 /* sizes alone */
                            : pl_flat_layout_fits(at, want->n, want->rows);
}

static pl_status read_learning(pl_entry *entry, const wanted *want, pl_learning *out)
{
    const json_t *about = pl_entry_about(entry);
    const json_int_t step = integer(about, "step"), steps = integer(about, "steps");
    const size_t bytes = pl_entry_section_bytes(entry, "numbers");
    pl_flat_layout at;
    if (read_layout(about, &at) != PL_OK || !is_wanted(want, &at) || step < 0 || steps < step ||
        (uint64_t)steps > bytes / sizeof(double) || integer(about, "rollbacks") < 0) {
        return PL_ERR_FORMAT;
    }
    const pl_learning shape = {.at = at, .steps = (uint64_t)steps};
    if (pl_learning_count(&shape) * sizeof(double) != bytes) {
        return PL_ERR_FORMAT;
    }
    pl_status status = pl_learning_init(out, &at, (uint64_t)steps, NULL);
    PL_THEN(pl_entry_read(entry, "numbers", out->numbers, bytes, NULL));
    if (status == PL_OK) {
        const char *trouble = json_string_value(json_object_get(about, "trouble"));
        out->step = (uint64_t)step;
        out->rate_share = json_number_value(json_object_get(about, "rate_share"));
        out->rollbacks = (uint64_t)integer(about, "rollbacks");
        out->stopped = json_is_true(json_object_get(about, "stopped"));
        if (trouble != NULL && trouble[0] != '\0') {
            const pl_status said = pl_error_set(&out->trouble, PL_ERR_NUMERIC, "%s", trouble);
            (void)said;
        }
    } else {
        pl_learning_deinit(out);
    }
    return status;
}

/* The slot of the further checkpoint that can be opened, but for slot `without`; SLOTS where there
 * is none.  *entry is open. */
static uint64_t find_slot(pl_lab *lab, pl_id key, uint64_t without, pl_entry **entry)
{
    uint64_t found = SLOTS;
    double furthest = -1.0;
    *entry = NULL;
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        pl_id id;
        pl_entry *other = NULL;
        if (slot == without || slot_key(key, slot, &id, NULL) != PL_OK ||
            pl_store_get(pl_lab_store(lab), kind_learning, id, &other, NULL) != PL_OK) {
            continue;
        }
        /* What has been taken back more often is the later one, whatever its step; at the last step
         * the one that knows its loss. */
        const json_t *about = pl_entry_about(other);
        const double rank = 1e9 * (double)integer(about, "rollbacks") +
                            (double)integer(about, "step") +
                            (json_is_true(json_object_get(about, "done")) ? 0.5 : 0.0);
        if (rank > furthest) {
            pl_entry_close(*entry);
            *entry = other;
            furthest = rank;
            found = slot;
        } else {
            pl_entry_close(other);
        }
    }
    return found;
}

static pl_status read_checkpoint(pl_entry *entry, const wanted *want, pl_learning *learning,
                                 pl_transform **out)
{
    pl_status status = PL_OK;
    if (learning != NULL) {
        status = read_learning(entry, want, learning);
    }
    if (status == PL_OK && out != NULL) {
        status = pl_transform_from_entry(entry, want->n, want->rows, out);
        if (status != PL_OK && learning != NULL) {
            pl_learning_deinit(learning);
        }
    }
    return status;
}

/* Where the newest one's numbers are damaged, the one before it.  *slot: where it lies, or 1 so
 * that the first one written is 0. */
static pl_status read_newest(pl_lab *lab, pl_id key, wanted want, uint64_t *slot,
                             pl_learning *learning, pl_transform **out)
{
    pl_status status = PL_ERR_NOT_FOUND;
    uint64_t without = SLOTS;
    *slot = 1;
    for (uint64_t i = 0; i < SLOTS && status != PL_OK && status != PL_ERR_MEMORY; i++) {
        pl_entry *entry = NULL;
        const uint64_t at = find_slot(lab, key, without, &entry);
        if (at == SLOTS) {
            break;
        }
        status = read_checkpoint(entry, &want, learning, out);
        pl_entry_close(entry);
        *slot = at;
        without = at;
    }
    return status == PL_OK || status == PL_ERR_MEMORY ? status : PL_ERR_NOT_FOUND;
}

pl_status pl_learned_read(pl_lab *lab, pl_id key, size_t n, size_t rows, pl_learning *learning,
                          pl_transform **out)
{
    uint64_t slot = 0;
    if (learning != NULL) {
        *learning = (pl_learning){0};
    }
    if (out != NULL) {
        *out = NULL;
    }
    return read_newest(lab, key, (wanted){.n = n, .rows = rows}, &slot, learning, out);
}

pl_status pl_learned_read_block(pl_lab *lab, pl_id key, const pl_block_layout *at,
                                pl_learning *learning)
{
    uint64_t slot = 0;
    *learning = (pl_learning){0};
    return read_newest(lab, key, (wanted){.at = &at->sites[0]}, &slot, learning, NULL);
}

pl_status pl_learned_forget(pl_lab *lab, pl_id key, pl_error *err)
{
    pl_status status = PL_OK;
    for (uint64_t slot = 0; status == PL_OK && slot < SLOTS; slot++) {
        pl_id id;
        status = slot_key(key, slot, &id, err);
        if (status == PL_OK && pl_store_has(pl_lab_store(lab), kind_learning, id)) {
            status = pl_store_remove(pl_lab_store(lab), kind_learning, id, err);
        }
    }
    return status;
}

/* --- running ---------------------------------------------------------------------------------- */

typedef struct run {
    pl_lab *lab;
    pl_id key;
    uint64_t slot;
    double written_at, writing; /* seconds that the last checkpoint took */
    pl_flatquant learner;
} run;

static pl_status keep_step(run *r, pl_error *err)
{
    const pl_learning *now = &r->learner.now;
    const double began = pl_clock_now();
    pl_status status = write_checkpoint(r->lab, r->key, 1 - r->slot, now,
                                        r->learner.of_block ? NULL : now->params, err);
    if (status == PL_ERR_NUMERIC) {
        /* The last step led nowhere, which the next one finds out: what was good is shown. */
        status = write_checkpoint(r->lab, r->key, 1 - r->slot, now, r->learner.good, err);
    }
    if (status == PL_OK) {
        r->slot = 1 - r->slot;
        r->written_at = pl_clock_now();
        r->writing = r->written_at - began;
    }
    return status;
}

static pl_status learn(run *r, uint64_t until, pl_task *task, pl_error *err)
{
    const pl_learning *now = &r->learner.now;
    pl_status status = PL_OK;
    while (status == PL_OK && !pl_learning_done(now) &&
           (now->step < until || until >= now->steps)) {
        status = pl_flatquant_step(&r->learner, task, err);
        const double wait = fmax(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * r->writing);
        if (status == PL_OK && pl_clock_now() - r->written_at >= wait) {
            status = keep_step(r, err);
        }
        pl_task_progress(task, "steps", (double)now->step, (double)now->steps);
    }
    if (status == PL_OK) {
        status = keep_step(r, err);
    } else if (status == PL_ERR_CANCELLED) {
        pl_status kept = keep_step(r, NULL); /* without it the last second is learned again */
        (void)kept;
    }
    return status;
}

static void hand_over(pl_flatquant *learner, pl_learning *reached)
{
    *reached = learner->now;
    learner->now = (pl_learning){0};
}

static void warn_rollbacks(const run *r, const pl_spec *spec, const pl_learning *reached,
                           uint64_t before)
{
    if (reached->rollbacks > before) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%s on %s: %s", spec->method->name, r->learner.name,
                      reached->trouble.message);
        pl_lab_warn(r->lab, text.data != NULL ? text.data : "a step was taken back");
        pl_buf_deinit(&text);
    }
}

pl_status pl_learned_run(pl_lab *lab, pl_id key, const pl_spec *spec, const pl_site_input *in,
                         uint64_t until, pl_learning *reached, pl_transform **out, pl_task *task,
                         pl_error *err)
{
    run r = {.lab = lab, .key = key, .written_at = pl_clock_now()};
    pl_learning stored = {0};
    *reached = (pl_learning){0};
    *out = NULL;
    wanted want = {.n = in->n};
    for (size_t i = 0; i < in->n_weights; i++) {
        want.rows += in->weights[i].rows;
    }
    const bool found = read_newest(lab, key, want, &r.slot, &stored, NULL) == PL_OK;
    pl_status status = pl_flatquant_init(&r.learner, spec, in, found ? &stored : NULL, task, err);
    const uint64_t rollbacks = stored.rollbacks;
    pl_learning_deinit(&stored);
    PL_THEN(learn(&r, until, task, err));
    if (status == PL_OK) {
        const pl_learning *now = &r.learner.now;
        status = pl_flat_transform(&now->at, now->params, out, err);
        if (status == PL_ERR_NUMERIC) {
            status = pl_flat_transform(&now->at, r.learner.good, out, err);
        }
    }
    if (status == PL_OK) {
        hand_over(&r.learner, reached);
        warn_rollbacks(&r, spec, reached, rollbacks);
    }
    pl_flatquant_deinit(&r.learner);
    return status;
}

pl_status pl_learned_run_block(pl_lab *lab, pl_id key, const pl_spec *spec,
                               const pl_block_input *in, uint64_t until, pl_learning *reached,
                               pl_task *task, pl_error *err)
{
    run r = {.lab = lab, .key = key, .written_at = pl_clock_now()};
    pl_block_layout at;
    pl_learning stored = {0};
    *reached = (pl_learning){0};
    pl_status status = pl_block_layout_init(&at, in, err);
    if (status == PL_OK) {
        const wanted want = {.at = &at.sites[0]};
        const bool found = read_newest(lab, key, want, &r.slot, &stored, NULL) == PL_OK;
        status = pl_flatquant_init_block(&r.learner, spec, in, found ? &stored : NULL, task, err);
    }
    const uint64_t rollbacks = stored.rollbacks;
    pl_learning_deinit(&stored);
    pl_block_layout_deinit(&at);
    PL_THEN(learn(&r, until, task, err));
    if (status == PL_OK) {
        hand_over(&r.learner, reached);
        warn_rollbacks(&r, spec, reached, rollbacks);
    }
    pl_flatquant_deinit(&r.learner);
    return status;
}
