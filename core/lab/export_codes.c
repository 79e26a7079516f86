/* The codes of rounded layers, as a packed layout holds them: taken from the store as they are, or,
 * where that is asked for, rounded anew onto a grid that the layout has. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/lab/export_parts.h"
#include "core/lab/results.h"
#include "core/lab/weights.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t common_divisor(size_t a, size_t b)
{
    while (b != 0) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static const pl_layer *layer_of(const pl_exporter *x, const pl_export_item *it, size_t i)
{
    return pl_model_layer(x->model, pl_export_layer(it, i));
}

/* --- the grid --------------------------------------------------------------------------------- */

/* Grid and key of a layer's codes.  *why: NULL, or why it has none in the model's coordinates. */
static pl_status layer_grid(const pl_exporter *x, size_t layer, pl_grid *grid, pl_id *rounded,
                            const char **why, pl_error *err)
{
    const pl_layer *info = pl_model_layer(x->model, layer);
    const pl_id *result = pl_state_result(x->cx.state, layer);
    pl_result parts = {0};
    pl_error cause = {0};
    *why = NULL;
    pl_status status = result != NULL ? pl_result_read(x->cx.lab, x->cx.state, layer, *result,
                                                       &parts, NULL, &cause)
                                      : PL_ERR_NOT_FOUND;
    if (status == PL_OK && pl_state_is_imported(x->cx.state, layer)) {
        *why = "its weights are imported";
        return PL_OK;
    }
    const bool behind = parts.has_transform && !x->spec->fold; /* a folded model has T in it */
    if (status == PL_OK && (!parts.has_rounded || behind)) {
        *why = behind ? "its codes are behind a transform, which stays in its input"
                      : "it is not rounded";
        return PL_OK;
    }
    *rounded = parts.rounded;
    PL_THEN(pl_result_read_grid(x->cx.lab, parts.rounded, grid, &cause));
    const char *element = x->packing != NULL ? x->packing->element : NULL;
    if (status == PL_OK && element == NULL && grid->format->steps == NULL && !x->spec->gguf) {
        *why = "its codes are not evenly spaced";
    } else if (status == PL_OK && element != NULL && strcmp(grid->format->key, element) != 0) {
        *why = "its codes are of another number format";
    }
    return status == PL_OK ? PL_OK
                           : pl_result_unreadable(x->cx.lab, info->name, "its solved weights are",
                                                  "solve", status, &cause, err);
}

static bool has_width(const pl_packing *packing, int bits)
{
    return (packing->bits & 1u << bits) != 0;
}

/* The next width above that the layout has; 0: none. */
static int wider_than(const pl_packing *packing, int bits)
{
    do {
        bits++;
    } while (bits <= 8 && !has_width(packing, bits));
    return bits <= 8 ? bits : 0;
}

/* The grid that the layout has nearest to one: as many bits or more, scales of its type. */
static void fit_grid(const pl_packing *packing, pl_grid *grid)
{
    const int wider = has_width(packing, grid->bits) ? 0 : wider_than(packing, grid->bits);
    grid->bits = wider > 0 ? wider : grid->bits;
    while (!has_width(packing, grid->bits)) {
        grid->bits--;
    }
    grid->format = grid->format->steps != NULL ? grid->format : pl_format_find("full");
    if (packing->scale_dtype != PL_DTYPE_OTHER) {
        grid->scale_dtype = packing->scale_dtype;
    }
}

static pl_status refuse_codes(const pl_exporter *x, const pl_export_item *it, const char *why,
                              pl_error *err)
{
    return pl_error_set(err, PL_ERR_STATE, "export: %s: format=%s cannot hold it exactly: %s%s",
                        it->name, x->packing->name, why,
                        x->spec->lossy ? "" : " (lossy=yes rounds it anew and says what is lost)");
}

