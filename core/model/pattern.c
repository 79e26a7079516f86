/* The patterns of pre-tokenizers, as Hugging Face's tokenizers reads them: by Oniguruma, in its own
 * syntax.
 *
 * Oniguruma backtracks and says neither how often nor lets itself be stopped.  So every call may
 * retry only so often, at one start and in all.  Where one start needs more, the call is made again
 * with 32 times as much, up to the limit at which Hugging Face's tokenizers gives up as well; where
 * all together need more, the starts that are certainly done are left behind.  What a call may have
 * taken is charged to the text. */
#include "core/model/tokenizer_parts.h"

#include <oniguruma.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
    FIRST_RETRIES = 32, /* at one start; nearly all matches need fewer */
    FIRST_STARTS = 64,  /* as many times that in one call */
    FEW_RETRIES = 4,    /* where many starts in turn do not match */
    MORE_RETRIES = 32,  /* times as many, the next time */
    MORE_STARTS = 16,
    MOST_RETRIES = 10000000, /* Oniguruma's own limit of a match */
    CALL = 1 << 26,          /* starts of a call times the bytes behind them: below a second */
    STACK_BYTES = 64,        /* an entry of Oniguruma's stack, rounded up */
    MOST_STACK = 1 << 25,    /* entries where there is no limit on memory */
};

struct pl_pattern {
    regex_t *regex;
    pl_quick quick;
};

struct pl_matcher {
    OnigRegion *region;
    OnigMatchParam *param;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialize(void)
{
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
    onig_set_warn_func(onig_null_warn);
    onig_set_verb_warn_func(onig_null_warn);
}

pl_status pl_pattern_create(const char *source, pl_pattern **out, pl_error *err)
{
    OnigErrorInfo info;
    pl_pattern *pattern = calloc(1, sizeof *pattern);
    *out = NULL;
    pthread_once(&once, initialize);
    if (pattern == NULL) {
        return pl_error_memory(err, "a tokenizer");
    }
    const OnigUChar *text = (const OnigUChar *)source;
    int code = onig_new(&pattern->regex, text, text + strlen(source), ONIG_OPTION_NONE,
                        ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &info);
    if (code != ONIG_NORMAL) {
        OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN] = {0};
        onig_error_code_to_str(why, code, &info);
        free(pattern);
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the split pattern '%.200s' does not compile: %s", source,
                            (const char *)why);
    }
    pattern->quick = pl_quick_find(source);
    *out = pattern;
    return PL_OK;
}

void pl_pattern_destroy(pl_pattern *pattern)
{
    if (pattern != NULL) {
        onig_free(pattern->regex);
        free(pattern);
    }
}

pl_status pl_matcher_create(pl_matcher **out, const pl_meter *meter, pl_error *err)
{
    pl_matcher *matcher = calloc(1, sizeof *matcher);
    *out = matcher;
    if (matcher != NULL) {
        pthread_once(&once, initialize);
        matcher->region = onig_region_new();
        matcher->param = onig_new_match_param();
    }
    if (matcher == NULL || matcher->region == NULL || matcher->param == NULL) {
        pl_matcher_destroy(matcher);
        *out = NULL;
        return pl_error_memory(err, "splitting a text");
    }
    size_t entries = meter->most_bytes > 0 ? meter->most_bytes / STACK_BYTES : MOST_STACK;
    entries = entries < 1024 ? 1024 : entries < MOST_STACK ? entries : MOST_STACK;
    onig_initialize_match_param(matcher->param);
    onig_set_match_stack_limit_size_of_match_param(matcher->param, (unsigned)entries);
    return PL_OK;
}

void pl_matcher_destroy(pl_matcher *matcher)
{
    if (matcher != NULL) {
        onig_region_free(matcher->region, 1);
        if (matcher->param != NULL) {
            onig_free_match_param(matcher->param);
        }
        free(matcher);
    }
}

static pl_status refuse_search(int code, pl_error *err)
{
    if (code == ONIGERR_MATCH_STACK_LIMIT_OVER || code == ONIGERR_MEMORY) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "the tokenizer's split pattern needs more memory on this text than the "
                            "limit (--memory) leaves");
    }
    if (code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the tokenizer's split pattern backtracks more than %d times for one "
                            "match in this text (retry limit)",
                            MOST_RETRIES);
    }
    OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN] = {0};
    onig_error_code_to_str(why, code);
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "the tokenizer's split pattern could not be matched: %s",
                        (const char *)why);
}

/* How a call is bounded: so many retries at one start, and that times starts in all. */
typedef struct bounds {
    unsigned long retries;
    size_t starts;
} bounds;

