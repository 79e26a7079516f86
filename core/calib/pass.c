#include "core/calib/calib_parts.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/calib/cross.h"
#include "core/calib/hidden.h"

#include <string.h>

struct pl_pass {
    pl_calib_spec spec;
    size_t begin, end; /* the windows it is of */
    size_t width;      /* of the residual stream */
    size_t *starts;    /* [windows] */
    uint32_t *keep;    /* rows of the sample, window by window */
    size_t *keep_at;   /* [windows + 1]: where a window's rows are in keep */
    pl_forward *forward;
    pl_hidden *hidden;     /* NULL before start */
    pl_hidden *between;    /* what a part of a block hands on; NULL where blocks are run whole */
    size_t hidden_bytes;   /* of both in memory */
    float *x;              /* [length, width], the window being run */
    float *y;              /* [length, pl_forward_between()], the same of between */
    size_t loaded;         /* the block that parts are loaded of; SIZE_MAX: none */
    pl_site_role seeing;   /* in parts: the role whose inputs are observed */
    const pl_hooks *inner; /* what the inputs of the roles before it are given to, or NULL */
    float *scratch;        /* [width] */
    pl_stats **stats;      /* [most sites of a block] accumulators of the running round */
    pl_pass *original;     /* walks along, or NULL */
    pl_cross **cross;      /* [most sites of a block], where it does; of that pass itself: borrowed,
                              what its inputs are noted in */
    size_t first_site;     /* of the block being run */
    size_t most_sites;
    pl_massive *massive;
    size_t n_massive, massive_capacity;
    uint32_t massive_block, massive_position; /* of the row being scanned */
    int32_t massive_token;
    bool massive_failed;
    pl_massive nearest; /* to being one, where none is in its row */
    float nearest_share;
    bool note_massive;
    pl_task *task;
};

/* What is summed up at a site of the block. */
static void drop_site(pl_pass *pass, size_t i)
{
    pl_stats_destroy(pass->stats[i]);
    pass->stats[i] = NULL;
    if (pass->original != NULL) { /* else it is borrowed */
        pl_cross_destroy(pass->cross[i]);
        pass->cross[i] = NULL;
    }
}

void pl_pass_destroy(pl_pass *pass)
{
    if (pass == NULL) {
        return;
    }
    for (size_t i = 0; pass->stats != NULL && i < pass->most_sites; i++) {
        drop_site(pass, i);
    }
    free(pass->original != NULL ? pass->cross : NULL);
    free(pass->stats);
    pl_forward_destroy(pass->forward);
    pl_hidden_destroy(pass->hidden);
    pl_hidden_destroy(pass->between);
    free(pass->y);
    free(pass->starts);
    free(pass->keep);
    free(pass->keep_at);
    free(pass->x);
    free(pass->scratch);
    free(pass->massive);
    free(pass);
}

/* Selection sampling (Knuth, TAOCP 3.4.2 S): every set of rows is equally likely, rows come out
 * in order, and the choice depends on nothing but the seed and the counts. */
static void draw_sample(pl_pass *pass)
{
    const size_t total = pass->spec.protocol.windows * pass->spec.protocol.length;
    const size_t length = pass->spec.protocol.length;
    const bool random = pass->spec.protocol.sample == PL_SAMPLE_RANDOM;
    size_t want = pass->spec.sample_rows < total ? pass->spec.sample_rows : total;
    size_t have = 0;
    pl_rng rng;
    pl_rng_init(&rng, random ? pass->spec.protocol.seed : 0);
    for (size_t i = 0; i < total; i++) {
        if (i % length == 0) {
            pass->keep_at[i / length] = have;
        }
        if (have < want && pl_rng_below(&rng, total - i) < want - have) {
            pass->keep[have++] = (uint32_t)(i % length);
        }
    }
    pass->keep_at[pass->spec.protocol.windows] = have;
}

