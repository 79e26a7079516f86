#include "core/model/config.h"
#include "tests/support/check.h"

#include <math.h>

/* What latent attention and its experts need. */
#define LATENT                                                                                     \
    "\"kv_lora_rank\": 16, \"qk_nope_head_dim\": 12, \"qk_rope_head_dim\": 8, \"v_head_dim\": 10," \
    "\"n_routed_experts\": 8, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 24"

/* A whole config.json with the given members in place of, or beside, the usual ones. */
static pl_status read(const char *members, pl_config *out, pl_error *err)
{
    json_error_t why;
    json_t *json = json_loads(
        "{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 96,"
        "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,"
        "\"vocab_size\": 100, \"rms_norm_eps\": 1e-6, \"hidden_act\": \"silu\"}",
        0, &why);
    json_t *more = json_loads(members, 0, &why);
    assert_non_null(json);
    assert_non_null(more);
    assert_int_equal(json_object_update(json, more), 0);
    memset(err, 0, sizeof *err);
    pl_status status = pl_config_from_json(json, "config.json", out, err);
    json_decref(json);
    json_decref(more);
    return status;
}

static void defaults_are_those_of_transformers(void **state)
{
    (void)state;
    pl_error err;
    pl_config config;
    pl_check_ok(read("{}", &config, &err), err);
    assert_string_equal(config.architecture, "llama");
    assert_int_equal(config.head_dim, 16);
    assert_int_equal(config.max_positions, 2048);
    assert_int_equal(config.rope, PL_ROPE_PLAIN);
    expect_close(config.rope_theta, 10000.0, 0);
    assert_false(config.tied_embeddings || config.biased[PL_ROLE_Q]);
    assert_int_equal(config.bos_id, -1);
    pl_check_ok(read("{\"model_type\": \"qwen2\", \"num_key_value_heads\": null}", &config, &err),
                err);
    assert_true(config.biased[PL_ROLE_Q]);
    assert_int_equal(config.kv_heads, 4);
    assert_int_equal(config.max_positions, 32768);
    pl_check_ok(read("{\"model_type\": \"glm\"}", &config, &err), err);
    assert_true(config.biased[PL_ROLE_V]);
    assert_false(config.biased[PL_ROLE_O]);
    pl_check_ok(read("{\"model_type\": \"deepseek_v2\", \"num_key_value_heads\": 4, " LATENT "}",
                     &config, &err),
                err);
    assert_int_equal(config.shared_size, 2 * 24);
    expect_close(config.experts_scale, 1, 0);
    assert_int_equal(config.expert_groups, 0);
    assert_int_equal(config.block_kind[0] & PL_BLOCK_EXPERTS, PL_BLOCK_EXPERTS);
    pl_check_ok(read("{\"model_type\": \"deepseek_v3\", \"num_key_value_heads\": 4,"
                     "\"num_hidden_layers\": 4, " LATENT "}",
                     &config, &err),
                err);
    assert_int_equal(config.shared_size, 24);
    expect_close(config.experts_scale, 2.5, 0);
    assert_int_equal(config.expert_groups, 8);
    assert_int_equal(config.expert_groups_used, 4);
    assert_int_equal(config.block_kind[2] & PL_BLOCK_EXPERTS, 0);
    assert_int_equal(config.block_kind[3] & PL_BLOCK_EXPERTS, PL_BLOCK_EXPERTS);
    assert_true(config.experts_normalized);
}

