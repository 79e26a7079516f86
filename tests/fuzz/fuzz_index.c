/* The index of a checkpoint of two shards, which are good. */
#include "core/io/checkpoint.h"
#include "core/io/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include "tests/support/check.h"

static void write_shard(const char *name, const char *tensor)
{
    static const uint64_t dims[] = {2, 3};
    static const float values[6] = {1, -2, 3, 0.5F, 0, 7};
    char path[700];
    pl_error err;
    pl_st_writer *writer = NULL;
    const pl_st_entry entry = {tensor, PL_F32, 2, dims};
    snprintf(path, sizeof path, "%s/%s", pl_fuzz_folder(), name);
    pl_check_ok(pl_st_writer_create(path, &entry, NULL, 1, NULL, &writer, &err), err);
    pl_check_ok(pl_st_writer_put(writer, values, 6, NULL, &err), err);
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        write_shard("model-00001-of-00002.safetensors", "a.weight");
        write_shard("model-00002-of-00002.safetensors", "b.weight");
        ready = true;
    }
    pl_fuzz_place("model.safetensors.index.json", data, size);
    pl_checkpoint *checkpoint = NULL;
    pl_error err = {0};
    pl_fuzz_status(pl_checkpoint_open(pl_fuzz_folder(), &checkpoint, &err), &err);
    for (size_t i = 0; checkpoint != NULL && i < pl_checkpoint_count(checkpoint); i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(checkpoint, i);
        float out[6];
        pl_fuzz_promise(pl_tensor_elements(tensor) == 6, "a tensor that no shard holds");
        pl_fuzz_status(pl_checkpoint_read(checkpoint, tensor, 0, 2, out, &err), &err);
    }
    pl_checkpoint_close(checkpoint);
    return 0;
}