pl_status pl_pass_create(const pl_calib_spec *spec, pl_pass **out, pl_error *err)
{
    *out = NULL;
    const pl_protocol *p = &spec->protocol;
    const size_t width = pl_model_config(spec->model)->hidden_size;
    pl_pass *pass = calloc(1, sizeof *pass);
    size_t total = 0, values = 0;
    if (!pl_mul(p->windows, p->length, &total) || !pl_mul(p->length, width, &values) ||
        total > UINT32_MAX || spec->tokens->count > UINT32_MAX) {
        free(pass);
        return pl_error_set(err, PL_ERR_USAGE,
                            "%zu windows of %zu tokens, expected fewer than 2^32 tokens",
                            p->windows, p->length);
    }
    bool fits = pass != NULL;
    if (fits) {
        const size_t rows = spec->sample_rows < total ? spec->sample_rows : total;
        pass->spec = *spec;
        pass->end = p->windows;
        pass->width = width;
        pass->loaded = SIZE_MAX;
        pass->starts = pl_alloc(p->windows, sizeof *pass->starts);
        pass->keep = pl_alloc(rows, sizeof *pass->keep);
        pass->keep_at = pl_alloc(p->windows + 1, sizeof *pass->keep_at);
        pass->x = pl_alloc(values, sizeof(float));
        pass->scratch = pl_alloc(width, sizeof(float));
        pass->most_sites = pl_model_most_block_sites(spec->model);
        pass->stats = calloc(pass->most_sites, sizeof *pass->stats);
        fits = pass->starts != NULL && pass->keep != NULL && pass->keep_at != NULL &&
               pass->x != NULL && pass->scratch != NULL && pass->stats != NULL;
    }
    pl_status status = fits ? pl_protocol_starts(p, spec->tokens->count, pass->starts, err)
                            : pl_error_memory(err, "windows of %zu tokens", p->length);
    if (status == PL_OK) {
        draw_sample(pass);
        status = pl_forward_create(spec->model, p->length, &pass->forward, err);
    }
    if (status != PL_OK) {
        pl_pass_destroy(pass);
        return status;
    }
    *out = pass;
    return PL_OK;
}

void pl_pass_narrow(pl_pass *pass, size_t first, size_t count)
{
    pass->begin = first;
    pass->end = first + count;
    if (pass->original != NULL) {
        pl_pass_narrow(pass->original, first, count);
    }
}

static size_t windows_of(const pl_pass *pass)
{
    return pass->end - pass->begin;
}

/* Of the sample: those of the pass's windows. */
static size_t pass_sample_rows(const pl_pass *pass)
{
    return pass->keep_at[pass->end] - pass->keep_at[pass->begin];
}

/* What a block needs besides hidden states and accumulators: its weights in float32, one
 * tensor as the file holds it, the work space of a window, and what the process has anyway. */
static double fixed_bytes(const pl_pass *pass, size_t block)
{
    const pl_model *model = pass->spec.model;
    double weights = 0.0, largest = 0.0, widest = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        const double bytes = 4.0 * (double)layer->rows * (double)layer->cols;
        if (layer->block == block) {
            weights += bytes;
            largest = bytes > largest ? bytes : largest;
            /* Experts take turns in the same work space. */
            const bool counts = layer->expert == 0 || layer->expert >= PL_SHARED_EXPERT;
            widest += counts ? (double)layer->rows + (double)layer->cols : 0.0;
        }
    }
    const double beside = pass->original != NULL ? fixed_bytes(pass->original, block) : 0.0;
    return beside + weights + largest + 4.0 * (double)pass->spec.protocol.length * widest +
           (double)(96u << 20);
}

static double stats_bytes(const pl_pass *pass, size_t site)
{
    const size_t cols = pl_model_site(pass->spec.model, site)->cols;
    const size_t cross = pass->original != NULL
                             ? pl_cross_bytes(cols, windows_of(pass), pass->spec.protocol.length)
                             : 0;
    return (double)cross + (double)pl_stats_bytes(cols, windows_of(pass), pass_sample_rows(pass));
}