static void rope_is_read_in_both_forms(void **state)
{
    (void)state;
    pl_error err;
    pl_config a;
    pl_config b;
    pl_check_ok(read("{\"rope_theta\": 5e5, \"rope_scaling\": {\"type\": \"linear\","
                     "\"factor\": 4}}",
                     &a, &err),
                err);
    assert_int_equal(a.rope, PL_ROPE_LINEAR);
    expect_close(a.rope_factor, 4.0, 0);
    expect_close(a.rope_theta, 5e5, 0);
    pl_check_ok(
        read("{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 77}}", &b, &err),
        err);
    assert_int_equal(b.rope, PL_ROPE_PLAIN);
    expect_close(b.rope_theta, 77.0, 0);
    pl_check_ok(read("{\"rope_theta\": 500000, \"rope_scaling\": {\"rope_type\": \"llama3\","
                     "\"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4,"
                     "\"original_max_position_embeddings\": 64}}",
                     &a, &err),
                err);
    pl_check_ok(read("{\"rope_parameters\": {\"rope_theta\": 500000, \"rope_type\": \"llama3\","
                     "\"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4,"
                     "\"original_max_position_embeddings\": 64}}",
                     &b, &err),
                err);
    pl_config c;
    pl_check_ok(read("{\"model_type\": \"gemma3_text\", \"rope_parameters\": {\"full_attention\":"
                     "{\"rope_type\": \"linear\", \"factor\": 8, \"rope_theta\": 5e5},"
                     "\"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": 77}}}",
                     &c, &err),
                err);
    assert_int_equal(c.rope, PL_ROPE_LINEAR);
    expect_close(c.rope_factor, 8.0, 0);
    expect_close(c.rope_theta, 5e5, 0);
    expect_close(c.rope_local_theta, 77.0, 0);
    pl_check_ok(read("{\"model_type\": \"phi3\", \"rope_parameters\": {\"rope_type\": \"default\","
                     "\"rope_theta\": 1e4, \"partial_rotary_factor\": 0.5}}",
                     &c, &err),
                err);
    assert_int_equal(c.rotary_dim, 8);
    float fa[8];
    float fb[8];
    pl_config_frequencies(&a, 0, fa);
    pl_config_frequencies(&b, 0, fb);
    assert_memory_equal(fa, fb, sizeof fa);
    pl_check_close(fa[0], 1.0, 0, 0); /* a wave of 6 positions is shorter than 64 / 4: kept */
    pl_check_close(fa[7], pow(5e5, -14.0 / 16) / 8, 1e-6, 0); /* a long one: divided */
}

/* Only gemma2 caps its scores: transformers' gemma3 has the field and never hands it on. */
static void gemma3_does_not_cap_its_scores(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        double cap;
    } cases[] = {
        {"{\"model_type\": \"gemma3_text\", \"attn_logit_softcapping\": 5.0,"
         "\"final_logit_softcapping\": 3.0, \"use_bidirectional_attention\": false}",
         0},
        {"{\"model_type\": \"gemma2\", \"attn_logit_softcapping\": 5.0,"
         "\"final_logit_softcapping\": 3.0}",
         5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_error err;
        pl_config config;
        pl_check_ok(read(cases[i].config, &config, &err), err);
        expect_close(config.attention_cap, cases[i].cap, 0);
        expect_close(config.logits_cap, 3, 0);
        /* llama.cpp reads the cap of gemma2's logits alone. */
        pl_gguf_keys keys = {0};
        const pl_status status = pl_config_to_gguf(&config, &keys, &err);
        assert_int_equal(status, cases[i].cap > 0 ? PL_OK : PL_ERR_UNSUPPORTED);
        if (status != PL_OK) {
            pl_check_says(err, "llama.cpp's gemma3 has no key for caps of scores and logits");
        }
        pl_gguf_keys_deinit(&keys);
    }
}

/* transformers 5 writes num_local_experts for Qwen3-MoE's num_experts. */
static void experts_are_counted_by_either_name(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{\"model_type\": \"qwen3_moe\", \"num_experts\": 8, \"num_experts_per_tok\": 2,"
        "\"moe_intermediate_size\": 24}",
        "{\"model_type\": \"qwen3_moe\", \"num_local_experts\": 8, \"num_experts_per_tok\": 2,"
        "\"moe_intermediate_size\": 24}",
        "{\"model_type\": \"qwen3_moe\", \"num_experts\": 8, \"num_local_experts\": 4,"
        "\"num_experts_per_tok\": 2, \"moe_intermediate_size\": 24}",
    };
    pl_config own = {0};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        pl_error err;
        pl_config config;
        pl_check_ok(read(configs[i], &config, &err), err);
        assert_int_equal(config.experts, 8);
        own = i == 0 ? config : own;
        assert_memory_equal(&config, &own, sizeof own);
    }
}

/* The factor that the config states is YaRN's, whatever max_position_embeddings is; without one it
 * is the ratio of positions.  Frequencies by the paper's formula. */