/* Whether the item is packed, under which grid, and whether its own codes can be taken. */
static pl_status plan_grid(pl_exporter *x, pl_export_item *it, pl_error *err)
{
    const char *why = NULL;
    char bits[80];
    size_t solved = 0;
    pl_id rounded;
    pl_status status = PL_OK;
    for (size_t i = 0; i < it->n_layers; i++) {
        solved += pl_state_result(x->cx.state, pl_export_layer(it, i)) != NULL;
    }
    if (solved == 0) {
        return PL_OK;
    }
    const bool linear = it->n_dims == 2 && pl_text_ends(it->name, ".weight");
    for (size_t i = 0; status == PL_OK && why == NULL && i < it->n_layers; i++) {
        pl_grid grid = {0};
        status = solved < it->n_layers
                     ? PL_OK
                     : layer_grid(x, pl_export_layer(it, i), &grid, &rounded, &why, err);
        if (status == PL_OK && why == NULL && i > 0 &&
            (grid.bits != it->grid.bits || grid.format != it->grid.format ||
             grid.group_size != it->grid.group_size ||
             pl_grid_block_rows(&grid) != pl_grid_block_rows(&it->grid))) {
            why = "the layers in it have different grids";
        }
        it->grid = i == 0 ? grid : it->grid;
    }
    why = solved < it->n_layers ? "some of the layers in it are not solved" : why;
    if (status != PL_OK) {
        return status;
    }
    it->own_bits = it->grid.bits;
    if (why == NULL && !has_width(x->packing, it->grid.bits)) {
        const int wider = wider_than(x->packing, it->grid.bits);
        snprintf(bits, sizeof bits, "it has codes of %d bits", it->grid.bits);
        why = wider > 0 ? NULL : bits;
        it->grid.bits = wider > 0 ? wider : it->grid.bits;
    }
    if (it->transposed) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: %s: format=%s has no layer whose file holds it as [in, out] "
                            "(Conv1D): expected format=hf",
                            it->name, x->packing->name);
    }
    if (!linear) {
        return refuse_codes(x, it, "it is no linear layer's own tensor", err);
    }
    if (why == NULL && x->packing->element != NULL && it->grid.group_size > 0 &&
        pl_grid_block_rows(&it->grid) == 1 && it->dims[1] % it->grid.group_size != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: %s: format=%s holds whole blocks of %zu inputs, and the layer "
                            "has %zu: expected format=hf, or on=GLOB of the rounder for the layers "
                            "that fit",
                            it->name, x->packing->name, it->grid.group_size, (size_t)it->dims[1]);
    }
    if (why != NULL && x->packing->element != NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "export: %s: format=%s cannot hold it exactly: %s (`method rtn "
                            "format=%s` or another rounder makes such codes%s)",
                            it->name, x->packing->name, why, x->packing->element,
                            x->spec->lossy ? "; lossy=yes rounds anew to integers alone" : "");
    }
    if (why != NULL && !x->spec->lossy) {
        return refuse_codes(x, it, why, err);
    }
    if (why != NULL) {
        const pl_spec *round = &x->cx.state->slots[PL_SLOT_ROUND];
        if (it->grid.bits == 0 && round->method == NULL) {
            return refuse_codes(x, it, "no rounder says onto which bits (`method rtn bits=4`)",
                                err);
        }
        it->grid = it->grid.bits == 0 ? pl_spec_grid(round) : it->grid;
        it->requantized = true;
        fit_grid(x->packing, &it->grid);
    }
    it->packed = true;
    it->module.name = strndup(it->name, strlen(it->name) - strlen(".weight"));
    return it->module.name != NULL ? PL_OK : pl_export_no_memory(err);
}

/* As codes of more bits, which give the same weights: around a middle that is further up. */
static void widen_codes(pl_codes *codes, int bits)
{
    const int up = codes->symmetric ? (1 << (bits - 1)) - (1 << (codes->bits - 1)) : 0;
    for (size_t i = 0; up > 0 && i < codes->rows * codes->cols; i++) {
        codes->codes[i] = (uint8_t)(codes->codes[i] + up);
    }
    for (size_t i = 0; up > 0 && i < codes->rows * codes->groups; i++) {
        codes->zeros[i] = (int16_t)(codes->zeros[i] + up);
    }
    codes->bits = bits;
}

