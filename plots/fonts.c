#include "plots/fonts.h"

#include "core/base/file.h"
#include "core/base/text.h"
#include "plots/label.h"

#include <dirent.h>
#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#include <pango/pangofc-fontmap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SEARCH_DEPTH = 4, TEXT_MAX = 1024 };

#define SCRIPT 0.7   /* size of raised and lowered pieces */
#define RAISED 0.36  /* of the text's size that they stand higher ... */
#define LOWERED 0.16 /* ... or lower */

/* A font's files, the first that is there; bold ones lie beside the plain. */
typedef struct face {
    const char *file, *bold, *family;
} face;

static const struct {
    const char *name, *package;
    bool signs;      /* it lacks Unicode's raised and lowered signs */
    const char *css; /* what an SVG asks for, with look-alikes */
    face faces[2];
} known_fonts[] = {
    {"DejaVu Sans",
     "fonts-dejavu-core",
     false,
     "DejaVu Sans, Bitstream Vera Sans, Verdana, sans-serif",
     {{"DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVu Sans"}}},
    {"STIX",
     "fonts-stix",
     true,
     "STIX Two Text, STIX, STIX Two, Times New Roman, Times, serif",
     {{"STIXTwoText-Regular.otf", "STIXTwoText-Bold.otf", "STIX Two Text"},
      {"STIX-Regular.otf", "STIX-Bold.otf", "STIX"}}},
    {"TeX Gyre Termes",
     "fonts-texgyre",
     true,
     "TeX Gyre Termes, Times New Roman, Times, serif",
     {{"texgyretermes-regular.otf", "texgyretermes-bold.otf", "TeX Gyre Termes"}}},
    {"Liberation Serif",
     "fonts-liberation",
     true,
     "Liberation Serif, Times New Roman, Times, serif",
     {{"LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf", "Liberation Serif"}}},
    {"DejaVu Sans Mono",
     "fonts-dejavu-core",
     false,
     "DejaVu Sans Mono, monospace",
     {{"DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVu Sans Mono"}}},
};

enum { FONTS = sizeof known_fonts / sizeof *known_fonts, FACES = 2 };

struct pl_fonts {
    PangoFontMap *map;
    PangoContext *context;
    bool as_paths, signs;
    const char *family, *css;
    pl_buf *svg; /* collects <text> elements; NULL: letters are drawn */
};

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Looks for a file in a folder, then below it; the path is the caller's. */
static char *find_font(const char *folder, const char *name, int depth)
{
    pl_buf path = {0};
    pl_path_join(&path, folder, name);
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
        found = path.failed ? NULL : find_font(path.data, name, depth - 1);
        pl_buf_deinit(&path);
    }
    closedir(dir);
    return found;
}

/* The bold face from the same folder; figures do without it. */
static void add_bold(FcConfig *config, const char *file, const char *bold)
{
    pl_buf path = {0};
    pl_buf_append(&path, file, (size_t)(pl_path_name(file) - file));
    pl_buf_puts(&path, bold);
    if (!path.failed && is_file(path.data)) {
        FcConfigAppFontAddFile(config, (const FcChar8 *)path.data);
    }
    pl_buf_deinit(&path);
}

/* The files of a figure's font and, for what it lacks, of DejaVu Sans. */
typedef struct files {
    size_t font;
    const face *face, *fallback;
    char *path, *fallback_path;
} files;

static bool add_files(FcConfig *config, const files *f)
{
    if (!FcConfigAppFontAddFile(config, (const FcChar8 *)f->path)) {
        return false;
    }
    add_bold(config, f->path, f->face->bold);
    if (f->fallback_path != NULL &&
        !FcConfigAppFontAddFile(config, (const FcChar8 *)f->fallback_path)) {
        return false;
    }
    return true;
}

/* One configuration a font for the process, made once and kept: the first also becomes fontconfig's
 * current one; otherwise Pango would load the system's and write its caches into HOME.  NULL if the
 * font is unusable. */
static FcConfig *shared_config(const files *f)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static FcConfig *shared[FONTS];
    static bool current;
    pthread_mutex_lock(&lock);
    if (shared[f->font] == NULL) {
        FcConfig *config = FcConfigCreate();
        if (config != NULL && add_files(config, f) && (current || FcConfigSetCurrent(config))) {
            current = true;
            shared[f->font] = config;
        } else if (config != NULL) {
            FcConfigDestroy(config);
        }
    }
    FcConfig *config = shared[f->font];
    pthread_mutex_unlock(&lock);
    return config;
}