static void yarn_takes_the_stated_factor(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        double factor;
        size_t longest; /* the original positions times the factor, or those stated */
    } cases[] = {
        {"{\"max_position_embeddings\": 256, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": "
         "4.0,"
         "\"original_max_position_embeddings\": 256}}",
         4, 1024},
        {"{\"max_position_embeddings\": 512, \"rope_parameters\": {\"rope_type\": \"yarn\","
         "\"factor\": 8, \"rope_theta\": 1e4, \"original_max_position_embeddings\": 256}}",
         8, 2048},
        {"{\"max_position_embeddings\": 768, \"rope_scaling\": {\"type\": \"yarn\","
         "\"original_max_position_embeddings\": 256}}",
         3, 768},
        {"{\"max_position_embeddings\": 512, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": "
         "null,"
         "\"original_max_position_embeddings\": 256}}",
         2, 512},
        {"{\"max_position_embeddings\": 768, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, "
         "\"original_max_position_embeddings\": 256}}",
         2, 768},
    };
    enum { WAVES = 8 };
    /* Waves that turn more than 32 times in 256 positions stay, those that turn less than once are
     * as long as the factor says: 0.27 and 4.03 of 8 are the bounds, rounded to 0 and 5. */
    const double bound[2] = {16 * log(256 / (32 * 2 * M_PI)) / (2 * log(1e4)),
                             16 * log(256 / (2 * M_PI)) / (2 * log(1e4))};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_error err;
        pl_config config, again;
        json_t *json = NULL;
        float found[WAVES];
        pl_check_ok(read(cases[i].config, &config, &err), err);
        expect_close(config.rope_factor, cases[i].factor, 1e-12);
        expect_close(config.rope_amplitude, 0.1 * log(cases[i].factor) + 1, 1e-12);
        assert_int_equal(pl_config_longest(&config), cases[i].longest);
        pl_config_frequencies(&config, 0, found);
        for (size_t k = 0; k < WAVES; k++) {
            const double plain = pow(1e4, -(double)k / WAVES),
                         ramp = fmin(
                             ((double)k - floor(bound[0])) / (ceil(bound[1]) - floor(bound[0])), 1);
            pl_check_close(found[k], plain * (1 - ramp) + plain / cases[i].factor * ramp, 1e-6, 0);
        }
        pl_check_ok(pl_config_to_json(&config, "float16", &json, &err), err);
        pl_check_ok(pl_config_from_json(json, "again", &again, &err), err);
        expect_close(again.rope_factor, cases[i].factor, 0);
        json_decref(json);
    }
}

static void written_config_reads_back(void **state)
{
    (void)state;
    pl_error err;
    pl_config config;
    pl_config again;
    json_t *json = NULL;
    pl_check_ok(read("{\"bos_token_id\": 1, \"eos_token_id\": [2, 3], \"rope_scaling\":"
                     "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1,"
                     "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 64},"
                     "\"tie_word_embeddings\": true}",
                     &config, &err),
                err);
    pl_check_ok(pl_config_to_json(&config, "float16", &json, &err), err);
    pl_check_ok(pl_config_from_json(json, "again", &again, &err), err);
    assert_memory_equal(&config, &again, sizeof config);
    assert_string_equal(json_string_value(json_object_get(json, "torch_dtype")), "float16");
    json_decref(json);
}

/* attention_bias and mlp_bias go into the config and back; what no config can say is refused. */
static void biases_come_back_from_a_written_config(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        bool attention, mlp;
    } cases[] = {
        {"{\"attention_bias\": true, \"mlp_bias\": true}", true, true},
        {"{\"attention_bias\": true}", true, false},
        {"{\"mlp_bias\": true}", false, true},
        {"{\"model_type\": \"qwen3\", \"attention_bias\": true, \"num_key_value_heads\": 2}", true,
         false},
        {"{\"model_type\": \"olmo2\", \"attention_bias\": true}", true, false},
        {"{\"model_type\": \"gemma2\", \"attention_bias\": true, \"num_key_value_heads\": 2}", true,
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err;
        pl_config config;
        pl_config again;
        json_t *json = NULL;
        pl_check_ok(read(cases[i].members, &config, &err), err);
        for (int role = 0; role < PL_ROLE_COUNT; role++) {
            assert_int_equal(config.biased[role], role > PL_ROLE_DOWN ? false
                                                  : role <= PL_ROLE_O ? cases[i].attention
                                                                      : cases[i].mlp);
        }
        pl_check_ok(pl_config_to_json(&config, "float16", &json, &err), err);
        pl_check_ok(pl_config_from_json(json, "again", &again, &err), err);
        assert_memory_equal(config.biased, again.biased, sizeof config.biased);
        json_decref(json);
    }
    pl_error err;
    pl_config config;
    json_t *json = NULL;
    pl_check_ok(read("{\"model_type\": \"qwen2\"}", &config, &err), err);
    config.biased[PL_ROLE_O] = true;
    assert_int_equal(pl_config_to_json(&config, "float16", &json, &err), PL_ERR_UNSUPPORTED);
    assert_null(json);
    pl_check_says(err, "biases that no config.json of Qwen2ForCausalLM can say");
}