/* Columns that share a scale in the file: the most that divides a row and every group in it. */
static size_t item_group(const pl_export_item *it)
{
    const size_t cols = (size_t)it->dims[1];
    if (pl_grid_block_rows(&it->grid) > 1) {
        return it->grid.group_size; /* the last block may be narrower */
    }
    return it->grid.group_size == 0 ? cols : common_divisor(it->grid.group_size, cols);
}

/* --- the codes -------------------------------------------------------------------------------- */

/* What each code of floats stands for at a scale of 1. */
static void fill_values(const pl_grid *grid, pl_codes *out)
{
    const float one = 1.0f;
    const int16_t none = 0;
    const uint32_t group = 0;
    for (int code = 0; code < 1 << grid->bits; code++) {
        const int16_t as_stored = (int16_t)code;
        grid->format->decode(&one, &none, &group, &as_stored, 1, &out->table[code]);
    }
    out->values = out->table;
}

/* A scale as the file will give it. */
static float as_stored(const pl_exporter *x, const pl_grid *grid, float scale, uint8_t *stored)
{
    float value = scale;
    uint32_t bits[1] = {0};
    if (x->packing != NULL && x->packing->stored_scale != NULL) {
        *stored = (uint8_t)pl_grid_stored_scale(grid, scale);
        return x->packing->stored_scale(*stored, pl_grid_tensor_scale(grid));
    }
    pl_dtype_encode(grid->scale_dtype, &scale, 1, bits);
    pl_dtype_decode(grid->scale_dtype, bits, 1, &value);
    return value;
}

/* A diagonal behind the layer, of a folded model, into its scales.  Whether they hold it exactly.
 */
static bool scale_rows(const pl_exporter *x, size_t layer, const pl_grid *grid, pl_codes *out)
{
    const float *factors = x->spec->fold ? pl_fold_row_factors(&x->fold, layer) : NULL;
    bool exact = true;
    for (size_t i = 0; factors != NULL && i < out->rows * out->groups; i++) {
        const double meant = (double)out->scales[i] * (double)factors[i / out->groups];
        out->scales[i] = as_stored(x, grid, (float)meant, &out->stored[i]);
        exact = exact && !(fabs((double)out->scales[i] - meant) > 0.0);
    }
    return exact;
}

pl_status pl_export_layer_codes(pl_exporter *x, size_t layer, pl_codes *out, const char **why,
                                pl_error *err)
{
    const pl_layer *info = pl_model_layer(x->model, layer);
    pl_grid grid;
    pl_id rounded;
    pl_qweights q = {0};
    *out = (pl_codes){0};
    pl_status status = layer_grid(x, layer, &grid, &rounded, why, err);
    if (status != PL_OK || *why != NULL) {
        return status;
    }
    pl_error cause = {0};
    status = pl_result_read_codes(x->cx.lab, rounded, info->rows, info->cols, &q, &cause);
    if (status != PL_OK) {
        return pl_result_unreadable(x->cx.lab, info->name, "its codes are", "solve", status, &cause,
                                    err);
    }
    status = pl_codes_init(out, info->rows, info->cols, q.groups, err);
    const bool around = !grid.format->zero_point && grid.format->steps != NULL;
    const int middle = around ? 1 << (grid.bits - 1) : 0;
    for (size_t i = 0; status == PL_OK && i < info->rows * info->cols; i++) {
        out->codes[i] = (uint8_t)(q.codes[i] + middle);
    }
    for (size_t i = 0; status == PL_OK && i < info->rows * q.groups; i++) {
        out->scales[i] = q.scales[i];
        out->zeros[i] = (int16_t)(q.zeros[i] + middle);
        out->stored[i] =
            grid.format->scale_bits > 0 ? (uint8_t)pl_grid_stored_scale(&q.grid, q.scales[i]) : 0;
    }
    if (status == PL_OK && grid.format->steps == NULL) {
        fill_values(&grid, out);
    }
    if (status == PL_OK) {
        out->whole = pl_grid_tensor_scale(&q.grid);
        memcpy(out->group_of, q.group_of, info->cols * sizeof *q.group_of);
    }
    if (status == PL_OK && !scale_rows(x, layer, &q.grid, out) && !x->spec->lossy) {
        *why = "the diagonal of the layer behind it does not go into its scales without rounding "
               "(powers=yes of the transform makes one that does)";
        pl_codes_deinit(out);
    }
    pl_qweights_deinit(&q);
    return status;
}