/* A block with all its accumulators fits the limit beside so many bytes. */
static bool fits_limit(const pl_pass *pass, size_t block, double bytes)
{
    size_t first = 0;
    const size_t count = pl_model_block_sites(pass->spec.model, block, &first);
    bytes += fixed_bytes(pass, block);
    for (size_t i = 0; i < count; i++) {
        bytes += stats_bytes(pass, first + i);
    }
    return pass->spec.memory_limit == 0 || bytes <= (double)pass->spec.memory_limit;
}

pl_status pl_pass_start(pl_pass *pass, bool parts, const char *folder, pl_task *task, pl_error *err)
{
    const pl_protocol *p = &pass->spec.protocol;
    const size_t values = p->length * pass->width;
    const size_t between = parts ? p->length * pl_forward_between(pass->forward) : 0;
    pl_hidden *hidden = NULL, *second = NULL;
    pl_status status =
        pass->original != NULL ? pl_pass_start(pass->original, parts, folder, task, err) : PL_OK;
    const size_t beside = pass->original != NULL ? pass->original->hidden_bytes : 0;
    const bool in_memory = fits_limit(
        pass, 0, (double)beside + 4.0 * (double)windows_of(pass) * (double)(values + between));
    if (status != PL_OK) {
        return status;
    }
    status = pl_hidden_create(windows_of(pass), values, in_memory ? NULL : folder, &hidden, err);
    if (status == PL_OK && parts) {
        pass->y = pl_alloc(between, sizeof *pass->y);
        status = pass->y != NULL ? pl_hidden_create(windows_of(pass), between,
                                                    in_memory ? NULL : folder, &second, err)
                                 : pl_error_memory(err, "windows of %zu tokens", p->length);
    }
    for (size_t w = pass->begin; status == PL_OK && w < pass->end; w++) {
        status = pl_task_tick(task, err);
        PL_THEN(pl_forward_embed(pass->forward, pass->spec.tokens->ids + pass->starts[w], p->length,
                                 pass->x, err));
        PL_THEN(pl_hidden_write(hidden, w - pass->begin, pass->x, err));
    }
    if (status != PL_OK) {
        pl_hidden_destroy(hidden);
        pl_hidden_destroy(second);
        free(pass->y);
        pass->y = NULL;
        return status;
    }
    pass->hidden = hidden;
    pass->between = second;
    pass->hidden_bytes = in_memory ? windows_of(pass) * (values + between) * sizeof(float) : 0;
    pass->hidden_bytes += beside;
    return PL_OK;
}

pl_status pl_pass_compare(pl_pass *pass, pl_pass *original, pl_error *err)
{
    pass->cross = calloc(pass->most_sites, sizeof *pass->cross);
    if (pass->cross == NULL) {
        return pl_error_memory(err, "a block's sites");
    }
    pass->original = original;
    original->cross = pass->cross;
    return PL_OK;
}

bool pl_pass_started(const pl_pass *pass)
{
    return pass->hidden != NULL;
}

const pl_massive *pl_pass_massive(const pl_pass *pass, size_t *count)
{
    *count = pass->n_massive;
    return pass->massive;
}

const pl_massive *pl_pass_nearest(const pl_pass *pass)
{
    return pass->nearest_share > 0.0f ? &pass->nearest : NULL;
}

float pl_pass_nearest_share(const pl_pass *pass)
{
    return pass->nearest_share;
}

static pl_status observe_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                               size_t cols, pl_error *err)
{
    pl_pass *pass = ctx;
    const pl_site *at = pl_model_site(pass->spec.model, site);
    pl_stats *stats = pass->stats[site - pass->first_site];
    if (pl_model_is_before(pass->spec.model, at->role, pass->seeing)) {
        const bool replaced = pass->inner != NULL && pass->inner->input != NULL;
        return replaced ? pass->inner->input(pass->inner->ctx, site, window, x, rows, cols, err)
                        : PL_OK;
    }
    if (pass->cross != NULL && pass->original == NULL) { /* the one that walks along */
        pl_cross *noted = pass->cross[site - pass->first_site];
        return noted != NULL ? pl_cross_note(noted, x, rows, pl_forward_rows(pass->forward), err)
                             : PL_OK;
    }
    if (stats == NULL) {
        return PL_OK;
    }
    const size_t start = pass->starts[window];
    const size_t first = pass->keep_at[window];
    pl_status status =
        pl_stats_add_routed(stats, window, x, rows, pl_forward_rows(pass->forward), start,
                            pass->spec.tokens->ids + start, pass->keep + first,
                            pass->keep_at[window + 1] - first, pass->task, err);
    if (status == PL_ERR_NUMERIC) {
        pl_error_prefix(err, "%s: ", at->name);
    }
    if (status == PL_OK && pass->original != NULL) {
        status = pl_cross_add(pass->cross[site - pass->first_site], window, x, rows,
                              pl_forward_rows(pass->forward), err);
    }
    return status;
}

