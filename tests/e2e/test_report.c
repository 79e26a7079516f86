/* Reports: what they say is what the commands print, the same bytes twice and from their own
 * commands, HTML that any parser reads and that asks for nothing from elsewhere, pages on which
 * nothing stands alone.  With PLANISH_TEST_ALL a real browser shows one. */
#include "tests/e2e/run_planish.h"

#include "core/base/text.h"
#include "plots/build.h"
#include "plots/document.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Few tokens, of which reports say the same as of many. */
#define CALIBRATE "calibrate windows=2 length=128; "
#define METHODS CALIBRATE "method astro beta=3e-4; method gptq bits=3; "

/* What a command of this machine prints; caller frees. */
static char *output_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    pl_buf out = {0};
    char piece[4096];
    for (size_t n = 0; (n = fread(piece, 1, sizeof piece, pipe)) > 0;) {
        pl_buf_append(&out, piece, n);
    }
    assert_int_equal(pclose(pipe), 0);
    pl_buf_puts(&out, "");
    return out.data;
}

/* Pages end with a form feed. */
static char *text_of_pdf(const char *name)
{
    char command[1200];
    snprintf(command, sizeof command, "pdftotext -layout '%s' -", run_path(name));
    return output_of(command);
}

static void expect_piece(const char *text, const char *piece)
{
    if (strstr(text, piece) == NULL) {
        fail_msg("\"%s\" is missing", piece);
    }
}

static void expect_number(const char *text, const json_t *result, const char *key)
{
    char number[64];
    snprintf(number, sizeof number, "%.5g", run_number(result, key));
    expect_piece(text, number);
}