static bool make_map(pl_fonts *fonts, const files *f)
{
    FcConfig *config = shared_config(f);
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

/* The first face of a font that lies below the folders; NULL and no path where none does. */
static const face *find_face(const char *const *folders, size_t n_folders, size_t font, char **path)
{
    *path = NULL;
    for (size_t k = 0; k < FACES && known_fonts[font].faces[k].file != NULL; k++) {
        for (size_t i = 0; i < n_folders; i++) {
            *path = find_font(folders[i], known_fonts[font].faces[k].file, SEARCH_DEPTH);
            if (*path != NULL) {
                return &known_fonts[font].faces[k];
            }
        }
    }
    return NULL;
}

/* GLib would print its warnings over the screen, and Pango draws on with what is left to it. */
static atomic_uint troubles;

static GLogWriterOutput note_trouble(GLogLevelFlags level, const GLogField *fields, gsize count,
                                     gpointer ctx)
{
    (void)fields;
    (void)count;
    (void)ctx;
    if ((level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL)) != 0) {
        atomic_fetch_add(&troubles, 1);
    }
    return G_LOG_WRITER_HANDLED;
}

static void hear_troubles(void)
{
    g_log_set_writer_func(note_trouble, NULL, NULL);
}

unsigned pl_fonts_troubles(void)
{
    return atomic_load(&troubles);
}

static pthread_mutex_t lacking_lock = PTHREAD_MUTEX_INITIALIZER;
static char lacking[128]; /* "": nothing */

static void note_lacking(PangoLayout *layout)
{
    const char *text = pango_layout_get_text(layout);
    bool plain = true;
    for (const char *c = text; plain && *c != '\0'; c++) {
        plain = (unsigned char)*c < 0x80;
    }
    if (plain || pango_layout_get_unknown_glyphs_count(layout) == 0) {
        return;
    }
    pthread_mutex_lock(&lacking_lock);
    if (lacking[0] == '\0') {
        pl_text_escape(text, strlen(text), lacking, sizeof lacking);
    }
    pthread_mutex_unlock(&lacking_lock);
}

bool pl_fonts_lacking(char *text, size_t capacity)
{
    pthread_mutex_lock(&lacking_lock);
    snprintf(text, capacity, "%s", lacking);
    lacking[0] = '\0';
    pthread_mutex_unlock(&lacking_lock);
    return text[0] != '\0';
}

pl_status pl_fonts_check(unsigned before, pl_error *err)
{
    return pl_fonts_troubles() == before
               ? PL_OK
               : pl_error_set(
                     err, PL_ERR_IO,
                     "a figure: Pango cannot use its font: out of memory, or too many open "
                     "files");
}

pl_status pl_fonts_create_in(const char *const *folders, size_t n_folders, size_t font,
                             bool as_paths, pl_fonts **out, pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hear_troubles);
    *out = NULL;
    files f = {.font = font < FONTS ? font : 0};
    f.face = find_face(folders, n_folders, f.font, &f.path);
    f.fallback = f.font > 0 ? find_face(folders, n_folders, 0, &f.fallback_path) : f.face;
    if (f.face == NULL || f.fallback == NULL) {
        const size_t missing = f.face == NULL ? f.font : 0;
        pl_status status = pl_error_set(
            err, PL_ERR_NOT_FOUND,
            "figure: the font %s (%s) was not found below %s: install the Debian package %s",
            known_fonts[missing].name, known_fonts[missing].faces[0].file,
            n_folders > 0 ? folders[n_folders - 1] : "/", known_fonts[missing].package);
        free(f.path);
        free(f.fallback_path);
        return status;
    }
    pl_fonts *fonts = calloc(1, sizeof *fonts);
    bool made = fonts != NULL && make_map(fonts, &f);
    free(f.path);
    free(f.fallback_path);
    if (!made) {
        pl_fonts_destroy(fonts);
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "figure: %s could not be loaded",
                            f.face->file);
    }
    fonts->as_paths = as_paths;
    fonts->family = f.face->family;
    fonts->signs = known_fonts[f.font].signs;
    fonts->css = known_fonts[f.font].css;
    make_context(fonts);
    *out = fonts;
    return PL_OK;
}

pl_status pl_fonts_create_font(size_t font, bool as_paths, pl_fonts **out, pl_error *err)
{
    static const char *const folders[] = {"/usr/share/fonts/truetype/dejavu",
                                          "/usr/local/share/fonts", "/usr/share/texmf/fonts",
                                          "/usr/share/fonts"};
    return pl_fonts_create_in(folders, sizeof folders / sizeof folders[0], font, as_paths, out,
                              err);
}