/* A layer's stored codes to rows from `first` on. */
static pl_status take_codes(pl_exporter *x, const pl_export_item *it, size_t layer, size_t first,
                            pl_codes *out, pl_error *err)
{
    const char *why = NULL;
    pl_codes own = {0};
    pl_status status = pl_export_layer_codes(x, layer, &own, &why, err);
    if (status == PL_OK && (why != NULL || own.groups != out->groups)) {
        status = refuse_codes(x, it, why != NULL ? why : "its groups are others than its grid says",
                              err);
    }
    if (status == PL_OK && first > 0 &&
        memcmp(out->group_of, own.group_of, own.cols * sizeof *own.group_of) != 0) {
        status = refuse_codes(x, it, "the layers in it have different groups", err);
    }
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): to the bit */
    if (status == PL_OK && first > 0 && memcmp(&out->whole, &own.whole, sizeof own.whole) != 0) {
        status = refuse_codes(x, it, "the layers in it have different scales of the tensor", err);
    }
    if (status == PL_OK) {
        const size_t params = own.rows * own.groups;
        out->whole = own.whole;
        memcpy(out->stored + first * own.groups, own.stored, params);
        memcpy(out->codes + first * own.cols, own.codes, own.rows * own.cols);
        memcpy(out->scales + first * own.groups, own.scales, params * sizeof *own.scales);
        memcpy(out->zeros + first * own.groups, own.zeros, params * sizeof *own.zeros);
        memcpy(out->group_of, own.group_of, own.cols * sizeof *own.group_of);
    }
    pl_codes_deinit(&own);
    return status;
}

/* A layer's weights rounded to nearest on the item's grid. */
static pl_status round_codes(pl_exporter *x, const pl_export_item *it, size_t layer, size_t first,
                             pl_codes *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(x->model, layer);
    pl_grid grid = it->grid;
    const int middle = grid.format->zero_point ? 0 : 1 << (grid.bits - 1);
    const size_t cols = info->cols, size = out->group_size;
    int16_t *codes = pl_alloc(size, sizeof *codes);
    pl_mat w = {0};
    pl_status status = codes == NULL ? pl_export_no_memory(err) : PL_OK;
    PL_THEN(pl_export_weights(x, layer, &w, err));
    for (size_t r = 0; status == PL_OK && r < info->rows; r++) {
        for (size_t g = 0; g < out->groups; g++) {
            const float *from = w.data + r * cols + g * size;
            const pl_grid_param param = pl_grid_fit(&grid, from, size, 1);
            const size_t at = (first + r) * out->groups + g;
            out->scales[at] = param.scale;
            out->zeros[at] = (int16_t)(param.zero + middle);
            pl_grid_codes(&grid, param, from, size, codes);
            for (size_t c = 0; c < size; c++) {
                out->codes[(first + r) * cols + g * size + c] = (uint8_t)(codes[c] + middle);
            }
        }
    }
    for (size_t c = 0; status == PL_OK && c < cols; c++) {
        out->group_of[c] = (uint32_t)(c / size);
    }
    free(codes);
    pl_mat_deinit(&w);
    return status;
}

