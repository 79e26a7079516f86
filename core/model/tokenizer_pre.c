/* The pre-tokenizers that GGUF names (tokenizer.ggml.pre), by the kinds llama.cpp maps the names to
 * (llama-vocab.cpp), with the patterns of the models' own tokenizer.json where llama.cpp's regular
 * expressions can only come near them. */
#include "core/model/tokenizer_parts.h"

#include <string.h>

#define SHORT_FORMS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define BLANKS "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SIGNS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SIGNS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
/* Words of a capital part and a small part, one of which may be missing. */
#define CASED(upper, lower, after)                                                                 \
    BEFORE "[" upper "]*[" lower "]+" after "|" BEFORE "[" upper "]+[" lower "]*" after

#define LLAMA3 SHORT_FORMS "|" WORD "|\\p{N}{1,3}" SIGNS BLANKS
#define QWEN2 SHORT_FORMS "|" WORD "|\\p{N}" SIGNS BLANKS
#define GPT4O CASED(UPPER, LOWER, SHORT_FORMS "?") "|\\p{N}{1,3}" SIGNS_SLASH BLANKS
#define TEKKEN CASED(UPPER, LOWER, "") "|\\p{N}" SIGNS_SLASH BLANKS
#define NO_HAN "&&[^\\p{Han}]"
#define KIMI                                                                                       \
    "[\\p{Han}]+|" CASED(UPPER NO_HAN, LOWER NO_HAN, SHORT_FORMS "?") "|\\p{N}{1,3}" SIGNS BLANKS
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define DEEPSEEK3(signs, blanks)                                                                   \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"           \
    "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" signs blanks
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define DEEPSEEK_SIGNS                                                                             \
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+"
#define DEEPSEEK_CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK_LETTERS                                                                           \
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-"   \
    "\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}"          \
    "\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}"         \
    "\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-"           \
    "\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}"        \
    "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-"       \
    "\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-"         \
    "\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-"        \
    "\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"        \
    "\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}"          \
    "\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-"        \
    "\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-"         \
    "\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"         \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-"       \
    "\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"    \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"         \
    "\\x{1E900}-\\x{1E943}]+"
#define YOUTU                                                                                      \
    "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}"     \
    "\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|"       \
    "[\\x{3105}-\\x{312F}]+|" CJK

static const pl_pre pres[] = {
    {.names = "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
     .digits = true,
     .gpt2 = true},
    {.names =
         "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert "
         "mpt olmo jais trillion granite-docling exaone4",
     .gpt2 = true},
    {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     .patterns = {LLAMA3},
     .ignore_merges = true,
     .adds_bos = true},
    {.names = "dbrx smaug-bpe glm4 chatglm-bpe", .patterns = {LLAMA3}},
    {.names = "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", .patterns = {QWEN2}, .nfc = true},
    {.names = "stablelm2 hunyuan solar-open grok-2", .patterns = {QWEN2}},
    {.names = "tekken", .patterns = {TEKKEN}, .ignore_merges = true, .adds_bos = true},
    {.names = "gpt-4o llama4 kanana2 talkie minimax-m2", .patterns = {GPT4O}},
    {.names = "tiny_aya cohere2moe", .patterns = {"\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O}},
    {.names = "deepseek-llm",
     .patterns = {"[\\r\\n]", DEEPSEEK_LETTERS, DEEPSEEK_SIGNS, "\\s+$", DEEPSEEK_CJK, "\\p{N}+"}},
    {.names = "deepseek-coder",
     .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}},
    {.names = "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
     .patterns = {"\\p{N}{1,3}", CJK, DEEPSEEK3("[\\r\\n]*", BLANKS)}},
    {.names = "spark2_5",
     .patterns = {"\\p{N}{1,3}", CJK, DEEPSEEK3("", "|[\\r\\n]|\\s+(?!\\S)|\\s+"), "\\p{N}"}},
    {.names = "youtu",
     .patterns = {YOUTU, CASED(UPPER, LOWER, SHORT_FORMS "?") "|\\p{N}" SIGNS_SLASH BLANKS},
     .ignore_merges = true},
    {.names = "falcon", .patterns = {"[\\p{P}$+<=>^~|`]+", PL_PATTERN_GPT2, "[0-9][0-9][0-9]"}},
    {.names = "default",
     .patterns = {"[\\p{P}$+<=>^~|]+", PL_PATTERN_GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {.names = "qwen35",
     .patterns = {SHORT_FORMS
                  "|" BEFORE "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" BLANKS}},
    {.names = "poro-chat bloom gpt3-finnish", .patterns = {BLOOM}},
    {.names = "viking", .patterns = {BLOOM, "\\p{N}"}},
    {.names = "bailingmoe bailingmoe2 llada-moe",
     .patterns =
         {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++"
          "[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {.names = "seed-coder",
     .patterns = {SHORT_FORMS "|" WORD "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" BLANKS}},
    {.names = "ufakzeka", .patterns = {WORD "|\\p{N}" SIGNS BLANKS}},
    {.names = "minicpm5",
     .patterns = {"\\p{N}{1,3}", SHORT_FORMS "|" WORD "|\\p{N}+" SIGNS BLANKS},
     .ignore_merges = true},
    {.names = "superbpe", .patterns = {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
    {.names = "kimi-k2", .patterns = {KIMI}},
    {.names = "laguna", .patterns = {"[^\\n]+|[\\n]+", QWEN2}},
    {.names = "exaone-moe",
     .patterns = {SHORT_FORMS "|" BEFORE "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
                              "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
};

const pl_pre *pl_pre_find(const char *name)
{
    const size_t size = strlen(name);
    for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++) {
        for (const char *at = pres[i].names; at != NULL; at = strchr(at, ' ')) {
            at += *at == ' ';
            if (size > 0 && strncmp(at, name, size) == 0 && (at[size] == ' ' || at[size] == '\0')) {
                return &pres[i];
            }
        }
    }
    return NULL;
}

const pl_pre *pl_pre_at(size_t index)
{
    return index < sizeof pres / sizeof pres[0] ? &pres[index] : NULL;
}

void pl_pre_list(pl_buf *out)
{
    for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++) {
        pl_buf_printf(out, "%s%s", i > 0 ? " " : "", pres[i].names);
    }
}