pl_status pl_fonts_create(bool as_paths, pl_fonts **out, pl_error *err)
{
    return pl_fonts_create_font(0, as_paths, out, err);
}

void pl_fonts_collect(pl_fonts *fonts, pl_buf *svg)
{
    fonts->svg = svg;
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

/* Smaller and higher or lower, where a text has raised or lowered pieces. */
static void set_pieces(PangoLayout *layout, const pl_label_piece *pieces, size_t count, double size)
{
    PangoAttrList *list = pango_attr_list_new();
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].level == 0) {
            continue;
        }
        const double rise = pieces[i].level > 0 ? RAISED : -LOWERED;
        PangoAttribute *attributes[] = {
            pango_attr_size_new_absolute((int)(SCRIPT * size * PANGO_SCALE)),
            pango_attr_rise_new((int)(rise * size * PANGO_SCALE))};
        for (size_t k = 0; k < 2; k++) {
            attributes[k]->start_index = (guint)pieces[i].first;
            attributes[k]->end_index = (guint)(pieces[i].first + pieces[i].size);
            pango_attr_list_insert(list, attributes[k]);
        }
    }
    pango_layout_set_attributes(layout, list);
    pango_attr_list_unref(list);
}

static PangoLayout *make_layout(const pl_fonts *fonts, const char *text, double size,
                                double max_width, PangoWeight weight)
{
    char safe[TEXT_MAX];
    pl_label_piece pieces[PL_LABEL_PIECES];
    pl_buf plain = {0};
    pl_text_escape(text, strlen(text), safe, sizeof safe);
    size_t count = pl_label_pieces(safe, fonts->signs, &plain, pieces);
    PangoLayout *layout = pango_layout_new(fonts->context);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, fonts->family);
    pango_font_description_set_weight(font, weight);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    if (max_width > 0) {
        pango_layout_set_width(layout, (int)(max_width * PANGO_SCALE));
        pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    }
    pango_layout_set_text(layout, plain.data != NULL ? plain.data : "", -1);
    note_lacking(layout);
    if (plain.failed) {
        count = 0;
    }
    if (count > 1 || (count == 1 && pieces[0].level != 0)) {
        set_pieces(layout, pieces, count, size);
    }
    pl_buf_deinit(&plain);
    return layout;
}

/* Lines of all fonts are as high as DejaVu Sans's, and so are those with raised pieces: of the
 * text's size, and how far below the upper edge the baseline is. */
#define LINE_HEIGHT 1.164
#define BASELINE 0.928

static bool is_regular(const pl_fonts *fonts, PangoLayout *layout)
{
    return !fonts->signs && pango_layout_get_attributes(layout) == NULL;
}

static double baseline_of(const pl_fonts *fonts, PangoLayout *layout, double size)
{
    return is_regular(fonts, layout) ? (double)pango_layout_get_baseline(layout) / PANGO_SCALE
                                     : BASELINE * size;
}

static pl_extent measure_layout(const pl_fonts *fonts, PangoLayout *layout, double size)
{
    PangoRectangle logical;
    pango_layout_get_extents(layout, NULL, &logical);
    pl_extent extent = {(double)logical.width / PANGO_SCALE, (double)logical.height / PANGO_SCALE};
    extent.height = is_regular(fonts, layout) ? extent.height : LINE_HEIGHT * size;
    g_object_unref(layout);
    return extent;
}

/* --- as SVG's own text ------------------------------------------------------------------------ */

void pl_xml_put(pl_buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        switch (text[i]) {
        case '<':
            pl_buf_puts(out, "&lt;");
            break;
        case '>':
            pl_buf_puts(out, "&gt;");
            break;
        case '&':
            pl_buf_puts(out, "&amp;");
            break;
        default:
            pl_buf_append(out, text + i, 1);
        }
    }
}

