/* Rasters as what terminals show: the kitty graphics protocol, and sixel by libsixel. */
#include "plots/raster.h"

#include <limits.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#ifdef PL_WITH_SIXEL
#include <sixel.h>
#endif

/* --- kitty ------------------------------------------------------------------------------------ */

enum { CHUNK = 4096 / 4 * 3 }; /* bytes whose base64 is the most that one sequence may hold */

static void put_base64(const unsigned char *bytes, size_t size, pl_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const unsigned second = left > 1 ? bytes[i + 1] : 0, third = left > 2 ? bytes[i + 2] : 0;
        const char four[4] = {digits[bytes[i] >> 2], digits[(bytes[i] & 3) << 4 | second >> 4],
                              left > 1 ? digits[(second & 15) << 2 | third >> 6] : '=',
                              left > 2 ? digits[third & 63] : '='};
        pl_buf_append(out, four, sizeof four);
    }
}

/* *out is the caller's to free. */
static pl_status make_png(const pl_raster *raster, unsigned char **out, size_t *size, pl_error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)raster->width,
                       .height = (png_uint_32)raster->height,
                       .format = PNG_FORMAT_RGB,
                       .flags = PNG_IMAGE_FLAG_FAST};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    *out = malloc(bytes);
    if (*out == NULL) {
        return pl_error_memory(err, "an image");
    }
    if (png_image_write_to_memory(&image, *out, &bytes, 0, raster->rgb, 0, NULL) == 0) {
        free(*out);
        *out = NULL;
        return pl_error_set(err, PL_ERR_MEMORY, "the image: libpng: %s", image.message);
    }
    *size = bytes;
    return PL_OK;
}

pl_status pl_raster_put_kitty(const pl_raster *raster, unsigned id, pl_buf *out, pl_error *err)
{
    unsigned char *png = NULL;
    size_t size = 0;
    pl_status status = make_png(raster, &png, &size, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t at = 0; at < size; at += CHUNK) {
        const size_t here = size - at < CHUNK ? size - at : CHUNK;
        pl_buf_puts(out, "\033_G");
        if (at == 0) {
            pl_buf_printf(out, "a=T,f=100,i=%u,p=1,C=1,", id);
        }
        pl_buf_printf(out, "q=2,m=%d;", at + here < size);
        put_base64(png + at, here, out);
        pl_buf_puts(out, "\033\\");
    }
    free(png);
    return pl_buf_check(out, err);
}

/* --- sixel ------------------------------------------------------------------------------------ */

#ifdef PL_WITH_SIXEL
enum { COLOURS = 256, DEPTH = 5, BINS = 1 << 3 * DEPTH };

/* Colours that agree in their upper bits, as one: their mean. */
typedef struct bin {
    size_t count, sum[3];
    size_t place; /* among the palette's */
} bin;

static size_t bin_of(const unsigned char *rgb)
{
    const size_t shift = 8 - DEPTH;
    return (size_t)(rgb[0] >> shift) << 2 * DEPTH | (size_t)(rgb[1] >> shift) << DEPTH |
           (size_t)(rgb[2] >> shift);
}

static int by_falling_count(const void *a, const void *b)
{
    const bin *const *x = a, *const *y = b;
    return (*x)->count != (*y)->count ? ((*x)->count < (*y)->count ? 1 : -1) : *x > *y ? 1 : -1;
}

static size_t nearest(const unsigned char *palette, size_t n, const unsigned char rgb[3])
{
    size_t best = 0;
    int least = INT_MAX;
    for (size_t i = 0; i < n; i++) {
        int far = 0;
        for (size_t k = 0; k < 3; k++) {
            const int off = palette[3 * i + k] - rgb[k];
            far += off * off;
        }
        best = far < least ? i : best;
        least = far < least ? far : least;
    }
    return best;
}

/* Keeps the most frequent colours, and gives other pixels the nearest of them: flat colours do not
 * change, as they would in a median cut.  indexed [height, width]; returns how many. */
static size_t choose_colours(const pl_raster *raster, bin *bins, bin **order,
                             unsigned char palette[COLOURS * 3], unsigned char *indexed)
{
    size_t n = 0;
    const size_t pixels = raster->width * raster->height;
    for (size_t i = 0; i < pixels; i++) {
        bin *b = &bins[bin_of(raster->rgb + 3 * i)];
        b->count++;
        for (size_t k = 0; k < 3; k++) {
            b->sum[k] += raster->rgb[3 * i + k];
        }
        if (b->count == 1) {
            order[n++] = b;
        }
    }
    qsort(order, n, sizeof *order, by_falling_count);
    const size_t kept = n < COLOURS ? n : COLOURS;
    for (size_t i = 0; i < n; i++) {
        unsigned char mean[3];
        for (size_t k = 0; k < 3; k++) {
            mean[k] = (unsigned char)((order[i]->sum[k] + order[i]->count / 2) / order[i]->count);
        }
        if (i < kept) {
            memcpy(palette + 3 * i, mean, 3);
        }
        order[i]->place = i < kept ? i : nearest(palette, kept, mean);
    }
    for (size_t i = 0; i < pixels; i++) {
        indexed[i] = (unsigned char)bins[bin_of(raster->rgb + 3 * i)].place;
    }
    return kept;
}

static int take_sixel(char *bytes, int size, void *out)
{
    pl_buf_append(out, bytes, (size_t)size);
    return size;
}

static pl_status encode(const pl_raster *raster, unsigned char *palette, size_t n,
                        unsigned char *indexed, pl_buf *out, pl_error *err)
{
    sixel_output_t *output = NULL;
    sixel_dither_t *dither = NULL;
    SIXELSTATUS made = sixel_output_new(&output, take_sixel, out, NULL);
    made = SIXEL_SUCCEEDED(made) ? sixel_dither_new(&dither, (int)n, NULL) : made;
    if (SIXEL_SUCCEEDED(made)) {
        sixel_dither_set_pixelformat(dither, SIXEL_PIXELFORMAT_PAL8);
        sixel_dither_set_palette(dither, palette);
        made = sixel_encode(indexed, (int)raster->width, (int)raster->height, 8, dither, output);
    }
    if (dither != NULL) {
        sixel_dither_unref(dither);
    }
    if (output != NULL) {
        sixel_output_unref(output);
    }
    return SIXEL_SUCCEEDED(made) ? pl_buf_check(out, err)
                                 : pl_error_set(err, PL_ERR_MEMORY, "the image: libsixel: %s",
                                                sixel_helper_format_error(made));
}

pl_status pl_raster_put_sixel(const pl_raster *raster, pl_buf *out, pl_error *err)
{
    unsigned char palette[COLOURS * 3];
    bin *bins = calloc(BINS, sizeof *bins);
    bin **order = calloc(BINS, sizeof *order);
    unsigned char *indexed = malloc(raster->width * raster->height);
    pl_status status = PL_OK;
    if (bins == NULL || order == NULL || indexed == NULL) {
        status = pl_error_memory(err, "an image");
    } else {
        const size_t n = choose_colours(raster, bins, order, palette, indexed);
        status = encode(raster, palette, n, indexed, out, err);
    }
    free(bins);
    free(order);
    free(indexed);
    return status;
}

bool pl_raster_has_sixel(void)
{
    return true;
}
#else
pl_status pl_raster_put_sixel(const pl_raster *raster, pl_buf *out, pl_error *err)
{
    (void)raster;
    (void)out;
    return pl_error_set(err, PL_ERR_STATE,
                        "this build has no sixel: install libsixel-dev and "
                        "build again");
}

bool pl_raster_has_sixel(void)
{
    return false;
}
#endif
