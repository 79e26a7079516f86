/* Checkpoints of known kinds that are not read: the sentence says what it is and what to do. */
#include "tests/corrupt/open_bad.h"

#include "core/model/model.h"

#define ENTRY(name, type, shape, from, to)                                                         \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void packed_tensors_are_named(void **state)
{
    static const struct {
        const char *what, *json, *words;
    } cases[] = {
        {"F8_E4M3", "{" ENTRY("l.q_proj.weight", "F8_E4M3", "[8,8]", 0, 64) "}",
         "tensor 'l.q_proj.weight' has dtype F8_E4M3|8-bit float|convert the checkpoint to BF16"},
        {"F8_E5M2", "{" ENTRY("w", "F8_E5M2", "[64]", 0, 64) "}", "has dtype F8_E5M2"},
        {"GPTQ",
         "{" ENTRY("l.q_proj.qweight", "I32", "[1,8]", 0,
                   32) "," ENTRY("l.q_proj.qzeros", "I32", "[1,1]", 32,
                                 36) "," ENTRY("l.q_proj.scales", "F16", "[1,8]", 36, 52) "}",
         "tensor 'l.q_proj.qweight' holds packed GPTQ integers|open the model it was quantized "
         "from, or dequantize it"},
        {"AWQ",
         "{" ENTRY("l.q_proj.qweight", "I32", "[8,1]", 0,
                   32) "," ENTRY("l.q_proj.qzeros", "I32", "[1,1]", 32,
                                 36) "," ENTRY("l.q_proj.scales", "F16", "[1,8]", 36, 52) "}",
         "holds packed AWQ integers"},
        {"compressed-tensors", "{" ENTRY("l.weight_packed", "I32", "[8,2]", 0, 64) "}",
         "holds packed compressed-tensors integers"},
        {"bitsandbytes",
         "{" ENTRY("l.weight", "U8", "[32,1]", 0, 32) "," ENTRY(
             "l.weight.quant_state.bitsandbytes__nf4", "U8", "[32]", 32, 64) "}",
         "holds packed bitsandbytes integers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf file = {0};
        make_safetensors(&file, cases[i].json, strstr(cases[i].json, "52]") != NULL ? 52 : 64);
        check_refused(cases[i].what, pl_temp_write(*state, "p.safetensors", file.data, file.size),
                      cases[i].words);
        pl_buf_deinit(&file);
    }
}

static void names_alone_refuse_nothing(void **state)
{
    pl_error err = {0};
    pl_buf file = {0};
    pl_checkpoint *checkpoint = NULL;
    make_safetensors(
        &file,
        "{" ENTRY("qweight", "F32", "[8]", 0, 32) "," ENTRY("l.scales", "F32", "[8]", 32, 64) "}",
        64);
    pl_check_ok(pl_checkpoint_open(pl_temp_write(*state, "p.safetensors", file.data, file.size),
                                   &checkpoint, &err),
                err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

static void pickles_are_named(void **state)
{
    static const char *const names[] = {"pytorch_model.bin", "model.pt", "consolidated.00.pth",
                                        "pytorch_model.bin.index.json"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        static const char *const words = "a PyTorch pickle|can run code|save the model as "
                                         "safetensors";
        pl_temp temp;
        pl_error err = {0};
        pl_model *model = NULL;
        pl_temp_init(&temp);
        pl_temp_write(&temp, "training_args.bin", "x", 1);
        pl_temp_write(&temp, "config.json", "{}", 2);
        check_refused("without weights", temp.folder, "holds no checkpoint");
        check_refused(names[i], pl_temp_write(&temp, names[i], "x", 1), words);
        check_refused(names[i], temp.folder, words);
        check_refused(names[i], temp.folder, names[i]);
        assert_int_equal(pl_model_open(temp.folder, &model, &err), PL_ERR_UNSUPPORTED);
        pl_check_says(err, names[i]);
        pl_temp_deinit(&temp);
    }
}

static int set_up(void **state)
{
    static pl_temp temp;
    pl_temp_init(&temp);
    *state = &temp;
    return 0;
}

static int tear_down(void **state)
{
    pl_temp_deinit(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packed_tensors_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_alone_refuse_nothing, set_up, tear_down),
        cmocka_unit_test(pickles_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