/* A latent vector is cached before its site's layers see it. */
static pl_status observe_value(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                               pl_error *err)
{
    const pl_hooks *inner = ((pl_pass *)ctx)->inner;
    return inner != NULL && inner->value != NULL
               ? inner->value(inner->ctx, block, x, rows, cols, err)
               : PL_OK;
}

/* In the row being scanned. */
static pl_massive massive_at(const pl_pass *pass, size_t channel, float value, float median)
{
    return (pl_massive){
        .block = pass->massive_block,
        .position = pass->massive_position,
        .channel = (uint32_t)channel,
        .token = pass->massive_token,
        .value = value,
        .median = median,
    };
}

static void note_massive(void *ctx, size_t channel, float value, float median)
{
    pl_pass *pass = ctx;
    if (pass->n_massive == PL_PASS_MASSIVE) {
        return;
    }
    if (pass->n_massive == pass->massive_capacity) {
        size_t capacity = pass->massive_capacity > 0 ? 2 * pass->massive_capacity : 64;
        pl_massive *more = realloc(pass->massive, capacity * sizeof *more);
        if (more == NULL) {
            pass->massive_failed = true;
            return;
        }
        pass->massive = more;
        pass->massive_capacity = capacity;
    }
    pass->massive[pass->n_massive++] = massive_at(pass, channel, value, median);
}

static pl_status observe_residual(void *ctx, size_t block, size_t window, const float *x,
                                  size_t rows, size_t hidden, pl_error *err)
{
    pl_pass *pass = ctx;
    size_t channel = 0;
    float median = 0;
    if (!pass->note_massive) {
        return PL_OK;
    }
    for (size_t r = 0; r < rows; r++) {
        pass->massive_block = (uint32_t)block;
        pass->massive_position = (uint32_t)(pass->starts[window] + r);
        pass->massive_token = pass->spec.tokens->ids[pass->starts[window] + r];
        pl_massive_scan(x + r * hidden, hidden, pass->scratch, note_massive, pass);
        if (pl_massive_nearer(x + r * hidden, hidden, pass->scratch, &pass->nearest_share, &channel,
                              &median)) {
            pass->nearest = massive_at(pass, channel, x[r * hidden + channel], median);
        }
    }
    return pass->massive_failed ? pl_error_memory(err, "the massive activations") : PL_OK;
}

/* One round: which sites it observes, and how far the walk has come, for the progress. */
typedef struct round_plan {
    size_t begin_site, end_site; /* of the block's, of which the wanted ones */
    bool observe;                /* any of them */
    bool advance;
    bool first;          /* of the rounds, in which a part is run */
    double begin, share; /* of the whole walk, 0..1 */
} round_plan;

/* What the pass of the original model does beside a step. */
static pl_pass_step original_step(const pl_pass_step *step)
{
    pl_pass_step along = *step;
    along.hooks = NULL;
    along.massive = along.progress = false;
    return along;
}