pl_status pl_export_codes(pl_exporter *x, const pl_export_item *it, pl_codes *out, pl_error *err)
{
    const size_t rows = (size_t)it->dims[0], cols = (size_t)it->dims[1];
    const size_t size = x->group_size != 0 ? x->group_size : item_group(it);
    const size_t stored = it->requantized ? cols / size : pl_grid_groups(&it->grid, cols);
    size_t first = 0;
    pl_status status = pl_codes_init(out, rows, cols, stored, err);
    if (status == PL_OK) {
        out->bits = it->requantized ? it->grid.bits : it->own_bits;
        out->symmetric = !it->grid.format->zero_point;
        out->scale_dtype = it->grid.scale_dtype;
        out->block_rows = pl_grid_block_rows(&it->grid);
        out->group_size = it->requantized           ? size
                          : it->grid.group_size > 0 ? it->grid.group_size
                                                    : cols;
        out->in_order = true;
    }
    for (size_t i = 0; status == PL_OK && i < it->n_layers; i++) {
        status = it->requantized ? round_codes(x, it, pl_export_layer(it, i), first, out, err)
                                 : take_codes(x, it, pl_export_layer(it, i), first, out, err);
        first += layer_of(x, it, i)->rows;
        PL_THEN(pl_task_tick(x->cx.task, err));
    }
    if (status == PL_OK && !it->requantized) {
        for (size_t c = 0; c < cols; c++) {
            out->in_order = out->in_order && out->group_of[c] == c / out->group_size;
        }
        if (size != out->group_size) {
            status = pl_codes_split(out, size, err);
        }
        if (status == PL_OK && it->grid.bits > out->bits) {
            widen_codes(out, it->grid.bits);
        }
    }
    if (status != PL_OK) {
        pl_codes_deinit(out);
    }
    return status;
}

/* As it is in another type. */
static void round_to(pl_dtype dtype, float *values, size_t count, void *scratch)
{
    pl_dtype_encode(dtype, values, count, scratch);
    pl_dtype_decode(dtype, scratch, count, values);
}

pl_status pl_export_count_loaded(pl_exporter *x, const pl_codes *codes, pl_error *err)
{
    static const char *const names[] = {
        [PL_F32] = "float32", [PL_F16] = "float16", [PL_BF16] = "bfloat16"};
    const size_t cols = codes->cols, params = codes->rows * codes->groups;
    const size_t most = params > cols ? params : cols;
    float *scales = pl_alloc(params, sizeof *scales), *own = pl_alloc(cols, sizeof *own);
    float *loaded = pl_alloc(cols, sizeof *loaded), *scratch = pl_alloc(most, sizeof *scratch);
    pl_codes rounded = *codes;
    const bool room = scales != NULL && own != NULL && loaded != NULL && scratch != NULL;
    rounded.scales = scales;
    if (room) {
        memcpy(scales, codes->scales, params * sizeof *scales);
        if (x->packing->stored_scale == NULL) { /* those that are bytes are not cast */
            round_to(x->config_dtype, scales, params, scratch);
        }
        if (memcmp(scales, codes->scales, params * sizeof *scales) != 0) {
            x->report.scales_round = names[x->config_dtype];
        }
    }
    for (size_t r = 0; room && r < codes->rows; r++) {
        pl_codes_decode(codes, r, 1, own);
        pl_codes_decode(&rounded, r, 1, loaded);
        round_to(x->config_dtype, loaded, cols, scratch);
        for (size_t c = 0; c < cols; c++) {
            const double lost = (double)loaded[c] - (double)own[c];
            x->loaded_lost += lost * lost;
            x->loaded_whole += (double)own[c] * (double)own[c];
        }
    }
    free(scales);
    free(own);
    free(loaded);
    free(scratch);
    return room ? PL_OK : pl_export_no_memory(err);
}

/* Why the codes do not fit, though their grid does; NULL: they do. */
static const char *codes_misfit(const pl_packing *packing, const pl_codes *codes)
{
    const pl_dtype dtype = packing->scale_dtype;
    if (!codes->in_order && !packing->act_order) {
        return "its groups are not contiguous (act_order)";
    }
    for (size_t i = 0; dtype == PL_F16 && i < codes->rows * codes->groups; i++) {
        const float s = codes->scales[i], stored = pl_f16_to_f32(pl_f32_to_f16(s));
        if (stored < s || stored > s) {
            return "its scales are no float16 numbers (scale_dtype=f16)";
        }
    }
    return packing->misfit != NULL ? packing->misfit(codes) : NULL;
}

