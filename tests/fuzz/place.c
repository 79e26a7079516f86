#include "tests/fuzz/place.h"

#include "tests/support/check.h"
#include "tests/support/temp.h"

static pl_temp temp;

static void remove_folder(void)
{
    pl_temp_deinit(&temp);
}

void pl_fuzz_promise(bool kept, const char *what)
{
    if (!kept) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

void pl_fuzz_status(pl_status status, const pl_error *err)
{
    pl_fuzz_promise((status == PL_OK) == (err->message[0] == '\0'),
                    status == PL_OK ? "a sentence without a failure" : "no sentence");
}

const char *pl_fuzz_folder(void)
{
    if (temp.folder[0] == '\0') {
        pl_temp_init_fast(&temp);
        atexit(remove_folder);
    }
    return temp.folder;
}

const char *pl_fuzz_place(const char *name, const uint8_t *data, size_t size)
{
    pl_fuzz_folder();
    return pl_temp_write(&temp, name, data, size);
}

char *pl_fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    pl_fuzz_promise(text != NULL, "out of memory");
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}
