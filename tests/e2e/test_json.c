/* What --json prints is what app/json.md says, for every command, by the examples in it. */
#include "tests/e2e/run_planish.h"
#include "tests/support/json_doc.h"

#include <unistd.h>

static const json_doc *the_doc(void)
{
    const json_doc *doc = json_doc_get();
    assert_non_null(doc);
    return doc;
}

/* Every example once, as one script. */
static run run_examples(const json_doc *doc)
{
    pl_buf script = {0};
    for (size_t i = 0; i < doc->n_sections; i++) {
        if (doc->sections[i].example[0] == '\0' && !doc->sections[i].of_another) {
            json_doc_fail(doc->sections[i].name, "", "a section without an `Example:`");
        }
        pl_buf_printf(&script, "%s\n", doc->sections[i].example);
    }
    assert_false(script.failed);
    assert_int_equal(chdir(run_folder()), 0);
    FILE *items = fopen("piqa.jsonl", "w");
    assert_non_null(items);
    fputs("{\"goal\":\"To ring\",\"sol1\":\"pull.\",\"sol2\":\"push it.\",\"label\":0}\n", items);
    assert_int_equal(fclose(items), 0);
    run r = RUN("--json", "--store", run_path("store"), "--session", run_path("examples.planish"),
                "-c", script.data);
    pl_buf_deinit(&script);
    return r;
}

static bool was_seen(const run *r, const char *command)
{
    for (size_t i = 0; i < r->n_lines; i++) {
        const char *schema = json_string_value(json_object_get(r->lines[i], "schema"));
        if (strcmp(schema + strlen("planish."), command) == 0) {
            return true;
        }
    }
    return false;
}

/* run_planish compares each line with its section; here nothing is left out. */
static void test_examples_of_every_command(void **ctx)
{
    (void)ctx;
    const json_doc *doc = the_doc();
    run r = run_examples(doc);
    if (r.status != 0) {
        fprintf(stderr, "an example of app/json.md: %s", r.err);
        fail();
    }
    run help = RUN("--json", "-c", "help");
    size_t i = 0, found = 0;
    const json_t *command = NULL;
    json_array_foreach(json_object_get(run_last(&help), "commands"), i, command)
    {
        const char *name = json_string_value(json_object_get(command, "name"));
        const bool in_batch = json_is_true(json_object_get(command, "batch"));
        const json_doc_section *section = json_doc_find(doc, name);
        if (in_batch && section == NULL) {
            json_doc_fail(name, "", "a command that has no section");
        }
        if (in_batch && section->of_another == was_seen(&r, name)) {
            json_doc_fail(name, "", "its example does not run it");
        }
        found += in_batch;
    }
    assert_int_equal(found, doc->n_sections); /* none of a command that is gone */
    run_free(&help);
    run_free(&r);
}

static void test_every_code_is_listed(void **ctx)
{
    (void)ctx;
    char path[1024], row[64];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/app/json.md", root != NULL ? root : ".");
    char *text = run_read(path, NULL);
    for (pl_status code = PL_ERR_USAGE; code <= PL_ERR_CHANGED; code++) {
        snprintf(row, sizeof row, "\n| `%s` | ", pl_status_name(code));
        if (strstr(text, row) == NULL) {
            json_doc_fail(pl_status_name(code), "", "a code that is not listed");
        }
    }
    free(text);
}

/* What used to be words. */
static void test_types(void **ctx)
{
    (void)ctx;
    run r = run_demo("method gptq act_order=yes; method hadamard; cost; "
                     "select 0.q_proj; help calibrate; help gptq");
    const json_t *parameters = json_object_get(run_result(&r, 0), "parameters");
    assert_true(json_is_true(json_object_get(parameters, "act_order"))); /* of no, yes, group */
    assert_true(json_is_false(json_object_get(parameters, "mse")));
    assert_true(json_is_boolean(json_object_get(run_result(&r, 2), "online")));
    run_check_keys(run_result(&r, 3), "channel?");
    const json_t *command = json_array_get(json_object_get(run_result(&r, 4), "commands"), 0);
    const json_t *key = json_array_get(json_object_get(command, "keys"), 1);
    assert_int_equal(json_integer_value(json_object_get(key, "default")), 512);
    const json_t *method = json_array_get(json_object_get(run_result(&r, 5), "methods"), 0);
    key = json_array_get(json_object_get(method, "keys"), 0);
    assert_true(json_is_integer(json_object_get(key, "default")));
    run_free(&r);
    r = RUN("-c", "method gptq act_order=yes"); /* a person reads words */
    assert_non_null(strstr(r.out, "act_order            yes\n"));
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_every_command),
        cmocka_unit_test(test_every_code_is_listed),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
