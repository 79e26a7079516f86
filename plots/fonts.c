#include "plots/fonts.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <dirent.h>
#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#include <pango/pangofc-fontmap.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SEARCH_DEPTH = 4, TEXT_MAX = 1024 };

static const char font_name[] = "DejaVuSans.ttf";

struct pl_fonts {
    PangoFontMap *map;
    PangoContext *context;
    bool as_paths;
};

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Looks for the font in a folder, then below it; the path is the caller's. */
static char *find_font(const char *folder, int depth)
{
    pl_buf path = {0};
    pl_path_join(&path, folder, font_name);
    if (!path.failed && is_file(path.data)) {
        return path.data;
    }
    pl_buf_deinit(&path);
    DIR *dir = depth > 0 ? opendir(folder) : NULL;
    if (dir == NULL) {
        return NULL;
    }
    char *found = NULL;
    for (struct dirent *entry; found == NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_REG) {
            continue;
        }
        pl_path_join(&path, folder, entry->d_name);
        found = path.failed ? NULL : find_font(path.data, depth - 1);
        pl_buf_deinit(&path);
    }
    closedir(dir);
    return found;
}

/* The bold face from the same folder; figures do without it. */
static void add_bold(FcConfig *config, const char *file)
{
    pl_buf path = {0};
    pl_buf_append(&path, file, strlen(file) - strlen(".ttf"));
    pl_buf_append(&path, "-Bold.ttf", strlen("-Bold.ttf"));
    if (!path.failed && is_file(path.data)) {
        FcConfigAppFontAddFile(config, (const FcChar8 *)path.data);
    }
    pl_buf_deinit(&path);
}

/* One configuration for the process, made once and kept: it is also fontconfig's current one, else
 * Pango would load the system's and write its caches into HOME.  NULL if the font is unusable. */
static FcConfig *shared_config(const char *file)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static FcConfig *shared;
    pthread_mutex_lock(&lock);
    if (shared == NULL) {
        FcConfig *config = FcConfigCreate();
        if (config != NULL && FcConfigAppFontAddFile(config, (const FcChar8 *)file) &&
            FcConfigSetCurrent(config)) {
            add_bold(config, file);
            shared = config;
        } else if (config != NULL) {
            FcConfigDestroy(config);
        }
    }
    pthread_mutex_unlock(&lock);
    return shared;
}

static bool make_map(pl_fonts *fonts, const char *file)
{
    FcConfig *config = shared_config(file);
    fonts->map = config != NULL ? pango_cairo_font_map_new_for_font_type(CAIRO_FONT_TYPE_FT) : NULL;
    if (fonts->map == NULL) {
        return false;
    }
    pango_fc_font_map_set_config(PANGO_FC_FONT_MAP(fonts->map), config);
    pango_cairo_font_map_set_resolution(PANGO_CAIRO_FONT_MAP(fonts->map), 72);
    return true;
}

static void make_context(pl_fonts *fonts)
{
    fonts->context = pango_font_map_create_context(fonts->map);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(fonts->context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(fonts->context, FALSE);
    pango_context_set_language(fonts->context, pango_language_from_string("en"));
    pango_context_set_base_dir(fonts->context, PANGO_DIRECTION_LTR);
}

pl_status pl_fonts_create_in(const char *const *folders, size_t n_folders, bool as_paths,
                             pl_fonts **out, pl_error *err)
{
    *out = NULL;
    char *file = NULL;
    for (size_t i = 0; file == NULL && i < n_folders; i++) {
        file = find_font(folders[i], SEARCH_DEPTH);
    }
    if (file == NULL) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "figure: %s was not found below %s: install the package "
                            "fonts-dejavu-core",
                            font_name, n_folders > 0 ? folders[n_folders - 1] : "/");
    }
    pl_fonts *fonts = calloc(1, sizeof *fonts);
    if (fonts == NULL || !make_map(fonts, file)) {
        free(file);
        pl_fonts_destroy(fonts);
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "figure: %s could not be loaded", font_name);
    }
    free(file);
    fonts->as_paths = as_paths;
    make_context(fonts);
    *out = fonts;
    return PL_OK;
}

pl_status pl_fonts_create(bool as_paths, pl_fonts **out, pl_error *err)
{
    static const char *const folders[] = {"/usr/share/fonts/truetype/dejavu",
                                          "/usr/local/share/fonts", "/usr/share/fonts"};
    return pl_fonts_create_in(folders, sizeof folders / sizeof folders[0], as_paths, out, err);
}

void pl_fonts_destroy(pl_fonts *fonts)
{
    if (fonts == NULL) {
        return;
    }
    if (fonts->context != NULL) {
        g_object_unref(fonts->context);
    }
    if (fonts->map != NULL) {
        g_object_unref(fonts->map);
    }
    free(fonts);
}

static PangoLayout *make_layout(pl_fonts *fonts, const char *text, double size, double max_width,
                                PangoWeight weight)
{
    char safe[TEXT_MAX];
    pl_text_escape(text, strlen(text), safe, sizeof safe);
    PangoLayout *layout = pango_layout_new(fonts->context);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, "DejaVu Sans");
    pango_font_description_set_weight(font, weight);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    if (max_width > 0) {
        pango_layout_set_width(layout, (int)(max_width * PANGO_SCALE));
        pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    }
    pango_layout_set_text(layout, safe, -1);
    return layout;
}

static pl_extent measure(PangoLayout *layout)
{
    PangoRectangle logical;
    pango_layout_get_extents(layout, NULL, &logical);
    g_object_unref(layout);
    return (pl_extent){(double)logical.width / PANGO_SCALE, (double)logical.height / PANGO_SCALE};
}

static void draw_text(const pl_fonts *fonts, cairo_t *cr, PangoLayout *layout, double x, double y)
{
    cairo_move_to(cr, x, y);
    if (fonts->as_paths) {
        pango_cairo_layout_path(cr, layout);
        cairo_fill(cr);
    } else {
        pango_cairo_show_layout(cr, layout);
    }
    g_object_unref(layout);
}

pl_extent pl_fonts_measure(pl_fonts *fonts, const char *text, double size, double max_width)
{
    return measure(make_layout(fonts, text, size, max_width, PANGO_WEIGHT_NORMAL));
}

void pl_fonts_draw(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double max_width,
                   double x, double y)
{
    draw_text(fonts, cr, make_layout(fonts, text, size, max_width, PANGO_WEIGHT_NORMAL), x, y);
}

pl_extent pl_fonts_measure_bold(pl_fonts *fonts, const char *text, double size)
{
    return measure(make_layout(fonts, text, size, 0, PANGO_WEIGHT_BOLD));
}

void pl_fonts_draw_bold(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double x,
                        double y)
{
    draw_text(fonts, cr, make_layout(fonts, text, size, 0, PANGO_WEIGHT_BOLD), x, y);
}
