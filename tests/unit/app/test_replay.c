/* The commands that a state says of itself lead to that state again. */
#include "tests/support/demo_lab.h"

#include "app/front.h"

#include <unistd.h>

typedef struct replay {
    pl_temp temp;
    char store[600];
    char here[600];
} replay;

static void start(replay *r)
{
    char folder[512];
    char target[600];
    pl_temp_init(&r->temp);
    snprintf(r->store, sizeof r->store, "%s/store", r->temp.folder);
    snprintf(r->here, sizeof r->here, "%s", r->temp.folder);
    /* Files stand beside the script, as whoever replays a figure would put them. */
    demo_folder(folder);
    assert_int_equal(symlink(folder, pl_temp_path(&r->temp, "a model=it's")), 0);
    snprintf(target, sizeof target, "%s/calibration.txt", folder);
    assert_int_equal(symlink(target, pl_temp_path(&r->temp, "a text;.txt")), 0);
    assert_int_equal(chdir(r->here), 0);
    assert_int_equal(setenv("PLANISH_DEMO", folder, 1), 0);
}

static void end(replay *r)
{
    assert_int_equal(chdir("/"), 0);
    pl_temp_deinit(&r->temp);
}

static void run(pl_front *front, const char *script)
{
    pl_error err;
    for (;;) {
        char *text = NULL;
        pl_call *call = NULL;
        pl_check_ok(pl_script_next(&script, &text, &err), err);
        if (text == NULL) {
            return;
        }
        pl_check_ok(pl_call_parse(text, &call, &err), err);
        pl_check_ok(pl_front_execute(front, call, false, &err), err);
        pl_call_destroy(call);
        free(text);
    }
}

/* Runs a script, lets the state speak, runs that elsewhere: results and words are the same. */
static void check_replay(const char *script, bool whole)
{
    pl_error err;
    replay r;
    start(&r);
    pl_options options = {.store = r.store};
    pl_front first;
    pl_front second;
    pl_buf said = {0};
    pl_buf again = {0};
    pl_check_ok(pl_front_open(&options, NULL, &first, &err), err);
    pl_check_ok(pl_front_open(&options, NULL, &second, &err), err);
    run(&first, script);
    pl_state_commands(&first.state, whole, &said);
    assert_null(strchr(said.data, '/'));
    run(&second, said.data);
    pl_state_commands(&second.state, whole, &again);
    assert_string_equal(said.data, again.data);
    assert_int_equal(first.state.layer, second.state.layer);
    size_t from = whole ? 0 : first.state.layer;
    size_t to = whole ? DEMO_LAYERS : first.state.layer + 1;
    size_t solved = 0;
    for (size_t i = from; i < to; i++) {
        const pl_id *a = pl_state_result(&first.state, i);
        const pl_id *b = pl_state_result(&second.state, i);
        assert_int_equal(a == NULL, b == NULL);
        assert_true(a == NULL || pl_id_equal(*a, *b));
        solved += a != NULL;
    }
    expect_less(0, solved);
    pl_buf_deinit(&said);
    pl_buf_deinit(&again);
    pl_front_close(&first);
    pl_front_close(&second);
    end(&r);
}

static void test_one_layer_of_the_demo(void **ctx)
{
    (void)ctx;
    check_replay("calibrate windows=2; method magr beta=0.00123; method rtn bits=3 on=*.1.*;"
                 "select 1.q_proj; solve; solve 0.k_proj",
                 false);
}

static void test_many_layers_of_another_model(void **ctx)
{
    (void)ctx;
    check_replay("open \"a model=it's\"; calibrate text='a text;.txt' length=128 windows=3 "
                 "sample=random seed=5; method gptq bits=3 act_order=yes; method none slot=round "
                 "on=*.k_proj; method astro iterations=3 on=*.1.*; solve 0.q_proj; solve 1.k_proj;"
                 "select 1.k_proj",
                 true);
}

static void test_a_sequential_solve(void **ctx)
{
    (void)ctx;
    check_replay("calibrate windows=1; method rtn bits=3; solve all;"
                 "select 3.down_proj",
                 false);
    check_replay("calibrate windows=1; method rtn bits=3; solve all; solve 0.q_proj", true);
    check_replay("calibrate windows=1; activations bits=4 range=tensor; kv bits=3; "
                 "method smoothquant; method rtn bits=3 on=*.1.*; solve all; select 3.down_proj",
                 false);
    check_replay("calibrate windows=1; method rtn bits=3; solve all sequential=no", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_layer_of_the_demo),
        cmocka_unit_test(test_many_layers_of_another_model),
        cmocka_unit_test(test_a_sequential_solve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
