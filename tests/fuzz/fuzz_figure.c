/* A figure's file, as `rebuild` reads it: PNG, PDF, SVG, CSV or LaTeX. */
#include "plots/provenance.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pl_origin origin;
    pl_error err = {0};
    const char *path = pl_fuzz_place("figure", data, size);
    pl_status status = pl_origin_read(path, &origin, &err);
    pl_fuzz_status(status, &err);
    if (status == PL_OK) {
        size_t bytes = 0, pixels = 0, differ = 0;
        int largest = 0;
        pl_fuzz_promise(origin.n <= PL_PROVENANCE_ENTRIES, "more entries than there is room for");
        for (size_t i = 0; i < origin.n; i++) {
            bytes += strlen(origin.keys[i]) + strlen(origin.values[i]);
        }
        pl_fuzz_promise(bytes <= 4 * size, "more text than the file holds");
        status = pl_png_compare(path, path, &pixels, &differ, &largest, &err);
        pl_fuzz_status(status, &err);
        pl_fuzz_promise(status != PL_OK || (differ == 0 && largest == 0),
                        "a picture that differs from itself");
    }
    pl_origin_deinit(&origin);
    return 0;
}
