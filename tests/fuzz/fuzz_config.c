/* The config.json of a small model whose tensors are good: the model is refused with a sentence, or
 * computes. */
#include "core/model/forward.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include "tests/support/tiny_model.h"

#include <math.h>

static pl_status see(void *ctx, size_t first, const float *logits, size_t count, size_t vocab,
                     pl_error *err)
{
    (void)first;
    (void)err;
    /* Every number is read, so that a sanitizer sees one that nobody wrote. */
    for (size_t i = 0; i < count * vocab; i++) {
        *(size_t *)ctx += isfinite(logits[i]) ? 1 : 0;
    }
    return PL_OK;
}

static void compute(pl_model *model)
{
    static const int32_t ids[] = {2, 5, 3};
    const pl_config *config = pl_model_config(model);
    pl_forward *forward = NULL;
    pl_error err = {0};
    size_t numbers = 0;
    float *x = calloc(3 * (config->hidden_size + 1), sizeof *x);
    pl_fuzz_promise(x != NULL, "out of memory");
    pl_status status = pl_forward_create(model, 3, &forward, &err);
    PL_THEN(pl_forward_embed(forward, ids, 3, x, &err));
    for (size_t b = 0; status == PL_OK && b < config->blocks; b++) {
        status = pl_forward_load(forward, b, NULL, NULL, &err);
        PL_THEN(pl_forward_run(forward, x, 3, 0, NULL, NULL, &err));
    }
    PL_THEN(pl_forward_logits(forward, x, 3, see, &numbers, NULL, &err));
    pl_fuzz_status(status, &err);
    pl_forward_destroy(forward);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pl_temp temp;
    if (temp.folder[0] == '\0') {
        snprintf(temp.folder, sizeof temp.folder, "%s", pl_fuzz_folder());
        pl_model_close(tiny_model(&temp, (tiny_options){.bos = 1}));
    }
    pl_fuzz_place("config.json", data, size);
    pl_model *model = NULL;
    pl_error err = {0};
    pl_fuzz_status(pl_model_open(temp.folder, &model, &err), &err);
    if (model != NULL) {
        compute(model);
    }
    pl_model_close(model);
    return 0;
}