static void divisors_without_a_name_are_not_exported(void **state)
{
    (void)state;
    pl_error err;
    pl_config config;
    json_t *json = NULL;
    pl_check_ok(read("{}", &config, &err), err);
    config.rope_divisors = 8;
    for (size_t i = 0; i < 8; i++) {
        config.rope_divisor[i] = i == 3 ? 2.5f : 1.0f;
    }
    assert_int_equal(pl_config_to_json(&config, "float16", &json, &err), PL_ERR_UNSUPPORTED);
    assert_null(json);
    pl_check_says(err, "rope_freqs.weight");
}

static void unsupported_settings_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        pl_status status;
        const char *says;
    } cases[] = {
        {"{\"model_type\": \"falcon\"}", PL_ERR_UNSUPPORTED, "'falcon'"},
        {"{\"model_type\": \"falcon\"}", PL_ERR_UNSUPPORTED,
         "supported: llama, mistral, qwen2, qwen3, phi3, olmo2, gemma2, gemma3_text, mixtral, "
         "qwen2_moe"},
        {"{\"model_type\": \"x\\u001b[31m\"}", PL_ERR_UNSUPPORTED, "x\\x1b[31m"},
        {"{\"model_type\": 3}", PL_ERR_FORMAT, "model_type"},
        {"{\"hidden_act\": \"gelu\"}", PL_ERR_UNSUPPORTED, "hidden_act = \"gelu\""},
        {"{\"model_type\": \"qwen2\", \"mlp_bias\": true}", PL_ERR_UNSUPPORTED, "mlp_bias"},
        {"{\"model_type\": \"mistral\", \"attention_bias\": true}", PL_ERR_UNSUPPORTED,
         "attention_bias"},
        {"{\"quantization_config\": {\"bits\": 4}}", PL_ERR_UNSUPPORTED,
         "quantization_config: the weights are quantized (by a tool it does not name)"},
        {"{\"quantization_config\": {\"quant_method\": \"hqq\"}}", PL_ERR_UNSUPPORTED,
         "the weights are quantized (by hqq); open the model they were made from"},
        {"{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", "
         "\"transform_config\": {\"config_groups\": {\"R1\": {}}}}}",
         PL_ERR_UNSUPPORTED,
         "quantization_config: transform_config: the layers work in other coordinates"},
        {"{\"quantization\": {\"bits\": 4}}", PL_ERR_UNSUPPORTED, "(by MLX)"},
        {"{\"rope_scaling\": {\"rope_type\": \"ntk\", \"factor\": 2}}", PL_ERR_UNSUPPORTED,
         "'ntk' is not supported; supported: default, linear, llama3, yarn, dynamic"},
        {"{\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2, \"beta_fast\": \"x\"}}",
         PL_ERR_FORMAT, "beta_fast: expected a positive number"},
        {"{\"rope_scaling\": {\"rope_type\": \"yarn\"}}", PL_ERR_FORMAT,
         "factor: expected a positive number"},
        {"{\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 0.5}}", PL_ERR_FORMAT,
         "factor 0.5"},
        {"{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": -2}}", PL_ERR_FORMAT,
         "factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}}", PL_ERR_FORMAT,
         "low_freq_factor"},
        {"{\"hidden_size\": 0}", PL_ERR_FORMAT, "hidden_size"},
        {"{\"hidden_size\": -64}", PL_ERR_FORMAT, "hidden_size"},
        {"{\"hidden_size\": 64.5}", PL_ERR_FORMAT, "hidden_size"},
        {"{\"hidden_size\": 99999999999}", PL_ERR_FORMAT, "hidden_size"},
        {"{\"vocab_size\": \"many\"}", PL_ERR_FORMAT, "vocab_size"},
        {"{\"hidden_size\": 66}", PL_ERR_FORMAT, "no multiple of 4 heads"},
        {"{\"num_key_value_heads\": 3}", PL_ERR_FORMAT, "3 key-value heads"},
        {"{\"head_dim\": 15}", PL_ERR_FORMAT, "head_dim is 15"},
        {"{\"head_dim\": 5000}", PL_ERR_FORMAT, "head_dim is 5000"},
        {"{\"rms_norm_eps\": 0}", PL_ERR_FORMAT, "rms_norm_eps"},
        {"{\"num_hidden_layers\": 100000}", PL_ERR_FORMAT, "100000 blocks"},
        {"{\"model_type\": \"qwen2_moe\", \"use_sliding_window\": true}", PL_ERR_UNSUPPORTED,
         "use_sliding_window = true"},
        {"{\"model_type\": \"qwen3\", \"use_sliding_window\": true, \"layer_types\":"
         "[\"full_attention\"]}",
         PL_ERR_FORMAT, "layer_types: expected an array of 2"},
        {"{\"model_type\": \"gemma2\", \"layer_types\": [\"full_attention\", \"chunked\"]}",
         PL_ERR_UNSUPPORTED, "layer_types[1]"},
        {"{\"model_type\": \"qwen3\", \"num_key_value_heads\": null}", PL_ERR_FORMAT,
         "num_key_value_heads"},
        {"{\"partial_rotary_factor\": 0.5}", PL_ERR_UNSUPPORTED, "partial_rotary_factor = 0.5"},
        {"{\"model_type\": \"phi3\", \"partial_rotary_factor\": 1.5}", PL_ERR_FORMAT,
         "partial_rotary_factor"},
        {"{\"model_type\": \"phi3\", \"partial_rotary_factor\": 0.01}", PL_ERR_FORMAT,
         "RoPE over 0 of 16"},
        {"{\"model_type\": \"phi3\", \"rope_scaling\": {\"type\": \"longrope\"}}", PL_ERR_FORMAT,
         "short_factor: expected an array of 8 numbers"},
        {"{\"model_type\": \"phi3\", \"rope_scaling\": {\"type\": \"longrope\", \"short_factor\":"
         "[1, 1, 1, 1, 1, 1, 1, 0]}}",
         PL_ERR_FORMAT, "short_factor[7]"},
        {"{\"rope_scaling\": {\"type\": \"longrope\"}}", PL_ERR_UNSUPPORTED, "'longrope'"},
        {"{\"model_type\": \"phi3\", \"rope_scaling\": {\"type\": \"dynamic\"}}",
         PL_ERR_UNSUPPORTED, "default, linear, llama3, longrope"},
        {"{\"model_type\": \"gemma2\", \"hidden_activation\": \"gelu\"}", PL_ERR_UNSUPPORTED,
         "hidden_activation = \"gelu\""},
        {"{\"model_type\": \"gemma2\", \"attn_logit_softcapping\": -1}", PL_ERR_FORMAT,
         "attn_logit_softcapping"},
        {"{\"model_type\": \"gemma3_text\", \"rope_parameters\": {\"sliding_attention\":"
         "{\"rope_type\": \"linear\", \"factor\": 8, \"rope_theta\": 1e4},"
         "\"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": 1e6}}}",
         PL_ERR_UNSUPPORTED,
         "rope_parameters.sliding_attention.rope_type = \"linear\" is not supported"},
        {"{\"model_type\": \"gemma3_text\", \"use_bidirectional_attention\": true}",
         PL_ERR_UNSUPPORTED, "use_bidirectional_attention = true"},
        {"{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 1e4,"
         "\"partial_rotary_factor\": 0.5}}",
         PL_ERR_UNSUPPORTED, "rope_parameters.partial_rotary_factor = 0.5 is not supported"},
        {"{\"model_type\": \"mistral\", \"sliding_window\": 0}", PL_ERR_FORMAT, "sliding_window"},
        {"{\"model_type\": \"mixtral\"}", PL_ERR_FORMAT, "num_local_experts"},
        {"{\"model_type\": \"qwen3_moe\"}", PL_ERR_FORMAT, "num_experts: expected"},
        {"{\"model_type\": \"mixtral\", \"num_local_experts\": 2, \"num_experts_per_tok\": 3}",
         PL_ERR_FORMAT, "3 experts for a token; expected at most 2"},
        {"{\"model_type\": \"mixtral\", \"num_local_experts\": 9000000,"
         "\"num_experts_per_tok\": 3}",
         PL_ERR_FORMAT, "9000000 experts"},
        {"{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4,"
         "\"scale_attn_by_inverse_layer_idx\": true}",
         PL_ERR_UNSUPPORTED, "scale_attn_by_inverse_layer_idx = true"},
        {"{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4,"
         "\"scale_attn_weights\": false}",
         PL_ERR_UNSUPPORTED, "scale_attn_weights = false"},
        {"{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4,"
         "\"activation_function\": \"relu\"}",
         PL_ERR_UNSUPPORTED, "activation_function = \"relu\""},
        {"{\"model_type\": \"gpt2\"}", PL_ERR_FORMAT, "n_embd: expected an integer"},
        {"{\"model_type\": \"opt\", \"ffn_dim\": 96, \"do_layer_norm_before\": false}",
         PL_ERR_UNSUPPORTED, "do_layer_norm_before = false"},
        {"{\"model_type\": \"opt\", \"ffn_dim\": 96, \"word_embed_proj_dim\": 32}",
         PL_ERR_UNSUPPORTED, "word_embed_proj_dim = 32"},
        {"{\"model_type\": \"opt\", \"ffn_dim\": 96, \"activation_function\": \"swiglu\"}",
         PL_ERR_UNSUPPORTED, "activation_function = \"swiglu\""},
        {"{\"model_type\": \"cohere\", \"use_qk_norm\": true}", PL_ERR_UNSUPPORTED,
         "use_qk_norm = true"},
        {"{\"model_type\": \"smollm3\", \"no_rope_layers\": [1]}", PL_ERR_FORMAT,
         "no_rope_layers: expected an array of 2 numbers"},
        {"{\"model_type\": \"smollm3\", \"no_rope_layers\": [1, 2]}", PL_ERR_FORMAT,
         "no_rope_layers[1]: expected 0 or 1"},
        {"{\"model_type\": \"granite\", \"residual_multiplier\": 0}", PL_ERR_FORMAT,
         "residual_multiplier: expected a positive number"},
        {"{\"model_type\": \"olmoe\", \"clip_qkv\": 8}", PL_ERR_UNSUPPORTED, "clip_qkv = 8"},
        {"{\"model_type\": \"qwen3_moe\", \"use_sliding_window\": true}", PL_ERR_UNSUPPORTED,
         "use_sliding_window = true"},
        {"{\"model_type\": \"qwen2_moe\", \"qkv_bias\": false}", PL_ERR_UNSUPPORTED,
         "qkv_bias = false"},
        {"{\"model_type\": \"deepseek_v3\", " LATENT "}", PL_ERR_FORMAT,
         "num_key_value_heads is 2; expected 4"},
        {"{\"model_type\": \"deepseek_v3\", \"num_key_value_heads\": 4}", PL_ERR_FORMAT,
         "kv_lora_rank: expected an integer"},
        {"{\"model_type\": \"deepseek_v3\", \"num_key_value_heads\": 4, " LATENT
         ", \"scoring_func\": \"softmax\"}",
         PL_ERR_UNSUPPORTED, "scoring_func = \"softmax\""},
        {"{\"model_type\": \"deepseek_v3\", \"num_key_value_heads\": 4, " LATENT
         ", \"rope_interleave\": false}",
         PL_ERR_UNSUPPORTED, "rope_interleave = false"},
        {"{\"model_type\": \"deepseek_v2\", \"num_key_value_heads\": 4, " LATENT
         ", \"norm_topk_prob\": true}",
         PL_ERR_UNSUPPORTED, "norm_topk_prob = true"},
        {"{\"model_type\": \"deepseek_v2\", \"num_key_value_heads\": 4, " LATENT
         ", \"moe_layer_freq\": 2}",
         PL_ERR_UNSUPPORTED, "moe_layer_freq = 2"},
        {"{\"model_type\": \"deepseek_v2\", \"num_key_value_heads\": 4, " LATENT
         ", \"n_group\": 3, \"topk_group\": 2}",
         PL_ERR_FORMAT, "2 of 8 experts from 2 of 3 groups"},
        {"{\"model_type\": \"deepseek_v2\", \"num_key_value_heads\": 4, " LATENT
         ", \"n_group\": 8, \"topk_group\": 1}",
         PL_ERR_FORMAT, "2 of 8 experts from 1 of 8 groups"},
        {"{\"model_type\": \"gpt_oss\", \"num_local_experts\": 4, \"num_experts_per_tok\": 2,"
         "\"swiglu_limit\": 5.0}",
         PL_ERR_UNSUPPORTED, "swiglu_limit = 5.0"},
        {"{\"model_type\": \"gpt_oss\", \"num_local_experts\": 4, \"num_experts_per_tok\": 2,"
         "\"hidden_act\": \"gelu\"}",
         PL_ERR_UNSUPPORTED, "hidden_act = \"gelu\""},
        {"{\"model_type\": \"llama4_text\", \"intermediate_size_mlp\": 96,"
         "\"num_local_experts\": 4, \"moe_layers\": [2]}",
         PL_ERR_FORMAT, "moe_layers[0]: expected a block's number below 2"},
        {"{\"model_type\": \"llama4_text\", \"intermediate_size_mlp\": 96,"
         "\"num_local_experts\": 4, \"layer_types\": [\"chunked_attention\", \"other\"]}",
         PL_ERR_UNSUPPORTED, "layer_types[1]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err;
        pl_config config;
        assert_int_equal(read(cases[i].members, &config, &err), cases[i].status);
        pl_check_says(err, cases[i].says);
        pl_check_says(err, "config.json");
    }
}