/* The next thing to try where codes do not fit: their own grid rounded anew, one without zero
 * points, one of more bits.  false: there is none. */
static bool next_grid(const pl_packing *packing, pl_export_item *it)
{
    if (!it->requantized) {
        it->requantized = true;
        fit_grid(packing, &it->grid);
        return true;
    }
    if (it->grid.format->zero_point) {
        it->grid.format = pl_format_find("full");
        return true;
    }
    const int wider = wider_than(packing, it->grid.bits);
    it->grid.bits = wider > 0 ? wider : it->grid.bits;
    return wider > 0;
}

/* Why the item's own codes do not fit: at their width, if no wider one helps. */
static const char *fit_codes(const pl_packing *packing, pl_export_item *it, pl_codes *codes)
{
    const char *why = codes_misfit(packing, codes);
    int bits = codes->bits;
    while (why != NULL && !it->requantized && codes->values == NULL &&
           (bits = wider_than(packing, bits)) > 0) {
        widen_codes(codes, bits);
        if (codes_misfit(packing, codes) == NULL) {
            it->grid.bits = bits;
            why = NULL;
        }
    }
    return why;
}

static pl_status plan_parts(pl_exporter *x, pl_export_item *it, pl_error *err)
{
    pl_codes codes = {0};
    const char *why = NULL;
    pl_status status = pl_export_codes(x, it, &codes, err);
    while (status == PL_OK && (why = fit_codes(x->packing, it, &codes)) != NULL && x->spec->lossy &&
           next_grid(x->packing, it)) {
        pl_codes_deinit(&codes);
        status = pl_export_codes(x, it, &codes, err);
    }
    if (status == PL_OK && why != NULL) {
        status = refuse_codes(x, it, why, err);
    }
    PL_THEN(x->packing->pack(&codes, x->spec->order, false, it->parts, &it->n_parts, err));
    for (size_t p = 0; status == PL_OK && p < it->n_parts; p++) {
        pl_buf name = {0};
        pl_buf_puts(&name, it->module.name);
        pl_buf_puts(&name, it->parts[p].ending);
        status = pl_buf_check(&name, err);
        it->part_names[p] = name.data;
    }
    const bool fp8 = x->packing->element != NULL && strcmp(x->packing->element, "fp8") == 0;
    const bool by_block = codes.block_rows > 1;
    it->whole = fp8 && !by_block && pl_codes_one_scale(&codes) ? codes.scales[0] : codes.whole;
    it->module.packed = true;
    it->module.bits = codes.bits;
    it->module.symmetric = codes.symmetric;
    it->module.in_order = codes.in_order;
    it->module.one_group = codes.groups == 1;
    it->module.one_scale = pl_codes_one_scale(&codes);
    it->module.by_block = by_block;
    it->module.group_size = codes.group_size;
    const size_t cols = (size_t)it->dims[1], asked = it->grid.group_size;
    it->cut = codes.group_size < (asked > 0 && asked < cols ? asked : cols);
    pl_codes_deinit(&codes);
    return status;
}

/* How far apart the scales of tensors are that a runtime fuses to one layer with one scale: those
 * of a site, which read one input (q, k and v; gate and up).  The largest over the smallest,
 * less 1. */
static pl_status find_scales_apart(pl_exporter *x, pl_error *err)
{
    const size_t sites = pl_model_site_count(x->model);
    float *least = calloc(sites + 1, sizeof *least), *most = calloc(sites + 1, sizeof *most);
    const bool room = least != NULL && most != NULL;
    for (size_t i = 0; room && i < x->n_items; i++) {
        const pl_export_item *it = &x->items[i];
        if (it->packed && it->whole > 0.0f) {
            const size_t site = pl_model_layer(x->model, it->layer)->site;
            least[site] = least[site] > 0.0f && least[site] < it->whole ? least[site] : it->whole;
            most[site] = most[site] > it->whole ? most[site] : it->whole;
            const double now = (double)most[site] / (double)least[site] - 1.0;
            x->report.fused_scales_apart =
                now > x->report.fused_scales_apart ? now : x->report.fused_scales_apart;
        }
    }
    free(least);
    free(most);
    return room ? PL_OK : pl_export_no_memory(err);
}