/* A window through the whole block. */
static pl_status run_window(pl_pass *pass, const pl_pass_step *step, const round_plan *plan,
                            size_t w, pl_task *task, pl_error *err)
{
    const pl_hooks observe = {.ctx = pass, .input = observe_input, .residual = observe_residual};
    const bool watch = plan->observe || pass->note_massive;
    /* What is kept in memory and goes on need not be copied out and in. */
    const size_t at = w - pass->begin;
    float *place = plan->advance ? pl_hidden_place(pass->hidden, at) : NULL;
    float *x = place != NULL ? place : pass->x;
    pl_status status = place != NULL ? PL_OK : pl_hidden_read(pass->hidden, at, x, err);
    PL_THEN(pl_forward_run(pass->forward, x, pass->spec.protocol.length, w,
                           watch ? &observe : step->hooks, task, err));
    if (status == PL_OK && plan->advance && place == NULL) {
        status = pl_hidden_write(pass->hidden, at, x, err);
    }
    return status;
}

/* Whether a part changes the stream. */
static bool is_last(pl_site_role role)
{
    return role == PL_SITE_O || role == PL_SITE_DOWN;
}

/* A window through one part of the block, and on to the inputs of the next. */
static pl_status run_part(pl_pass *pass, const pl_pass_step *step, const round_plan *plan, size_t w,
                          pl_task *task, pl_error *err)
{
    const pl_hooks observe = {.ctx = pass, .input = observe_input, .value = observe_value};
    const size_t length = pass->spec.protocol.length;
    pl_forward *f = pass->forward;
    const bool runs = step->run != PL_SITE_ROLE_COUNT && plan->first;
    const bool made = runs && !is_last(step->run); /* what is between the parts */
    const size_t at = w - pass->begin;
    float *place = pl_hidden_place(pass->hidden, at), *next = pl_hidden_place(pass->between, at);
    float *x = place != NULL ? place : pass->x, *y = next != NULL ? next : pass->y;
    pl_status status = place != NULL ? PL_OK : pl_hidden_read(pass->hidden, at, x, err);
    /* These read what the part before has handed on. */
    const pl_site_role role = runs ? step->run : step->see;
    if (status == PL_OK && next == NULL && (is_last(role) || role == PL_SITE_LATENT)) {
        status = pl_hidden_read(pass->between, at, y, err);
    }
    if (runs) {
        PL_THEN(pl_forward_part_run(f, step->run, x, y, length, w, step->hooks, task, err));
    }
    if (plan->observe) {
        PL_THEN(pl_forward_part_see(f, step->see, x, y, length, w, &observe, task, err));
    }
    if (status == PL_OK && next == NULL && made) {
        status = pl_hidden_write(pass->between, at, y, err);
    }
    if (status == PL_OK && place == NULL && runs && !made) {
        status = pl_hidden_write(pass->hidden, at, x, err);
    }
    return status;
}

static pl_status run_windows(pl_pass *pass, const pl_pass_step *step, const round_plan *plan,
                             pl_task *task, pl_error *err)
{
    const pl_protocol *p = &pass->spec.protocol;
    const double total = (double)p->windows * (double)p->length;
    pass->task = task;
    pass->note_massive = step->massive && plan->advance;
    pass->seeing = step->parts ? step->see : PL_SITE_QKV;
    pass->inner = step->hooks;
    const pl_pass_step along = original_step(step);
    if (pass->original != NULL) {
        pass->original->seeing = pass->seeing;
    }
    for (size_t w = pass->begin; w < pass->end; w++) {
        pl_status status = pass->original == NULL ? PL_OK
                           : step->parts ? run_part(pass->original, &along, plan, w, task, err)
                                         : run_window(pass->original, &along, plan, w, task, err);
        if (status != PL_OK) {
            return status;
        }
        status = step->parts ? run_part(pass, step, plan, w, task, err)
                             : run_window(pass, step, plan, w, task, err);
        if (status != PL_OK) {
            return status;
        }
        if (step->progress) {
            const double part = (double)(w + 1 - pass->begin) / (double)windows_of(pass);
            pl_task_progress(task, "tokens", total * (plan->begin + plan->share * part), total);
        }
    }
    return PL_OK;
}

static bool wanted(const pl_pass_step *step, size_t i)
{
    return step->want != NULL && step->want[i];
}

/* Accumulators of more channels than this are given back between two blocks. */
enum { KEPT = 2048 };

