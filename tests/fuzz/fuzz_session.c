/* A state as a session file holds it.  RESULT0, RESULT1, PLAN0, PLAN1 and FILES stand for what the
 * made store and its model really have.  Whatever it says, it is refused with a sentence, or every
 * layer's weights are its own or refused; what was restored is written as it is read. */
#include "core/lab/weights.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/made_store.h"
#include "tests/support/check.h"

#include "core/state/origin.h"

static void put_in(char *text, const char *name, const char *value)
{
    const size_t length = strlen(name);
    for (char *at = text; (at = strstr(at, name)) != NULL; at++) {
        memcpy(at, value, length); /* names are as long as what stands for them */
    }
}

/* The text with its names replaced: each is followed by '.' up to the length of an identity. */
static char *fill_in(const made_store *made, const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, size);
    char name[PL_ID_TEXT], value[PL_ID_TEXT];
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "RESULT%zu.........................", i);
        pl_id_format(made->front.state.solved[i].result, value);
        put_in(text, name, value);
        snprintf(name, sizeof name, "PLAN%zu...........................", i);
        pl_id_format(made->front.state.solved[i].plan, value);
        put_in(text, name, value);
    }
    json_t *origin = pl_origin_json(made->front.state.source);
    put_in(text, "FILES...........................",
           json_string_value(json_object_get(origin, "files")));
    json_decref(origin);
    return text;
}

static void promise(bool kept, const char *what, const char *text)
{
    if (!kept) {
        fprintf(stderr, "%s:\n%s\n", what, text);
        abort();
    }
}

static void use_state_of(made_store *made, const char *text)
{
    pl_state *state = &made->front.state;
    pl_error err = {0};
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        const pl_layer *info = pl_model_layer(state->source->model, i);
        for (pl_which which = PL_WHICH_BEFORE; which <= PL_WHICH_AFTER; which++) {
            float *out = malloc(info->rows * info->cols * sizeof *out);
            pl_status status = pl_weights_read((pl_context){made->front.lab, state, NULL}, i,
                                               (pl_weights_of){.which = which}, out, &err);
            promise(status == PL_OK || err.message[0] != '\0', "no sentence", text);
            free(out);
        }
    }
    pl_status status = made_store_run(made, "layers; plot channels file=f.csv; solve");
    (void)status; /* its sentence is looked at there */
    pl_buf commands = {0};
    pl_state_commands(state, true, &commands);
    pl_buf_deinit(&commands);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    made_store *made = made_store_get();
    char *text = fill_in(made, data, size);
    json_t *json = json_loads(text, 0, NULL);
    if (json != NULL) {
        pl_state restored, again;
        pl_error err = {0};
        pl_source *source = pl_source_retain(made->front.state.source);
        pl_status status = pl_state_restore(&restored, json, source, &err);
        promise(status == PL_OK || err.message[0] != '\0', "no sentence", text);
        if (status == PL_OK) {
            json_t *first = pl_state_to_json(&restored);
            promise(first != NULL, "no record", text);
            promise(pl_state_restore(&again, first, source, &err) == PL_OK, err.message, text);
            json_t *second = pl_state_to_json(&again);
            promise(json_equal(first, second), "another state when it is read back", text);
            pl_state_deinit(&again);
            json_decref(first);
            json_decref(second);
            pl_state own = made->front.state;
            made->front.state = restored;
            made_store_reset(made);
            use_state_of(made, text);
            pl_state_deinit(&made->front.state);
            made->front.state = own;
        }
        pl_source_release(source);
        json_decref(json);
    }
    free(text);
    return 0;
}
