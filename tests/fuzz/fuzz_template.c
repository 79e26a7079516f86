/* A chat template: it is refused with a sentence, or writes a text within its budgets. */
#include "core/model/template.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *variables;
    if (variables == NULL) {
        variables = json_pack("{s:[{s:s,s:s},{s:s,s:s}],s:b,s:s,s:s,s:n,s:i}", "messages", "role",
                              "system", "content", "Be short.", "role", "user", "content",
                              "\xc3\xa9 & <b>", "add_generation_prompt", 1, "bos_token", "<s>",
                              "eos_token", "</s>", "tools", "number", 7);
        pl_fuzz_promise(variables != NULL, "out of memory");
    }
    pl_template *template = NULL;
    pl_error err = {0};
    pl_fuzz_status(pl_template_parse((const char *)data, size, &template, &err), &err);
    if (template != NULL) {
        pl_buf out = {0};
        pl_fuzz_status(pl_template_render(template, variables, 1700000000, &out, NULL, &err), &err);
        pl_buf_deinit(&out);
    }
    pl_template_destroy(template);
    return 0;
}
