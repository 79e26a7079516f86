#include "plots/libraries.h"

#include <cairo.h>
#include <fontconfig/fontconfig.h>
#include <pango/pango.h>
#include <png.h>
#ifdef PL_WITH_SIXEL
#include <sixel.h>
#endif

void pl_plots_put_libraries(pl_buf *out)
{
    const int fonts = FcGetVersion();
    pl_buf_printf(out, "Cairo %s, Pango %s, Fontconfig %d.%d.%d, libpng %s", cairo_version_string(),
                  pango_version_string(), fonts / 10000, fonts / 100 % 100, fonts % 100,
                  png_get_libpng_ver(NULL));
#ifdef PL_WITH_SIXEL
    pl_buf_puts(out, ", libsixel " LIBSIXEL_VERSION);
#endif
}