static void windows_come_from_each_architectures_setting(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        size_t window;
        bool first, second; /* which of the two blocks slide */
    } cases[] = {
        {"{\"model_type\": \"qwen2\", \"use_sliding_window\": true, \"sliding_window\": 16,"
         "\"max_window_layers\": 2}",
         16, false, false},
        {"{\"model_type\": \"qwen2\", \"use_sliding_window\": true, \"sliding_window\": 16,"
         "\"max_window_layers\": 1}",
         16, false, true},
        {"{\"model_type\": \"qwen2\", \"use_sliding_window\": false, \"sliding_window\": 16,"
         "\"max_window_layers\": 0}",
         0, false, false},
        {"{\"model_type\": \"qwen3\", \"use_sliding_window\": true, \"sliding_window\": 16,"
         "\"layer_types\": [\"sliding_attention\", \"full_attention\"]}",
         16, true, false},
        {"{\"model_type\": \"mistral\"}", 4096, true, true},
        {"{\"model_type\": \"mistral\", \"sliding_window\": null}", 0, false, false},
        {"{\"model_type\": \"phi3\"}", 0, false, false},
        {"{\"model_type\": \"phi3\", \"sliding_window\": 7}", 7, true, true},
        {"{\"model_type\": \"gemma2\"}", 4096, true, false},
        {"{\"model_type\": \"gemma3_text\"}", 4096, true, true},
        {"{\"model_type\": \"gemma3_text\", \"sliding_window_pattern\": 1}", 4096, false, false},
        {"{\"sliding_window\": 16}", 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err;
        pl_config config;
        pl_check_ok(read(cases[i].members, &config, &err), err);
        assert_int_equal(config.window, cases[i].window);
        assert_int_equal(config.block_kind[0], cases[i].first ? PL_BLOCK_SLIDES : 0);
        assert_int_equal(config.block_kind[1], cases[i].second ? PL_BLOCK_SLIDES : 0);
    }
}

