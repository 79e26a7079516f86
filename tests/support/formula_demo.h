/* tests/support/formula_demo.h -- a case of tests/golden/arch_values.json that reads the demo's
 * text: a tiny model of another architecture with the demo's tokenizer. */
#ifndef PL_TESTS_FORMULA_DEMO_H
#define PL_TESTS_FORMULA_DEMO_H

#include "core/base/file.h"
#include "tests/support/demo_lab.h"
#include "tests/support/formula_cases.h"

static inline void demo_write_tokenizer(pl_temp *temp)
{
    pl_error err;
    char folder[512], path[600], *text = NULL;
    size_t size = 0;
    demo_folder(folder);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    pl_check_ok(pl_file_read_all(path, 1 << 24, &text, &size, &err), err);
    pl_temp_write(temp, "tokenizer.json", text, size);
    free(text);
}

/* Into temp->folder, with tokens for the tokenizer's 640. */
static inline void formula_write_demo(const char *name, pl_temp *temp)
{
    enum { TOKENS = 640 };
    static const char *const tables[] = {"model.embed_tokens.weight", "lm_head.weight"};
    json_t *values = formula_cases();
    json_t *about = json_deep_copy(formula_case(values, name));
    json_t *tensors = json_object_get(about, "tensors");
    json_object_set_new(json_object_get(about, "config"), "vocab_size", json_integer(TOKENS));
    for (size_t i = 0; i < 2; i++) {
        json_t *shape = json_object_get(tensors, tables[i]);
        if (shape != NULL) {
            json_array_set_new(shape, 0, json_integer(TOKENS));
        }
    }
    formula_write_hf(about, temp);
    demo_write_tokenizer(temp);
    json_decref(about);
    json_decref(values);
}

#endif