static void same_files(const char *a, const char *b)
{
    size_t na = 0, nb = 0;
    char *x = run_read(run_path(a), &na), *y = run_read(run_path(b), &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(x, y, na);
    free(x);
    free(y);
}

/* "Figure 1." ... "Figure n." are there once each, n as the result says. */
static void check_numbered(const char *text, const json_t *result, const char *key,
                           const char *name)
{
    char label[32];
    const size_t n = (size_t)run_number(result, key);
    for (size_t i = 1; i <= n + 1; i++) {
        snprintf(label, sizeof label, "%s %zu.", name, i);
        assert_int_equal(run_count(text, label), i <= n);
    }
}

/* --- HTML ------------------------------------------------------------------------------------- */

/* The end of a tag, behind its `>`; no `<` stands in it, and every value is in quotes. */
static const char *check_tag(const char *at)
{
    bool quoted = false;
    for (at++; quoted || *at != '>'; at++) {
        assert_int_not_equal(*at, '\0');
        assert_int_not_equal(*at, '<');
        quoted = *at == '"' ? !quoted : quoted;
        assert_false(*at == '=' && !quoted && at[1] != '"');
    }
    return at + 1;
}

/* Every element is closed by its own end, every & begins an entity that XML knows. */
static void check_well_formed(const char *html)
{
    static const char head[] = "<!DOCTYPE html>\n";
    const char *open[64];
    size_t depth = 0;
    assert_memory_equal(html, head, sizeof head - 1);
    for (const char *at = html + sizeof head - 1; *at != '\0';) {
        if (*at == '&') {
            assert_true(strncmp(at, "&lt;", 4) == 0 || strncmp(at, "&gt;", 4) == 0 ||
                        strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&quot;", 6) == 0);
        }
        if (*at != '<') {
            at++;
            continue;
        }
        const char *end = check_tag(at);
        const size_t length = strcspn(at + 1 + (at[1] == '/'), " />\n");
        if (at[1] == '/') {
            expect_less(0, depth);
            depth--;
            assert_memory_equal(open[depth], at + 2, length);
            assert_int_equal(open[depth][length] == ' ' || open[depth][length] == '>' ||
                                 open[depth][length] == '\n',
                             1);
        } else if (end[-2] != '/') {
            expect_less(depth, 64);
            open[depth++] = at + 1;
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

/* What src=, href= and url() name lies in the file itself. */
static void check_self_contained(const char *html)
{
    static const char *const references[] = {" src=\"", "href=\"", "url("};
    static const char *const never[] = {"<script", "<link", "@import", "<iframe", "<img"};
    for (size_t i = 0; i < 3; i++) {
        for (const char *at = html; (at = strstr(at, references[i])) != NULL;) {
            at += strlen(references[i]);
            assert_true(*at == '#' || strncmp(at, "data:", 5) == 0);
        }
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_null(strstr(html, never[i]));
    }
    for (const char *at = html; (at = strstr(at, "http")) != NULL; at += 4) {
        assert_memory_equal(at, "http://www.w3.org/", 18); /* namespaces, which nothing fetches */
    }
}

/* No id is there twice, and each that is meant is there. */
static void check_ids(const char *html)
{
    for (const char *at = html; (at = strstr(at, " id=\"")) != NULL;) {
        char id[64];
        const size_t size = strcspn(at + 5, "\"") + 6;
        snprintf(id, sizeof id, "%.*s", (int)size, at);
        assert_int_equal(run_count(html, id), 1);
        at += size;
    }
    for (const char *at = html; (at = strstr(at, "url(#")) != NULL;) {
        char id[64];
        at += 5;
        snprintf(id, sizeof id, " id=\"%.*s\"", (int)strcspn(at, ")"), at);
        assert_int_equal(run_count(html, id), 1);
    }
}

/* What a reader of the screen hears of a figure is its caption; tables have heads. */
static void check_accessible(const char *html, const json_t *result)
{
    static const char label[] = "role=\"img\" aria-label=\"";
    size_t figures = 0;
    for (const char *at = html; (at = strstr(at, label)) != NULL; figures++) {
        at += sizeof label - 1;
        const size_t size = strcspn(at, "\"");
        const char *caption = strstr(at, "</strong> ");
        assert_non_null(caption);
        expect_less(20, size);
        assert_memory_equal(caption + 10, at, size);
        assert_memory_equal(caption + 10 + size, "</figcaption>", 13);
    }
    assert_int_equal(figures, (size_t)run_number(result, "figures"));
    assert_int_equal(run_count(html, "<thead>\n<tr><th scope=\"col\""),
                     (size_t)run_number(result, "tables"));
    expect_piece(html, "<html lang=\"en\"");
    expect_piece(html, "<tr><th scope=\"row\"");
}

static char *check_html(const char *name, const json_t *result)
{
    char *html = run_read(run_path(name), NULL);
    check_well_formed(html);
    check_self_contained(html);
    check_ids(html);
    check_accessible(html, result);
    check_numbered(html, result, "figures", "<strong>Figure");
    check_numbered(html, result, "tables", "<strong>Table");
    assert_true(json_is_null(json_object_get(result, "pages")));
    assert_null(strstr(html, run_folder()));
    /* Whoever looks for words means none of an image's letters. */
    static const char data[] = "base64,";
    for (char *at = html; (at = strstr(at, data)) != NULL;) {
        at += sizeof data - 1;
        memset(at, ' ', strcspn(at, "\")'"));
    }
    return html;
}

/* --- of the demo ------------------------------------------------------------------------------ */

/* The commands below a heading of the appendix, one a line; caller frees. */
static char *commands_below(const char *html, const char *heading)
{
    static const char *const entities[][2] = {
        {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}};
    const char *at = strstr(html, heading);
    assert_non_null(at);
    at = strstr(at, "<pre>") + 5;
    pl_buf out = {0};
    while (strncmp(at, "</pre>", 6) != 0) {
        size_t i = 0;
        while (i < 4 && strncmp(at, entities[i][0], strlen(entities[i][0])) != 0) {
            i++;
        }
        pl_buf_append(&out, i < 4 ? entities[i][1] : at, 1);
        at += i < 4 ? strlen(entities[i][0]) : 1;
    }
    pl_buf_puts(&out, "");
    return out.data;
}

/* The appendix makes the report again, elsewhere, and its figures. */
static void check_made_again(const char *html)
{
    char *session = commands_below(html, ">The whole session<");
    char *figure = commands_below(html, ">Figure 1<");
    pl_buf script = {0};
    assert_int_equal(chdir(run_folder()), 0);
    pl_buf_printf(&script, "%s\n%s\n", session, figure);
    run r = RUN("--json", "--store", run_path("other-store"), "-c", script.data);
    assert_int_equal(r.status, 0);
    run_free(&r);
    same_files("report.pdf", "solved.pdf");
    assert_int_equal(access(run_path("figure1.pdf"), F_OK), 0);
    free(session);
    free(figure);
    pl_buf_deinit(&script);
}

static void test_solved(void **ctx)
{
    (void)ctx;
    char script[4096], file[1024], html[1024];
    snprintf(file, sizeof file, "%s", run_path("solved.pdf"));
    snprintf(html, sizeof html, "%s", run_path("solved.html"));
    snprintf(
        script, sizeof script,
        CALIBRATE
        "method rtn bits=3; method gptq bits=3; solve all sequential=no; perplexity "
        "which=after windows=2 "
        "length=128; layers; "
        "layers columns=kurtosis,rounded_error; outliers all; sensitivity 1.?_proj unit=layer "
        "windows=1 length=64; compare 'rtn bits={3,4}' windows=1 length=64; report all file=%s; "
        "report file=%s; report all file=%s",
        file, html, run_path("again.html"));
    run r = run_demo(script);
    const json_t *made = run_result(&r, 10);
    run_check_keys(made, "file layer? pages figures tables");
    char *text = text_of_pdf("solved.pdf");
    expect_number(text, run_result(&r, 3), "rounded_relative_error");
    expect_number(text, run_result(&r, 3), "bits_per_weight");
    static const char *const measured[] = {"perplexity", "original_perplexity", "kl_mean"};
    for (size_t i = 0; i < 3; i++) {
        expect_number(text, run_result(&r, 4), measured[i]);
    }
    expect_piece(text, "2 windows of 128 tokens of evaluation.txt, protocol gptq");
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(run_result(&r, 5), "layers"), i, row)
    {
        expect_number(text, row, "weight_max");
        expect_number(text, row, "input_ratio");
    }
    json_array_foreach(json_object_get(run_result(&r, 6), "layers"), i, row)
    {
        expect_number(text, row, "rounded_error");
    }
    expect_number(text, json_array_get(json_object_get(run_result(&r, 7), "channels"), 0), "max");
    check_numbered(text, made, "figures", "Figure");
    check_numbered(text, made, "tables", "Table");
    assert_int_equal(run_count(text, "\f"), (size_t)run_number(made, "pages"));
    same_files("solved.html", "again.html");
    char *page = check_html("solved.html", run_result(&r, 11));
    expect_piece(page, "Spearman");
    expect_piece(page, "sensitivity 1.?_proj");
    expect_piece(page, "compare 'rtn bits={3,4}' protocol=gptq length=64 windows=1");
    check_made_again(page);
    free(page);
    free(text);
    run_free(&r);
}

/* What is not known is not spoken of. */
static void check_absent(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strstr(text, *words) != NULL) {
            fail_msg("\"%s\" is there", *words);
        }
    }
}

/* The original alone, and beside what was measured of the solved model by another protocol. */
static void test_perplexity_of_the_original(void **ctx)
{
    (void)ctx;
    static const char *const solved[] = {"perplexity, quantized", "KL divergence", NULL};
    char script[4096];
    snprintf(script, sizeof script,
             "perplexity windows=2 length=64; report 1.q_proj file=%s; report all file=%s; "
             "method rtn bits=3; solve all; perplexity windows=1 length=64 which=after; "
             "report all file=%s",
             run_path("layer.html"), run_path("alone.html"), run_path("beside.html"));
    run r = run_demo(script);
    char *alone = run_read(run_path("alone.html"), NULL);
    expect_number(alone, run_result(&r, 0), "perplexity");
    expect_piece(alone, "Perplexity of the original with its standard error.");
    expect_piece(alone, "perplexity protocol=gptq length=64 windows=2 which=before");
    check_absent(alone, solved);
    char *beside = run_read(run_path("beside.html"), NULL);
    expect_number(beside, run_result(&r, 0), "perplexity");
    expect_number(beside, run_result(&r, 5), "perplexity");
    expect_piece(beside, "perplexity protocol=gptq length=64 windows=2 which=before");
    expect_piece(beside, "perplexity protocol=gptq length=64 windows=1 which=after");
    free(alone);
    free(beside);
    run_free(&r);
}

static void test_unsolved_and_uncalibrated(void **ctx)
{
    (void)ctx;
    static const char *const unsolved[] = {"Rounding",          "GPTQ",   "erplexity", "rounded",
                                           "What quantization", "Solved", "nan",       NULL};
    static const char *const uncalibrated[] = {"Calibration", "of the inputs by", "max |x|",
                                               "input ratio", "erplexity",        NULL};
    char script[1024];
    snprintf(script, sizeof script, CALIBRATE "report file=%s; report all file=%s paper=letter",
             run_path("unsolved.html"), run_path("unsolved.pdf"));
    run r = run_demo(script);
    char *html = check_html("unsolved.html", run_result(&r, 1));
    check_absent(html, unsolved);
    expect_piece(html, "of the inputs by");
    free(html);
    run_free(&r);
    char *info = output_of("pdfinfo \"$PLANISH_REPORT\"/unsolved.pdf");
    expect_piece(info, "612 x 792");
    expect_piece(info, "Report on demo");
    free(info);

    snprintf(script, sizeof script,
             "report all file=%s; method rtn bits=3; solve all; report all file=%s",
             run_path("bare.html"), run_path("blind.html"));
    r = RUN("--json", "--store", run_path("store"), run_demo_folder(), "-c", script);
    html = check_html("bare.html", run_result(&r, 1));
    check_absent(html, uncalibrated);
    expect_piece(html, "input channels of the weights");
    free(html);
    html = check_html("blind.html", run_result(&r, 4));
    check_absent(html, uncalibrated);
    expect_piece(html, "RTN: bits 3");
    expect_piece(html, "28 of 28 layers, without inputs");
    free(html);
    run_free(&r);
}

static void test_one_layer(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             METHODS "method smoothquant; activations bits=4; report 1.q_proj file=%s; "
                     "solve 1.q_proj; report 1.q_proj file=%s; report 1.q_proj file=%s",
             run_path("before.html"), run_path("layer.pdf"), run_path("layer.html"));
    run r = run_demo(script);
    const json_t *before = run_result(&r, 5), *made = run_result(&r, 7);
    assert_string_equal(json_string_value(json_object_get(made, "layer")),
                        "model.layers.1.self_attn.q_proj");
    expect_less(run_number(before, "figures"), run_number(made, "figures"));
    char *text = text_of_pdf("layer.pdf");
    static const char *const keys[] = {"relative_error", "rounded_relative_error", "output_error",
                                       "group_max_before", "group_max_after"};
    for (size_t i = 0; i < 5; i++) {
        expect_number(text, run_result(&r, 6), keys[i]);
    }
    expect_piece(text, "SmoothQuant: alpha");
    expect_piece(text, "Report on 1.q_proj of demo");
    expect_piece(text, "Transform: ");
    check_numbered(text, made, "figures", "Figure");
    free(text);
    free(check_html("before.html", before));
    free(check_html("layer.html", run_result(&r, 8)));
    run_free(&r);
}

static void check_refused(const char *script, int status, const char *says)
{
    run r = run_demo(script);
    run_check_failed(&r, status, says);
    run_free(&r);
}

static void test_what_is_refused(void **ctx)
{
    (void)ctx;
    char script[1024];
    static const char *const reports[] = {"no-figure.pdf", "no-figure.html"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(script, sizeof script, CALIBRATE "report 1.q_proj file=%s; rebuild %s",
                 run_path(reports[i]), run_path(reports[i]));
        check_refused(script, 1, "is a report, and `rebuild` makes figures: the commands below");
    }
    check_refused("report all", 1, "report: needs file=PATH (.pdf or .html)");
    check_refused("report all file=r.png", 1,
                  "report: file=r.png: expected a name that ends in .pdf or .html");
    check_refused("report 9.q_proj file=r.pdf", 1, "9.q_proj");
    check_refused("report all file=r.pdf paper=a5", 1,
                  "report: paper=a5: expected one of a4|letter");
    run_write(run_path("there.html"), "mine");
    snprintf(script, sizeof script, "report all file=%s overwrite=no", run_path("there.html"));
    check_refused(script, 1, "there.html is there already; overwrite=yes replaces it");
    char *mine = run_read(run_path("there.html"), NULL);
    assert_string_equal(mine, "mine");
    free(mine);
    check_refused(CALIBRATE "report 0.v_proj file=/no-such-folder/r.html", 1,
                  "/no-such-folder/r.html");
}

/* --- of documents ----------------------------------------------------------------------------- */

/* A table of numbered rows, with a text that takes several lines. */
static void add_long_table(pl_document *document, size_t rows)
{
    pl_table table = {0};
    pl_error err = {0};
    assert_int_equal(pl_table_init(&table, rows, 3, &err), PL_OK);
    assert_int_equal(pl_table_head(&table, 0, "row", &err), PL_OK);
    assert_int_equal(pl_table_head(&table, 1, "what it is about", &err), PL_OK);
    assert_int_equal(pl_table_head(&table, 2, "number", &err), PL_OK);
    for (size_t i = 0; i < rows; i++) {
        char name[32], words[512] = "";
        snprintf(name, sizeof name, "r%03zu", i);
        for (size_t k = 0; k < (i % 7 == 3 ? 40 : 2); k++) {
            strcat(words, "word_and ");
        }
        assert_int_equal(pl_table_text(&table, i, 0, name, &err), PL_OK);
        assert_int_equal(pl_table_text(&table, i, 1, words, &err), PL_OK);
        assert_int_equal(pl_table_number(&table, i, 2, "%.0f", (double)i, "", &err), PL_OK);
    }
    assert_int_equal(pl_document_add_table(document, &table, "Many rows.", &err), PL_OK);
    pl_table_deinit(&table);
}

static size_t write_document(pl_document *document, const char *name)
{
    size_t pages = 0;
    pl_error err = {0};
    pl_status status = pl_document_write(document, PL_PAPER_A4, run_path(name), &pages, NULL, &err);
    if (status != PL_OK) {
        fail_msg("%s", err.message);
    }
    pl_document_deinit(document);
    return pages;
}

static void test_tables_go_over_pages(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_document document = {0};
    assert_int_equal(pl_document_title(&document, "Long", "About it", &err), PL_OK);
    add_long_table(&document, 200);
    const size_t pages = write_document(&document, "long.pdf");
    expect_less(3, pages);
    char *text = text_of_pdf("long.pdf"), row[64];
    assert_int_equal(run_count(text, "Table 1, continued"), pages - 1);
    assert_int_equal(run_count(text, "what it is"), pages);
    assert_int_equal(run_count(text, "word_and"), 29 * 40 + 171 * 2);
    for (size_t i = 0; i < 200; i++) {
        snprintf(row, sizeof row, "r%03zu", i);
        assert_int_equal(run_count(text, row), 1);
    }
    for (size_t i = 1; i <= pages; i++) {
        snprintf(row, sizeof row, "page %zu of %zu\n", i, pages);
        assert_int_equal(run_count(text, row), 1);
    }
    free(text);
}

/* The line above the page's number. */
static void last_line(const char *page, size_t size, char out[200])
{
    char line[200];
    out[0] = line[0] = '\0';
    while (size > 0) {
        const size_t length = strcspn(page, "\n\f");
        if (length > strspn(page, " ")) {
            snprintf(out, 200, "%s", line);
            snprintf(line, sizeof line, "%.*s", (int)length, page);
        }
        const size_t step = length + 1 < size ? length + 1 : size;
        page += step;
        size -= step;
    }
}

/* Wherever a heading falls, it is on the page of what it is of. */
static void test_headings_are_not_alone(void **ctx)
{
    (void)ctx;
    for (size_t lines = 50; lines < 58; lines++) {
        pl_error err = {0};
        pl_document document = {0};
        assert_int_equal(pl_document_title(&document, "Filler", "", &err), PL_OK);
        pl_buf filler = {0};
        for (size_t i = 0; i < lines; i++) {
            pl_buf_puts(&filler, "fill\n");
        }
        assert_int_equal(pl_document_add(&document, PL_PART_COMMANDS, filler.data, &err), PL_OK);
        assert_int_equal(pl_document_add(&document, PL_PART_SECTION, "Heading", &err), PL_OK);
        assert_int_equal(pl_document_add(&document, PL_PART_SUBSECTION, "Lower", &err), PL_OK);
        add_long_table(&document, 30);
        expect_less(1, write_document(&document, "headings.pdf"));
        pl_buf_deinit(&filler);
        char *text = text_of_pdf("headings.pdf"), last[200];
        for (char *page = text; *page != '\0'; page += strcspn(page, "\f") + 1) {
            last_line(page, strcspn(page, "\f"), last);
            assert_null(strstr(last, "Heading"));
            assert_null(strstr(last, "Lower"));
            assert_null(strstr(last, "Table 1."));
            assert_null(strstr(last, "what it is"));
        }
        free(text);
    }
}

/* --- a browser -------------------------------------------------------------------------------- */

/* At both widths something is drawn, and the page is never wider than the window. */
static void test_in_a_browser(void **ctx)
{
    (void)ctx;
    char script[1024], command[4096];
    snprintf(script, sizeof script, METHODS "solve all; report all file=%s",
             run_path("shown.html"));
    run r = run_demo(script);
    run_free(&r);
    /* A copy that tells what the browser made of it. */
    char *html = run_read(run_path("shown.html"), NULL);
    pl_buf probe = {0};
    char *end = strstr(html, "</body>");
    pl_buf_append(&probe, html, (size_t)(end - html));
    pl_buf_puts(&probe, "<script>const n=document.querySelectorAll('svg').length,"
                        "t=[...document.querySelectorAll('svg text')].filter(function(e){"
                        "return 0<e.getBoundingClientRect().width}).length,"
                        "w=document.documentElement.scrollWidth-window.innerWidth;"
                        "document.title=`svg ${n} texts ${t} wider ${w}`;</script></body></html>");
    run_write(run_path("probe.html"), probe.data);
    for (size_t width = 400; width <= 1280; width += 880) {
        snprintf(command, sizeof command,
                 "HOME=\"$PLANISH_REPORT\" timeout 60 chromium --headless --no-sandbox "
                 "--disable-gpu --user-data-dir=\"$PLANISH_REPORT\"/browser "
                 "--window-size=%zu,900 --dump-dom file://\"$PLANISH_REPORT\"/probe.html "
                 "2>/dev/null",
                 width);
        char *dom = output_of(command);
        size_t figures = 0, texts = 0;
        long wider = 1;
        const char *title = strstr(dom, "<title>svg ");
        assert_non_null(title);
        assert_int_equal(
            sscanf(title, "<title>svg %zu texts %zu wider %ld", &figures, &texts, &wider), 3);
        assert_int_equal(figures, run_count(html, "<svg "));
        expect_less(20, texts);
        expect_at_most(wider, 0);
        free(dom);
    }
    pl_buf_deinit(&probe);
    free(html);
}

static int setup(void **ctx)
{
    const int status = run_setup(ctx);
    return status != 0 ? status : setenv("PLANISH_REPORT", run_folder(), 1);
}

/* What was allocated is a figure, made by a command of the whole session, too. */
static void test_allocation_in_a_report(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "method rtn bits=3; allocate bits=3 metric=error set=no; report all file='%s'",
             run_path("allocated.html"));
    run r = run_demo(script);
    run_free(&r);
    char *html = run_read(run_path("allocated.html"), NULL);
    const char *session = strstr(html, "The whole session");
    assert_non_null(strstr(html, "Allocation: summed relative error"));
    assert_non_null(session);
    assert_non_null(strstr(session, "allocate bits=3 metric=error set=no\nreport all"));
    free(html);
}

int main(void)
{
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(test_allocation_in_a_report),
        cmocka_unit_test(test_solved),
        cmocka_unit_test(test_perplexity_of_the_original),
        cmocka_unit_test(test_unsolved_and_uncalibrated),
        cmocka_unit_test(test_one_layer),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_tables_go_over_pages),
        cmocka_unit_test(test_headings_are_not_alone),
    };
    const struct CMUnitTest browser[] = {cmocka_unit_test(test_in_a_browser)};
    int failed = cmocka_run_group_tests(quick, setup, run_teardown);
    if (getenv("PLANISH_TEST_ALL") != NULL) {
        failed += cmocka_run_group_tests(browser, setup, run_teardown);
    }
    return failed;
}
