/* Checkpoints of known kinds that are not read: the sentence says what it is and what to do. */
#include "tests/corrupt/open_bad.h"
#include "tests/support/own_folder.h"

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
                   32) "," ENTRY("l.q_proj.qzeros", "I32", "[2,2]", 32,
                                 48) "," ENTRY("l.q_proj.scales", "F16", "[1,8]", 48, 64) "}",
         "tensor 'l.q_proj.qweight' holds packed GPTQ integers|open the model it was quantized "
         "from, or dequantize it"},
        {"AWQ",
         "{" ENTRY("l.q_proj.qweight", "I32", "[8,1]", 0,
                   32) "," ENTRY("l.q_proj.qzeros", "I32", "[2,1]", 32,
                                 40) "," ENTRY("l.q_proj.scales", "F16", "[1,12]", 40, 64) "}",
         "holds packed AWQ integers"},
        {"compressed-tensors", "{" ENTRY("l.weight_packed", "I32", "[8,2]", 0, 64) "}",
         "holds packed compressed-tensors integers"},
        {"bitsandbytes",
         "{" ENTRY("l.weight", "U8", "[32,1]", 0, 32) "," ENTRY(
             "l.weight.quant_state.bitsandbytes__nf4", "U8", "[32]", 32, 64) "}",
         "holds packed bitsandbytes integers"},
        {"MLX",
         "{" ENTRY("l.weight", "U32", "[4,2]", 0, 32) "," ENTRY(
             "l.scales", "F16", "[4,1]", 32, 40) "," ENTRY("l.biases", "F16", "[4,3]", 40, 64) "}",
         "'l.scales' holds the scales of packed MLX integers|dequantize it"},
        {"NVFP4",
         "{" ENTRY("l.weight_packed", "U8", "[4,8]", 0,
                   32) "," ENTRY("l.weight_scale", "F8_E4M3", "[4,7]", 32,
                                 60) "," ENTRY("l.weight_global_scale", "F32", "[1]", 60, 64) "}",
         "packed NVFP4 weights (compressed-tensors)"},
        {"MXFP4",
         "{" ENTRY("l.weight_packed", "U8", "[4,8]", 0, 32) "," ENTRY("l.weight_scale", "U8",
                                                                      "[4,8]", 32, 64) "}",
         "packed MXFP4 weights (compressed-tensors)"},
        {"MXFP4 of experts",
         "{" ENTRY("l.down_proj_blocks", "U8", "[4,8]", 0, 32) "," ENTRY("l.down_proj_scales", "U8",
                                                                         "[4,8]", 32, 64) "}",
         "'l.down_proj_blocks' holds packed MXFP4 weights"},
        {"FP8 by blocks",
         "{" ENTRY("l.weight", "F8_E5M2", "[6,10]", 0, 60) "," ENTRY("l.weight_scale_inv", "F32",
                                                                     "[1,1]", 60, 64) "}",
         "'l.weight_scale_inv' holds the block scales of FP8 weights"},
        {"W8A8",
         "{" ENTRY("l.weight", "I8", "[6,10]", 0, 60) "," ENTRY("l.weight_scale", "F32", "[1,1]",
                                                                60, 64) "}",
         "'l.weight' holds compressed-tensors integers"},
        {"LLM.int8",
         "{" ENTRY("l.weight", "I8", "[6,10]", 0, 60) "," ENTRY("l.SCB", "F32", "[1]", 60, 64) "}",
         "bitsandbytes integers (LLM.int8)"},
        {"adapter", "{" ENTRY("base_model.model.l.q_proj.lora_A.weight", "F32", "[4,4]", 0, 64) "}",
         "a LoRA adapter|merge it into that"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf file = {0};
        make_safetensors(&file, cases[i].json, 64);
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

static void adapters_and_pointers_are_named(void **state)
{
    static const struct {
        const char *type, *words;
    } types[] = {{"adapter", "a LoRA adapter"},
                 {"mmproj", "general.type is 'mmproj' (the vision or audio part of a model)"},
                 {"imatrix", "general.type is 'imatrix'"}};
    pl_temp *temp = *state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        pl_buf file = {0};
        make_gguf(&file, 3, 0, 1);
        make_key(&file, "general.type", 8);
        make_text(&file, types[i].type);
        check_refused(types[i].type, pl_temp_write(temp, "a.gguf", file.data, file.size),
                      types[i].words);
        pl_buf_deinit(&file);
    }
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    check_refused("pointer", pl_temp_write(temp, "m.safetensors", pointer, sizeof pointer - 1),
                  "a Git LFS pointer|git lfs pull");
    check_refused("zip", pl_temp_write(temp, "weights", "PK\3\4 and so on for a while...", 28),
                  "a PyTorch pickle");
    pl_temp_write(temp, "adapter_config.json", "{}", 2);
    check_refused("adapter's folder", temp->folder, "a LoRA adapter");
}

/* A file's first bytes count, not its name. */
static void names_are_no_matter(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static const char *const names[] = {"sha256-1234", "weights", "model.bin", "model.gguf",
                                        "model.npy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pl_buf file = {0};
        pl_checkpoint *checkpoint = NULL;
        make_safetensors(&file, "{" ENTRY("a", "F32", "[2,2]", 0, 16) "}", 16);
        pl_temp_write(temp, names[i], file.data, file.size);
        assert_int_equal(pl_checkpoint_kind(pl_temp_path(temp, names[i])), PL_SAFETENSORS);
        pl_check_ok(pl_checkpoint_open(pl_temp_path(temp, names[i]), &checkpoint, &err), err);
        assert_int_equal(pl_checkpoint_container(checkpoint), PL_SAFETENSORS);
        assert_null(pl_checkpoint_note(checkpoint));
        pl_checkpoint_close(checkpoint);
        pl_buf_deinit(&file);
    }
    assert_int_equal(pl_checkpoint_kind(temp->folder), PL_NO_CONTAINER);
    assert_int_equal(pl_checkpoint_kind(pl_temp_write(temp, "t", "text, only", 10)),
                     PL_NO_CONTAINER);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packed_tensors_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_alone_refuse_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adapters_and_pointers_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_no_matter, set_up, tear_down),
        cmocka_unit_test(pickles_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