static void gemma3_with_a_vision_tower_gives_its_text_config(void **state)
{
    (void)state;
    pl_error err;
    pl_config config;
    pl_check_ok(read("{\"model_type\": \"gemma3\", \"eos_token_id\": [1, 106], \"text_config\":"
                     "{\"hidden_size\": 2560, \"intermediate_size\": 10240,"
                     "\"num_hidden_layers\": 34, \"sliding_window\": 1024, \"rope_scaling\":"
                     "{\"rope_type\": \"linear\", \"factor\": 8}}}",
                     &config, &err),
                err);
    assert_string_equal(config.architecture, "gemma3_text");
    assert_int_equal(config.heads, 8);
    assert_int_equal(config.kv_heads, 4);
    assert_int_equal(config.head_dim, 256);
    assert_int_equal(config.vocab_size, 262208);
    assert_int_equal(config.window, 1024);
    assert_int_equal(config.eos_id, 1);
    assert_int_equal(config.block_kind[4], PL_BLOCK_SLIDES);
    assert_int_equal(config.block_kind[5], 0);
    assert_int_equal(read("{\"model_type\": \"gemma3\"}", &config, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "'gemma3'");
}

static void every_architectures_config_reads_back(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{\"model_type\": \"mistral\", \"sliding_window\": 7, \"head_dim\": 24}",
        "{\"model_type\": \"mistral\", \"sliding_window\": null}",
        "{\"model_type\": \"qwen3\", \"use_sliding_window\": true, \"max_window_layers\": 1}",
        "{\"model_type\": \"phi3\", \"partial_rotary_factor\": 0.75}",
        "{\"model_type\": \"phi3\", \"max_position_embeddings\": 131072,"
        "\"original_max_position_embeddings\": 4096, \"rope_scaling\": {\"type\": \"longrope\","
        "\"short_factor\": [1, 1, 1, 1, 1.25, 1, 1, 1.5],"
        "\"long_factor\": [1, 1, 2, 3, 4, 5, 6, 7]}}",
        "{\"model_type\": \"granite\", \"embedding_multiplier\": 12, \"attention_multiplier\":"
        "0.5, \"residual_multiplier\": 0.25, \"logits_scaling\": 8}",
        "{\"model_type\": \"smollm3\", \"no_rope_layers\": [0, 1]}",
        "{\"model_type\": \"starcoder2\", \"norm_epsilon\": 1e-3, \"use_bias\": false,"
        "\"hidden_act\": \"gelu_pytorch_tanh\"}",
        "{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4}",
        "{\"model_type\": \"opt\", \"ffn_dim\": 96, \"activation_function\": \"gelu\"}",
        "{\"model_type\": \"glm4\"}",
        "{\"model_type\": \"cohere2\", \"logit_scale\": 0.25}",
        "{\"model_type\": \"olmo2\"}",
        "{\"model_type\": \"gemma2\", \"query_pre_attn_scalar\": 144}",
        "{\"model_type\": \"gemma2\", \"attn_logit_softcapping\": null}",
        "{\"model_type\": \"gemma3_text\", \"final_logit_softcapping\": 3}",
        "{\"model_type\": \"gemma3_text\", \"rope_local_base_freq\": 500, \"rope_scaling\":"
        "{\"rope_type\": \"linear\", \"factor\": 8}}",
        "{\"model_type\": \"mixtral\", \"num_local_experts\": 8, \"num_experts_per_tok\": 2}",
        "{\"model_type\": \"qwen2_moe\", \"num_experts\": 8, \"num_experts_per_tok\": 2,"
        "\"moe_intermediate_size\": 24, \"shared_expert_intermediate_size\": 40,"
        "\"norm_topk_prob\": true, \"decoder_sparse_step\": 2}",
        "{\"model_type\": \"deepseek_v2\", " LATENT ", \"n_shared_experts\": 2,"
        "\"num_key_value_heads\": 4, \"topk_method\": \"group_limited_greedy\","
        "\"n_group\": 4, \"topk_group\": 2, \"first_k_dense_replace\": 1}",
        "{\"model_type\": \"deepseek_v3\", " LATENT ", \"q_lora_rank\": 20,"
        "\"num_key_value_heads\": 4, \"routed_scaling_factor\": 2.5, \"first_k_dense_replace\": 1,"
        "\"rope_scaling\":"
        "{\"rope_type\": \"yarn\", \"factor\": 4, \"mscale\": 1, \"mscale_all_dim\": 0.75}}",
        "{\"model_type\": \"gpt_oss\", \"num_local_experts\": 4, \"num_experts_per_tok\": 2,"
        "\"sliding_window\": 9, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4,"
        "\"truncate\": false}}",
        "{\"model_type\": \"llama4_text\", \"intermediate_size_mlp\": 96, \"head_dim\": 16,"
        "\"num_local_experts\": 4, \"attention_chunk_size\": 13, \"moe_layers\": [1],"
        "\"use_qk_norm\": false, \"floor_scale\": 16, \"attn_scale\": 0.5}",
    };
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        pl_error err;
        pl_config config;
        pl_config again;
        json_t *json = NULL;
        pl_check_ok(read(configs[i], &config, &err), err);
        pl_check_ok(pl_config_to_json(&config, "float16", &json, &err), err);
        pl_check_ok(pl_config_from_json(json, "again", &again, &err), err);
        expect_less(fabs(config.attention_scale - again.attention_scale), 1e-12);
        again.attention_scale = config.attention_scale;
        assert_memory_equal(&config, &again, sizeof config);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(rope_is_read_in_both_forms),
        cmocka_unit_test(gemma3_does_not_cap_its_scores),
        cmocka_unit_test(experts_are_counted_by_either_name),
        cmocka_unit_test(yarn_takes_the_stated_factor),
        cmocka_unit_test(written_config_reads_back),
        cmocka_unit_test(biases_come_back_from_a_written_config),
        cmocka_unit_test(divisors_without_a_name_are_not_exported),
        cmocka_unit_test(unsupported_settings_are_refused_by_name),
        cmocka_unit_test(windows_come_from_each_architectures_setting),
        cmocka_unit_test(gemma3_with_a_vision_tower_gives_its_text_config),
        cmocka_unit_test(every_architectures_config_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
