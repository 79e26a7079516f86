/* dump: the numbers behind a layer as .npy or .csv. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/usage.h"
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/io/npy.h"
#include "core/lab/weights.h"

#include <stdlib.h>
#include <string.h>

typedef enum dump_kind { DUMP_GRAM, DUMP_WEIGHTS, DUMP_INPUTS, DUMP_STATS, DUMP_COUNT } dump_kind;

static const char *const kind_names[] = {"gram", "weights", "inputs", "stats"};

/* Columns of `dump stats`, one row a channel. */
static const char *const stats_columns[] = {"max",      "mean_abs",       "rms",
                                            "kurtosis", "token_position", "token_id"};
enum { STATS_COLUMNS = sizeof stats_columns / sizeof stats_columns[0] };

static pl_status write_csv(const char *path, pl_view view, const char *const *columns,
                           pl_error *err)
{
    pl_writer *writer = NULL;
    pl_buf line = {0};
    pl_status status = pl_writer_create(path, &writer, err);
    for (size_t c = 0; columns != NULL && c < view.cols; c++) {
        pl_buf_printf(&line, "%s%s", c > 0 ? "," : "", columns[c]);
    }
    if (columns != NULL) {
        pl_buf_puts(&line, "\n");
    }
    for (size_t r = 0; status == PL_OK && r < view.rows; r++) {
        for (size_t c = 0; c < view.cols; c++) {
            pl_buf_printf(&line, "%s%.9g", c > 0 ? "," : "",
                          (double)view.data[r * view.stride + c]);
        }
        pl_buf_puts(&line, "\n");
        status = pl_buf_check(&line, err);
        PL_THEN(pl_writer_write(writer, line.data, line.size, err));
        line.size = 0;
    }
    PL_THEN(pl_writer_commit(writer, err));
    pl_writer_destroy(writer);
    pl_buf_deinit(&line);
    return status;
}

static pl_status load_dumped_site(pl_context cx, size_t layer, bool with_sample, pl_site_stats *out,
                                  pl_error *err)
{
    pl_id calibration = {0};
    size_t site = pl_model_layer(cx.state->source->model, layer)->site;
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(pl_lab_load_site(cx, calibration, site, with_sample ? PL_GRAM_NONE : PL_GRAM_SQUARE,
                             with_sample, out, err));
    return status;
}

/* Fills out[rows, cols] with what was asked for. */
static pl_status gather_dump(pl_context cx, size_t layer, dump_kind kind, pl_which which,
                             pl_mat *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    if (kind == DUMP_WEIGHTS) {
        return pl_weights_make((pl_context){cx.lab, cx.state, NULL}, layer,
                               (pl_weights_of){.which = which}, out, err);
    }
    pl_site_stats stats = {0};
    pl_status status = load_dumped_site(cx, layer, kind == DUMP_INPUTS, &stats, err);
    size_t n = info->cols;
    if (status == PL_OK && kind == DUMP_GRAM) {
        status = pl_mat_copy(out, (pl_view){stats.gram, n, n, n}, err);
    } else if (status == PL_OK && kind == DUMP_INPUTS) {
        status = pl_mat_copy(out, (pl_view){stats.sample, stats.sample_rows, n, n}, err);
    } else if (status == PL_OK) {
        status = pl_mat_init(out, n, STATS_COLUMNS, err);
        for (size_t c = 0; status == PL_OK && c < n; c++) {
            float *row = out->data + c * STATS_COLUMNS;
            row[0] = stats.max[c];
            row[1] = stats.mean_abs[c];
            row[2] = stats.rms[c];
            row[3] = stats.kurtosis[c];
            row[4] = (float)stats.max_position[c];
            row[5] = (float)stats.max_token[c];
        }
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status run_dump(pl_call *call, pl_context cx, pl_error *err)
{
    size_t layer = 0;
    size_t which = PL_WHICH_BEFORE;
    dump_kind kind = 0;
    while (kind < DUMP_COUNT && strcmp(kind_names[kind], call->words[0]) != 0) {
        kind++;
    }
    const char *file = pl_call_value(call, "file");
    if (kind == DUMP_COUNT) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "dump: \"%s\": expected gram, weights, inputs or stats",
                            call->words[0]);
    }
    if (file == NULL || (!pl_text_ends(file, ".npy") && !pl_text_ends(file, ".csv"))) {
        return pl_error_set(err, PL_ERR_USAGE, "dump: needs file=PATH that ends in .npy or .csv");
    }
    pl_mat values = {0};
    pl_status status = pl_target_layer(call, cx.state, 1, &layer, err);
    PL_THEN(pl_usage_choice(call, "which", &which, err));
    PL_THEN(gather_dump(cx, layer, kind, (pl_which)which, &values, err));
    if (status == PL_OK) {
        pl_view view = pl_mat_view(&values);
        status = pl_text_ends(file, ".npy")
                     ? pl_npy_write(file, view, 0, err)
                     : write_csv(file, view, kind == DUMP_STATS ? stats_columns : NULL, err);
    }
    if (status == PL_OK) {
        char safe[1024];
        pl_text_escape(file, strlen(file), safe, sizeof safe);
        pl_json_set(call->result, "file", json_string(safe));
        pl_json_set(call->result, "shape",
                    json_pack("[I, I]", (json_int_t)values.rows, (json_int_t)values.cols));
    }
    pl_mat_deinit(&values);
    return status;
}

static const pl_key dump_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "file to write: .npy or .csv"},
    {"which", PL_KEY_CHOICE, "before", "before|preconditioned|after", "which weights"},
    {0},
};

const pl_command pl_command_dump = {
    .name = "dump",
    .positional = "gram|weights|inputs|stats [LAYER]",
    .min_words = 1,
    .max_words = 2,
    .keys = dump_keys,
    .needs_model = true,
    .summary = "Write the numbers behind a layer",
    .put_line = pl_line_file,
    .run = run_dump,
};