static void note_cut(pl_exporter *x, const pl_export_item *it)
{
    const size_t least = x->report.least_group;
    if (it->cut) {
        x->report.cut += it->n_layers;
        x->report.least_group =
            least == 0 || it->module.group_size < least ? it->module.group_size : least;
    }
}

pl_status pl_export_plan_codes(pl_exporter *x, pl_error *err)
{
    size_t shared = 0;
    bool one_group = true;
    pl_status status = PL_OK;
    if (pl_model_is_bare(x->model)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: format=%s needs a model with a config.json, and %s holds "
                            "matrices (format=hf)",
                            x->packing->name, pl_model_name(x->model));
    }
    for (size_t i = 0; status == PL_OK && i < x->n_items; i++) {
        pl_export_item *it = &x->items[i];
        status = it->layer != SIZE_MAX ? plan_grid(x, it, err) : PL_OK;
        if (status == PL_OK && it->packed) {
            one_group = one_group && item_group(it) == it->dims[1];
            shared = common_divisor(shared, item_group(it));
        }
    }
    x->group_size = x->packing->one_group_size && !one_group ? shared : 0;
    for (size_t i = 0; status == PL_OK && i < x->n_items; i++) {
        pl_export_item *it = &x->items[i];
        pl_task_progress(x->cx.task, "layers", (double)i, (double)x->n_items);
        if (it->packed) {
            status = plan_parts(x, it, err);
            x->report.packed += it->n_layers;
            x->report.requantized += it->requantized ? it->n_layers : 0;
            x->report.widened +=
                !it->requantized && it->grid.bits > it->own_bits ? it->n_layers : 0;
            note_cut(x, it);
        }
    }
    PL_THEN(find_scales_apart(x, err));
    if (status == PL_OK && x->report.packed == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "export: format=%s: no layer is rounded: `method gptq bits=4; solve "
                              "all` first",
                              x->packing->name);
    }
    return status;
}

/* --- what a configuration says ---------------------------------------------------------------- */

/* A matrix that a loader would take for a layer to quantize, unless it is told: the head, a
 * router, a layer that stays as it was.  An embedding is no linear layer. */
static bool is_left(const pl_export_item *it)
{
    return !it->packed && it->n_dims == 2 && pl_text_ends(it->name, ".weight") &&
           !pl_text_ends(it->name, "embed_tokens.weight");
}

pl_status pl_export_quantization(const pl_exporter *x, json_t **out, pl_error *err)
{
    static const char head[] = "lm_head";
    const unsigned before = pl_memory_failures();
    pl_pack_module *modules = calloc(x->n_items + 1, sizeof *modules);
    char **names = calloc(x->n_items + 1, sizeof *names);
    size_t count = 0;
    bool has_head = false;
    *out = NULL;
    pl_status status = modules == NULL || names == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t i = 0; status == PL_OK && x->packing != NULL && i < x->n_items; i++) {
        const pl_export_item *it = &x->items[i];
        if (it->packed) {
            modules[count++] = it->module;
        } else if (is_left(it)) {
            names[i] = strndup(it->name, strlen(it->name) - strlen(".weight"));
            modules[count++] = (pl_pack_module){.name = names[i]};
            has_head = has_head || (names[i] != NULL && strcmp(names[i], head) == 0);
            status = names[i] == NULL ? pl_export_no_memory(err) : PL_OK;
        }
    }
    if (status == PL_OK && x->packing != NULL) {
        if (!has_head) { /* tied to the embedding it is a linear layer all the same */
            modules[count++] = (pl_pack_module){.name = head};
        }
        *out = x->packing->config(modules, count, x->spec->order);
        status = *out == NULL ? pl_error_memory(err, "a quantization_config")
                              : pl_memory_check(before, err);
    }
    for (size_t i = 0; names != NULL && i < x->n_items; i++) {
        free(names[i]);
    }
    free(names);
    free(modules);
    return status;
}
