/* A script: each command is refused with a sentence or parsed, and where it only changes the state,
 * does so; the state is read back as it was written.  Each text is completed, and filters layers.
 */
#include "app/command.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include "tests/support/tiny_model.h"
#include "views/filter.h"

static pl_state state;

static void open_tiny(void)
{
    static pl_temp temp;
    pl_error err;
    pl_source *source = NULL;
    snprintf(temp.folder, sizeof temp.folder, "%s", pl_fuzz_folder());
    pl_model *model = tiny_model(&temp, (tiny_options){0});
    pl_check_ok(pl_source_create(model, "tiny", NULL, &source, &err), err);
    pl_state_init(&state);
    pl_check_ok(pl_state_set_source(&state, source, &err), err);
    pl_source_release(source);
    pl_state_default_methods(&state);
}

static void apply_text(const char *text, pl_state *now)
{
    pl_call *call = NULL;
    pl_error err = {0};
    pl_fuzz_status(pl_call_parse(text, &call, &err), &err);
    if (call != NULL && call->command->apply != NULL && call->command->run == NULL) {
        pl_state kept;
        pl_fuzz_promise(pl_state_copy(&kept, now, &err) == PL_OK, "out of memory");
        pl_status status = pl_call_apply(call, now, &err);
        pl_fuzz_status(status, &err);
        if (status == PL_OK) {
            pl_state_deinit(&kept);
        } else {
            pl_state_deinit(now);
            *now = kept;
        }
    }
    pl_call_destroy(call);
    pl_completions_free(pl_complete(now, text));
    pl_filter *filter = NULL;
    err = (pl_error){0};
    pl_fuzz_status(pl_filter_parse(text, &filter, &err), &err);
    pl_filter_destroy(filter);
}

static void check_round_trip(const pl_state *now)
{
    pl_state back;
    pl_error err = {0};
    json_t *json = pl_state_to_json(now);
    pl_fuzz_promise(json != NULL, "no record of a state");
    pl_fuzz_promise(pl_state_restore(&back, json, now->source, &err) == PL_OK, err.message);
    json_t *again = pl_state_to_json(&back);
    pl_fuzz_promise(json_equal(json, again), "another state when it is read back");
    json_decref(json);
    json_decref(again);
    pl_state_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *script = pl_fuzz_text(data, size);
    const char *rest = script;
    pl_state now;
    pl_error err = {0};
    if (state.source == NULL) {
        open_tiny();
    }
    pl_fuzz_promise(pl_state_copy(&now, &state, &err) == PL_OK, "out of memory");
    for (;;) {
        char *text = NULL;
        pl_status status = pl_script_next(&rest, &text, &err);
        pl_fuzz_status(status, &err);
        if (status != PL_OK || text == NULL) {
            break;
        }
        apply_text(text, &now);
        free(text);
    }
    check_round_trip(&now);
    pl_state_deinit(&now);
    free(script);
    return 0;
}
