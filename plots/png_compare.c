/* Two PNG files, pixel by pixel. */
#include "plots/provenance.h"

#include "core/base/checked.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct picture {
    png_image image;
    unsigned char *pixels; /* [height, width, 3] */
} picture;

static pl_status load_png(const char *path, picture *out, pl_error *err)
{
    *out = (picture){0};
    out->image.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_file(&out->image, path) == 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s", path, out->image.message);
    }
    out->image.format = PNG_FORMAT_RGB;
    size_t size = 0;
    if (pl_mul(out->image.width, out->image.height, &size)) {
        out->pixels = pl_alloc(size, 3);
    }
    if (out->pixels == NULL) {
        png_image_free(&out->image);
        return pl_error_memory(err, "its pixels of %s", path);
    }
    if (png_image_finish_read(&out->image, NULL, out->pixels, 0, NULL) == 0) {
        free(out->pixels);
        out->pixels = NULL;
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s", path, out->image.message);
    }
    return PL_OK;
}

pl_status pl_png_compare(const char *a, const char *b, size_t *pixels, size_t *differ, int *largest,
                         pl_error *err)
{
    picture x = {0};
    picture y = {0};
    *pixels = *differ = 0;
    *largest = 0;
    pl_status status = load_png(a, &x, err);
    PL_THEN(load_png(b, &y, err));
    if (status == PL_OK) {
        *pixels = (size_t)x.image.width * x.image.height;
        bool same_size = x.image.width == y.image.width && x.image.height == y.image.height;
        *differ = same_size ? 0 : *pixels;
        *largest = same_size ? 0 : 255;
        for (size_t i = 0; same_size && i < *pixels; i++) {
            int most = 0;
            for (size_t c = 0; c < 3; c++) {
                int d = abs(x.pixels[3 * i + c] - y.pixels[3 * i + c]);
                most = d > most ? d : most;
            }
            *differ += most > 0;
            *largest = most > *largest ? most : *largest;
        }
    }
    free(x.pixels);
    free(y.pixels);
    return status;
}