static pl_status finish_part(pl_pass *pass, const pl_pass_step *step, size_t i, pl_error *err)
{
    pl_stats_part part;
    pl_status status = pl_stats_part_of(pass->stats[i], &part, err);
    if (status == PL_OK && pass->original != NULL) {
        part.cross = pl_cross_part(pass->cross[i]);
    }
    PL_THEN(step->part_sink(step->ctx, pass->first_site + i, &part, err));
    drop_site(pass, i);
    return status;
}

static pl_status finish_site(pl_pass *pass, const pl_pass_step *step, size_t i, pl_error *err)
{
    const size_t site = pass->first_site + i;
    pl_site_stats stats = {0};
    pl_status status = pl_stats_finish_packed(pass->stats[i], &stats, err);
    if (status == PL_ERR_NUMERIC) {
        pl_error_prefix(err, "%s: ", pl_model_site(pass->spec.model, site)->name);
    }
    if (status == PL_OK && pass->original != NULL) {
        stats.cross = pl_cross_take(pass->cross[i], stats.tokens);
        pl_cross_destroy(pass->cross[i]);
        pass->cross[i] = NULL;
    }
    PL_THEN(step->sink(step->ctx, site, &stats, err));
    const size_t cols = pl_model_site(pass->spec.model, site)->cols;
    if (status == PL_OK && (step->advance || step->parts) && cols <= KEPT) {
        pl_stats_restart(pass->stats[i], &stats); /* for the next block */
    } else {
        drop_site(pass, i);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

/* The sites of a round end together, each on one thread: what is left is copying, hashing and
 * writing.  The error is that of the first site in order. */
static pl_status finish_round(pl_pass *pass, const pl_pass_step *step, const round_plan *plan,
                              pl_error *err)
{
    size_t failed = SIZE_MAX;
    pl_status status = PL_OK;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t back = plan->end_site; back > plan->begin_site; back--) {
        const size_t i = back - 1; /* the widest site of a block is its last */
        if (!wanted(step, i)) {
            continue;
        }
        pl_error mine = {0};
        const pl_status ended = step->part_sink != NULL ? finish_part(pass, step, i, &mine)
                                                        : finish_site(pass, step, i, &mine);
        if (ended != PL_OK) {
#pragma omp critical(pl_pass_failure)
            if (i < failed) {
                failed = i;
                status = pl_error_set(err, ended, "%s", mine.message);
            }
        }
    }
    return status;
}

/* An accumulator for a site: the one the block before has left, if it is of the same size, or that
 * of a site which is not observed now. */
static pl_status prepare_site(pl_pass *pass, const pl_pass_step *step, size_t i, pl_error *err)
{
    const size_t windows = pass->spec.protocol.windows, rows = pass_sample_rows(pass);
    const size_t cols = pl_model_site(pass->spec.model, pass->first_site + i)->cols;
    /* Blocks before may have had more of them. */
    const size_t sites = pl_model_block_sites(pass->spec.model, step->block, &(size_t){0});
    if (pass->stats[i] != NULL && pl_stats_fits(pass->stats[i], cols, windows, rows)) {
        return PL_OK;
    }
    drop_site(pass, i);
    for (size_t other = 0; step->parts && other < pass->most_sites; other++) {
        if (pass->stats[other] != NULL && (other >= sites || !wanted(step, other)) &&
            pl_stats_fits(pass->stats[other], cols, windows, rows)) {
            pass->stats[i] = pass->stats[other];
            pass->stats[other] = NULL;
            return PL_OK;
        }
    }
    return pl_stats_create(cols, windows, rows, &pass->stats[i], err);
}

static pl_status run_round(pl_pass *pass, const pl_pass_step *step, const round_plan *plan,
                           pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    /* The accumulators of other parts may stay where there is room, else it is for this round's. */
    const bool roomy = step->parts && fits_limit(pass, step->block, (double)pass->hidden_bytes);
    for (size_t i = 0; !roomy && i < pass->most_sites; i++) {
        if (i < plan->begin_site || i >= plan->end_site || !wanted(step, i)) {
            drop_site(pass, i);
        }
    }
    for (size_t i = plan->begin_site; status == PL_OK && i < plan->end_site; i++) {
        if (wanted(step, i)) {
            status = prepare_site(pass, step, i, err);
            if (status == PL_OK && pass->original != NULL) {
                status =
                    pl_cross_create(pl_model_site(pass->spec.model, pass->first_site + i)->cols,
                                    pass->spec.protocol.windows, &pass->cross[i], err);
            }
        }
    }
    PL_THEN(run_windows(pass, step, plan, task, err));
    if (status == PL_OK && plan->observe) {
        status = finish_round(pass, step, plan, err);
    }
    for (size_t i = 0; status != PL_OK && i < pass->most_sites; i++) {
        drop_site(pass, i);
    }
    return status;
}

/* Fills plans[sites + 1] with the rounds that keep the accumulators of each within the limit. */
static pl_status plan_rounds(const pl_pass *pass, const pl_pass_step *step, size_t sites,
                             round_plan *plans, size_t *count, pl_error *err)
{
    const double limit = pass->spec.memory_limit > 0 ? (double)pass->spec.memory_limit : 1e300;
    const double fixed = fixed_bytes(pass, step->block) + (double)pass->hidden_bytes;
    double used = fixed;
    size_t round = 0;
    plans[0] = (round_plan){.end_site = sites};
    for (size_t i = 0; i < sites; i++) {
        if (!wanted(step, i)) {
            continue;
        }
        const double need = stats_bytes(pass, pass->first_site + i);
        if (fixed + need > limit) {
            return pl_error_set(err, PL_ERR_MEMORY,
                                "%s: its statistics need %.0f MB in all, the memory limit is %.0f "
                                "MB",
                                pl_model_site(pass->spec.model, pass->first_site + i)->name,
                                (fixed + need) / 1e6, limit / 1e6);
        }
        if (used + need > limit) {
            plans[round].end_site = i;
            plans[++round] = (round_plan){.begin_site = i, .end_site = sites};
            used = fixed;
        }
        used += need;
        plans[round].observe = true;
    }
    *count = round + 1;
    const double blocks = (double)pl_model_config(pass->spec.model)->blocks;
    for (size_t i = 0; i <= round; i++) {
        plans[i].first = i == 0;
        plans[i].advance = step->advance && i == round;
        plans[i].share = 1.0 / (blocks * (double)*count);
        plans[i].begin = (double)step->block / blocks + (double)i * plans[i].share;
    }
    return PL_OK;
}

static pl_status load(pl_pass *pass, const pl_pass_step *step, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    if (!step->parts) {
        pass->loaded = SIZE_MAX;
        return pl_forward_load(pass->forward, step->block, step->hooks, task, err);
    }
    if (pass->loaded != step->block) {
        pass->loaded = SIZE_MAX;
        status = pl_forward_part_begin(pass->forward, step->block, err);
        pass->loaded = status == PL_OK ? step->block : SIZE_MAX;
    }
    return status == PL_OK && step->run != PL_SITE_ROLE_COUNT
               ? pl_forward_part_load(pass->forward, step->run, step->hooks, task, err)
               : status;
}

pl_status pl_pass_block(pl_pass *pass, const pl_pass_step *step, pl_task *task, pl_error *err)
{
    size_t rounds = 0;
    const size_t sites = pl_model_block_sites(pass->spec.model, step->block, &pass->first_site);
    round_plan *plans = calloc(sites + 1, sizeof *plans);
    pl_status status = plans != NULL ? plan_rounds(pass, step, sites, plans, &rounds, err)
                                     : pl_error_memory(err, "a block's sites");
    if (status == PL_OK && pass->original != NULL) {
        const pl_pass_step along = original_step(step);
        pass->original->first_site = pass->first_site;
        status = load(pass->original, &along, task, err);
    }
    PL_THEN(load(pass, step, task, err));
    for (size_t i = 0; status == PL_OK && i < rounds; i++) {
        if (plans[i].observe || plans[i].advance || (step->parts && plans[i].first)) {
            status = run_round(pass, step, &plans[i], task, err);
        }
    }
    free(plans);
    return status;
}
