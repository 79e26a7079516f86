/* What each layer costs by itself, kept for the table of layers. */
#include "core/study/sensitivity_parts.h"

#include <math.h>
#include <string.h>

static const char ALONE[32] = "planish sensitivity alone 1";
static const char ESTIMATED[32] = "planish sensitivity estimate 1";

static pl_id alone_key(const char what[32], pl_id result)
{
    struct {
        char what[32];
        pl_id result;
    } all = {.result = result};
    memcpy(all.what, what, sizeof all.what);
    return pl_id_bytes(&all, sizeof all);
}

pl_status pl_loss_put(pl_lab *lab, const pl_sensitivity *asked, pl_id key, const char *unit,
                      const pl_id *how, const void *data, size_t bytes, pl_error *err)
{
    const pl_section section = {PL_LOSS_SECTION, data, bytes};
    char measured[PL_ID_TEXT] = "";
    if (how != NULL) {
        pl_id_format(*how, measured);
    }
    json_t *about = json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "holds", "what a unit costs the model",
                              "unit", unit, "version", PL_VERSION, "command", asked->said,
                              "measured", how != NULL ? measured : NULL);
    pl_status status = about != NULL ? pl_store_replace(pl_lab_store(lab), PL_LOSS_KIND, key, about,
                                                        &section, 1, err)
                                     : pl_error_memory(err, "a measurement");
    json_decref(about);
    return status;
}

/* What a layer's own result costs by itself, for the table of layers; of this model alone. */
typedef struct alone_loss {
    pl_id model;
    double kl;
} alone_loss;

pl_status pl_alone_put(pl_lab *lab, const pl_state *state, const pl_sensitivity *asked,
                       bool estimated, const pl_unit_loss *unit, double kl, pl_id how,
                       pl_error *err)
{
    alone_loss alone = {.kl = kl};
    if (asked->said == NULL || asked->said[0] == '\0' || asked->unit != PL_UNIT_LAYER ||
        asked->without || pl_state_quantizes(state) ||
        !pl_model_known_identity(state->source->model, &alone.model)) {
        return PL_OK;
    }
    const pl_id key =
        alone_key(estimated ? ESTIMATED : ALONE, *pl_state_result(state, unit->layer));
    return pl_loss_put(lab, asked, key, unit->name, &how, &alone, sizeof alone, err);
}

pl_status pl_sensitivity_look(pl_context cx, size_t first, size_t count, pl_error *err)
{
    pl_id model = {0};
    pl_store *store = pl_lab_store(cx.lab);
    for (size_t i = first; i < first + count; i++) {
        const pl_id *result = pl_state_result(cx.state, i);
        if (result != NULL && (pl_store_has(store, PL_LOSS_KIND, alone_key(ALONE, *result)) ||
                               pl_store_has(store, PL_LOSS_KIND, alone_key(ESTIMATED, *result)))) {
            return pl_model_identity(cx.state->source->model, &model, cx.task, err);
        }
    }
    return PL_OK;
}

static double read_alone(pl_lab *lab, const pl_state *state, const char what[32], pl_id result,
                         pl_id *how, pl_buf *said)
{
    alone_loss found = {.kl = NAN};
    pl_id model = {0};
    pl_entry *entry = NULL;
    if (!pl_model_known_identity(state->source->model, &model)) {
        return (double)NAN;
    }
    pl_status status =
        pl_store_get(pl_lab_store(lab), PL_LOSS_KIND, alone_key(what, result), &entry, NULL);
    PL_THEN(pl_entry_read(entry, PL_LOSS_SECTION, &found, sizeof found, NULL));
    const bool known = status == PL_OK && pl_id_equal(found.model, model);
    if (known && how != NULL) {
        const json_t *measured = json_object_get(pl_entry_about(entry), "measured");
        const bool read = json_is_string(measured) && pl_id_parse(json_string_value(measured), how);
        *how = read ? *how : (pl_id){0};
    }
    if (known && said != NULL) {
        const json_t *command = json_object_get(pl_entry_about(entry), "command");
        pl_buf_puts(said, json_is_string(command) ? json_string_value(command) : "");
    }
    pl_entry_close(entry);
    return known ? found.kl : (double)NAN;
}

double pl_sensitivity_of_result(pl_lab *lab, const pl_state *state, pl_id result)
{
    return read_alone(lab, state, ALONE, result, NULL, NULL);
}

double pl_estimate_of_result(pl_lab *lab, const pl_state *state, pl_id result)
{
    return read_alone(lab, state, ESTIMATED, result, NULL, NULL);
}

pl_status pl_sensitivity_check(pl_lab *lab, const pl_state *state, const char *who, bool estimated,
                               pl_sensitivity_way *way, pl_error *err)
{
    const char *what = estimated ? ESTIMATED : ALONE;
    pl_sensitivity_way own = {0};
    way = way != NULL ? way : &own;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(state->source->model); i++) {
        const pl_id *result = pl_state_result(state, i);
        pl_id how = {0};
        pl_buf said = {0};
        if (result == NULL || !isfinite(read_alone(lab, state, what, *result, &how, &said)) ||
            pl_id_equal(how, (pl_id){0})) {
            pl_buf_deinit(&said); /* versions before did not say how */
            continue;
        }
        if (pl_id_equal(way->how, (pl_id){0})) {
            *way = (pl_sensitivity_way){how, said};
            continue;
        }
        if (!pl_id_equal(way->how, how)) {
            status = pl_error_set(err, PL_ERR_STATE,
                                  "%s: the layers were measured in several ways, `%s` and `%s`, "
                                  "which do not compare: one `sensitivity` for all of them",
                                  who, way->said.data != NULL ? way->said.data : "",
                                  said.data != NULL ? said.data : "");
        }
        pl_buf_deinit(&said);
    }
    pl_buf_deinit(&own.said);
    return status;
}

void pl_sensitivity_commands(pl_lab *lab, const pl_state *state, pl_buf *out)
{
    static const char *const whats[] = {ALONE, ESTIMATED};
    const size_t start = out->size;
    for (size_t i = 0; i < 2 * pl_model_layer_count(state->source->model); i++) {
        const pl_id *result = pl_state_result(state, i / 2);
        pl_buf said = {0};
        if (result != NULL &&
            isfinite(read_alone(lab, state, whats[i % 2], *result, NULL, &said)) && said.size > 0) {
            pl_buf_puts(&said, "\n");
            if (out->size == start || strstr(out->data + start, said.data) == NULL) {
                pl_buf_puts(out, said.data);
            }
        }
        pl_buf_deinit(&said);
    }
}
