/* A tokenizer.json: refused with a sentence, or every text is encoded to ids of its vocabulary. */
#include "core/model/tokenizer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

#include <stdlib.h>

enum { MEMORY = 64 << 20 };

static void encode(const pl_tokenizer *tokenizer, const char *text, size_t size)
{
    int32_t *ids = NULL;
    size_t count = 0;
    pl_error err = {0};
    pl_buf shown = {0};
    pl_fuzz_status(pl_tokenizer_encode(tokenizer, text, size, MEMORY, &ids, &count, NULL, &err),
                   &err);
    for (size_t i = 0; i < count; i++) {
        pl_fuzz_promise(ids[i] >= 0 && (size_t)ids[i] < pl_tokenizer_vocab_size(tokenizer),
                        "an id beyond the vocabulary");
        pl_tokenizer_show(tokenizer, ids[i], &shown);
    }
    pl_buf_deinit(&shown);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "ab aba  abab\n\n\xc3\xa9 <s>baa\xf0\x9f\x99\x82 It's 12,345.  ";
    pl_tokenizer *tokenizer = NULL;
    pl_error err = {0};
    const char *path = pl_fuzz_place("tokenizer.json", data, size);
    pl_fuzz_status(pl_tokenizer_from_json(path, &tokenizer, &err), &err);
    if (tokenizer != NULL) {
        pl_buf out = {0};
        encode(tokenizer, text, sizeof text - 1);
        encode(tokenizer, "", 0);
        pl_fuzz_status(pl_tokenizer_to_json(tokenizer, &out, &err), &err);
        for (pl_tokenizer_fact fact = 0; fact < PL_TOKENIZER_FACTS; fact++) {
            pl_tokenizer_tell(tokenizer, fact, &out);
        }
        pl_buf_deinit(&out);
    }
    pl_tokenizer_destroy(tokenizer);
    return 0;
}