/* Raised and lowered pieces are <tspan>s: dy moves what follows, so that it is taken back. */
static void put_pieces(const pl_fonts *fonts, const char *text, double size, pl_buf *out)
{
    char safe[TEXT_MAX];
    pl_label_piece pieces[PL_LABEL_PIECES];
    pl_buf plain = {0};
    double moved = 0;
    pl_text_escape(text, strlen(text), safe, sizeof safe);
    const size_t found = pl_label_pieces(safe, fonts->signs, &plain, pieces);
    const size_t count =
        plain.failed ? 0 : found; /* counted as lack of memory, which is asked for */
    for (size_t i = 0; i < count; i++) {
        const double rise = pieces[i].level > 0 ? RAISED : pieces[i].level < 0 ? -LOWERED : 0;
        const double by = moved - rise * size;
        const bool span = pieces[i].level != 0 || by < 0 || by > 0;
        if (span) {
            pl_buf_printf(out, "<tspan dy=\"%.3f\"", by);
            if (pieces[i].level != 0) {
                pl_buf_printf(out, " font-size=\"%.3f\"", SCRIPT * size);
            }
            pl_buf_puts(out, ">");
        }
        pl_xml_put(out, plain.data + pieces[i].first, pieces[i].size);
        pl_buf_puts(out, span ? "</tspan>" : "");
        moved = rise * size;
    }
    pl_buf_deinit(&plain);
}

static void put_svg_text(const pl_fonts *fonts, cairo_t *cr, PangoLayout *layout, const char *text,
                         double size, bool bold, double x, double y)
{
    cairo_matrix_t m;
    double red = 0, green = 0, blue = 0, alpha = 1;
    cairo_get_matrix(cr, &m);
    cairo_pattern_get_rgba(cairo_get_source(cr), &red, &green, &blue, &alpha);
    y += baseline_of(fonts, layout, size);
    cairo_matrix_transform_point(&m, &x, &y);
    pl_buf_printf(fonts->svg, "<text font-family=\"%s\" font-size=\"%.3f\"", fonts->css, size);
    pl_buf_puts(fonts->svg, bold ? " font-weight=\"bold\"" : "");
    if (red > 0 || green > 0 || blue > 0) {
        pl_buf_printf(fonts->svg, " fill=\"#%02x%02x%02x\"", (unsigned)(255 * red + 0.5),
                      (unsigned)(255 * green + 0.5), (unsigned)(255 * blue + 0.5));
    }
    if (m.xy < 0 || m.xy > 0) {
        pl_buf_printf(fonts->svg, " transform=\"matrix(%g %g %g %g %.3f %.3f)\"", m.xx, m.yx, m.xy,
                      m.yy, x, y);
    } else {
        pl_buf_printf(fonts->svg, " x=\"%.3f\" y=\"%.3f\"", x, y);
    }
    pl_buf_puts(fonts->svg, " xml:space=\"preserve\">");
    put_pieces(fonts, text, size, fonts->svg);
    pl_buf_puts(fonts->svg, "</text>\n");
}

/* --- drawing ---------------------------------------------------------------------------------- */

static void draw_text(const pl_fonts *fonts, cairo_t *cr, const char *text, double size,
                      double max_width, PangoWeight weight, double x, double y)
{
    PangoLayout *layout = make_layout(fonts, text, size, max_width, weight);
    const double shift =
        baseline_of(fonts, layout, size) - (double)pango_layout_get_baseline(layout) / PANGO_SCALE;
    cairo_move_to(cr, x, y + shift);
    if (fonts->svg != NULL &&
        cairo_surface_get_type(cairo_get_target(cr)) == CAIRO_SURFACE_TYPE_SVG) {
        put_svg_text(fonts, cr, layout, text, size, weight == PANGO_WEIGHT_BOLD, x, y);
        cairo_new_path(cr);
    } else if (fonts->as_paths) {
        pango_cairo_layout_path(cr, layout);
        cairo_fill(cr);
    } else {
        pango_cairo_show_layout(cr, layout);
    }
    g_object_unref(layout);
}

pl_extent pl_fonts_measure(pl_fonts *fonts, const char *text, double size, double max_width)
{
    return measure_layout(fonts, make_layout(fonts, text, size, max_width, PANGO_WEIGHT_NORMAL),
                          size);
}

double pl_fonts_line_height(pl_fonts *fonts, double size)
{
    return pl_fonts_measure(fonts, "0", size, 0).height;
}

void pl_fonts_draw(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double max_width,
                   double x, double y)
{
    draw_text(fonts, cr, text, size, max_width, PANGO_WEIGHT_NORMAL, x, y);
}

pl_extent pl_fonts_measure_bold(pl_fonts *fonts, const char *text, double size)
{
    return measure_layout(fonts, make_layout(fonts, text, size, 0, PANGO_WEIGHT_BOLD), size);
}

void pl_fonts_draw_bold(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double x,
                        double y)
{
    draw_text(fonts, cr, text, size, 0, PANGO_WEIGHT_BOLD, x, y);
}