/* As onig_search: where the first match at or behind `at` begins, or what went wrong. */
static int search(const pl_pattern *pattern, pl_matcher *matcher, const char *text, size_t size,
                  size_t at, const bounds *b)
{
    const OnigUChar *base = (const OnigUChar *)text;
    onig_set_retry_limit_in_match_of_match_param(matcher->param, b->retries);
    onig_set_retry_limit_in_search_of_match_param(matcher->param, b->retries * b->starts);
    return onig_search_with_param(pattern->regex, base, base + size, base + at, base + size,
                                  matcher->region, ONIG_OPTION_NONE, matcher->param);
}

/* The retries a call in text[at, size) took, at most. */
static uint64_t taken(const bounds *b, int code, size_t size, size_t at)
{
    const size_t tried = (code >= 0 ? (size_t)code : size) - at + 1;
    return (uint64_t)b->retries * (tried < b->starts ? tried : b->starts);
}

/* For the starts behind those that did not match. */
static bounds bounds_behind(size_t left)
{
    const size_t starts = CALL / (left + 1);
    return (bounds){FEW_RETRIES, starts < MORE_STARTS ? MORE_STARTS : starts};
}

pl_status pl_pattern_next(const pl_pattern *pattern, pl_matcher *matcher, const char *text,
                          size_t size, size_t at, pl_span *out, pl_meter *meter, pl_error *err)
{
    bounds b = {FIRST_RETRIES, FIRST_STARTS};
    *out = (pl_span){SIZE_MAX, SIZE_MAX};
    const size_t end =
        pattern->quick.known && at < size ? pl_quick_match(&pattern->quick, text, size, at) : 0;
    if (end > 0) {
        *out = (pl_span){at, end};
        return pl_meter_steps(meter, 1, err);
    }
    while (at < size) {
        const int code = search(pattern, matcher, text, size, at, &b);
        if (code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER && b.retries == MOST_RETRIES) {
            return refuse_search(code, err);
        }
        pl_status status = pl_meter_retry(meter, taken(&b, code, size, at), err);
        if (status != PL_OK) {
            return status;
        }
        if (code >= 0) {
            *out = (pl_span){(size_t)matcher->region->beg[0], (size_t)matcher->region->end[0]};
            return PL_OK;
        }
        if (code == ONIG_MISMATCH) {
            return PL_OK;
        }
        if (code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER) {
            b.retries =
                b.retries * MORE_RETRIES < MOST_RETRIES ? b.retries * MORE_RETRIES : MOST_RETRIES;
            b.starts = MORE_STARTS;
        } else if (code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER) {
            at += b.starts; /* no start took more than its share, so these are done */
            while (at < size && ((unsigned char)text[at] & 0xc0) == 0x80) {
                at++;
            }
            b = bounds_behind(at < size ? size - at : 0);
        } else {
            return refuse_search(code, err);
        }
    }
    return PL_OK;
}

/* ---- What needs no pattern: classes of characters ---- */

bool pl_is_numeric(int32_t code)
{
    const utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

/* What Unicode has gained since its version 8, which Hugging Face's tokenizers has here. */
static const int32_t later[][2] = {
    {0x61d, 0x61d},     {0x9fd, 0x9fd},     {0xa76, 0xa76},     {0xc77, 0xc77},
    {0xc84, 0xc84},     {0x1b7d, 0x1b7e},   {0x2e43, 0x2e5d},   {0x10ead, 0x10ead},
    {0x10f55, 0x10f59}, {0x10f86, 0x10f89}, {0x1144b, 0x1145d}, {0x11660, 0x1166c},
    {0x116b9, 0x116b9}, {0x1183b, 0x1183b}, {0x11944, 0x11946}, {0x119e2, 0x119e2},
    {0x11a3f, 0x11a46}, {0x11a9a, 0x11aa2}, {0x11b00, 0x11b09}, {0x11c41, 0x11c45},
    {0x11c70, 0x11c71}, {0x11ef7, 0x11ef8}, {0x11f43, 0x11f4f}, {0x11fff, 0x11fff},
    {0x12ff1, 0x12ff2}, {0x16e97, 0x16e9a}, {0x16fe2, 0x16fe2}, {0x1e95e, 0x1e95f},
};

bool pl_is_punctuation(int32_t code)
{
    if (code < 0x80) { /* with $ + < = > ^ ` | ~ */
        return code > 0x20 && code < 0x7f && !(code >= '0' && code <= '9') &&
               !((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0] && code >= later[i][0]; i++) {
        if (code <= later[i][1]) {
            return false;
        }
    }
    const utf8proc_category_t category = utf8proc_category(code);
    return (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) ||
           code == 0x166d || code == 0x111c9; /* and these two it has lost */
}
