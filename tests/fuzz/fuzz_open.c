#include "tests/fuzz/fuzz.h"

#include "core/io/checkpoint.h"
#include "core/model/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 1 << 16 };

static void promise(bool kept)
{
    if (!kept) {
        abort();
    }
}

static void read_tensor(pl_checkpoint *checkpoint, const pl_tensor *tensor)
{
    const uint64_t file = pl_file_size(pl_checkpoint_shard(checkpoint, tensor->shard));
    promise(tensor->offset <= file && tensor->bytes <= file - tensor->offset);
    promise(pl_checkpoint_find(checkpoint, tensor->name) == tensor);
    if (tensor->dtype == PL_DTYPE_OTHER || pl_tensor_elements(tensor) > SMALL) {
        return;
    }
    size_t elements = (size_t)pl_tensor_elements(tensor);
    size_t rows = pl_tensor_rows(tensor);
    float *out = malloc((elements + 1) * sizeof *out);
    promise(out != NULL);
    pl_error err = {0};
    pl_status status =
        pl_checkpoint_read(checkpoint, tensor, 0, elements > 0 ? rows : 0, out, &err);
    promise(status == PL_OK || (status == PL_ERR_NUMERIC && err.message[0] != '\0'));
    free(out);
}

/* Whatever the vocabulary, a text is encoded or refused with a sentence, and no id is beyond it. */
static void read_tokenizer(const pl_checkpoint *checkpoint)
{
    static const char text[] = "ab aba  abab\n\n\xc3\xa9 <s>baa\xf0\x9f\x99\x82  ";
    pl_error err = {0};
    pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_tokenizer_from_gguf(checkpoint, &tokenizer, &err);
    promise((status == PL_OK) == (tokenizer != NULL));
    promise(status == PL_OK || err.message[0] != '\0');
    if (tokenizer == NULL) {
        return;
    }
    int32_t *ids = NULL;
    size_t count = 0;
    pl_buf json = {0};
    status = pl_tokenizer_encode(tokenizer, text, sizeof text - 1, 0, &ids, &count, NULL, &err);
    promise(status == PL_OK || err.message[0] != '\0');
    for (size_t i = 0; i < count; i++) {
        promise(ids[i] >= 0 && (size_t)ids[i] < pl_tokenizer_vocab_size(tokenizer));
    }
    status = pl_tokenizer_to_json(tokenizer, &json, &err);
    promise(status == PL_OK || err.message[0] != '\0');
    pl_buf_deinit(&json);
    free(ids);
    pl_tokenizer_destroy(tokenizer);
}

void pl_fuzz_open(const uint8_t *data, size_t size, const char *ending)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/planish-fuzz-XXXXXX%s", ending);
    int fd = mkstemps(path, (int)strlen(ending));
    promise(fd >= 0);
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, data + done, size - done);
        promise(put > 0);
        done += (size_t)put;
    }
    close(fd);
    pl_checkpoint *checkpoint = NULL;
    pl_error err = {0};
    pl_status status = pl_checkpoint_open(path, &checkpoint, &err);
    promise((status == PL_OK) == (checkpoint != NULL));
    promise(status == PL_OK || err.message[0] != '\0');
    for (size_t i = 0; checkpoint != NULL && i < pl_checkpoint_count(checkpoint); i++) {
        read_tensor(checkpoint, pl_checkpoint_tensor(checkpoint, i));
    }
    if (checkpoint != NULL && pl_checkpoint_container(checkpoint) == PL_GGUF) {
        read_tokenizer(checkpoint);
    }
    pl_checkpoint_close(checkpoint);
    unlink(path);
}
