/* tests/support/json_doc.h -- objects of --json against the tables of app/json.md.
 *
 * A row is | `path` | type or type, optional | ...; in a path, layers[].name is the key of every
 * object in a list, and a name in braces stands for a set. */
#ifndef PL_TESTS_JSON_DOC_H
#define PL_TESTS_JSON_DOC_H

#include "core/method/method.h"
#include "core/study/layer_table.h"
#include "tests/support/check.h"

#include <jansson.h>
#include <stdlib.h>

enum { JSON_DOC_NAME = 40, JSON_DOC_PATH = 120, JSON_DOC_ROWS = 1024, JSON_DOC_SECTIONS = 128 };

static const char *const json_doc_types[] = {"number", "integer", "boolean", "string",
                                             "object", "array",   "null",    NULL};

typedef struct json_doc_section {
    char name[JSON_DOC_NAME];
    int version;
    char example[512];
    bool of_another;     /* it prints the object of the command that it runs */
    size_t first, count; /* its rows */
} json_doc_section;

typedef struct json_doc {
    json_doc_section sections[JSON_DOC_SECTIONS];
    size_t n_sections;
    struct {
        char path[JSON_DOC_PATH];
        unsigned types; /* a bit for each of json_doc_types */
        bool optional;
    } rows[JSON_DOC_ROWS];
    size_t n_rows;
} json_doc;

static inline void json_doc_fail(const char *section, const char *path, const char *what)
{
    fprintf(stderr, "app/json.md: %s%s%s: %s\n", section, path[0] != '\0' ? ": " : "", path, what);
    fail();
}

static inline void json_doc_read_types(const char *text, size_t size, const char *section,
                                       const char *path, unsigned *types, bool *optional)
{
    char copy[120];
    char *rest = NULL;
    snprintf(copy, sizeof copy, "%.*s", (int)size, text);
    *types = 0;
    *optional = strstr(copy, ", optional") != NULL;
    copy[strcspn(copy, ",")] = '\0';
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        size_t type = 0;
        while (json_doc_types[type] != NULL && strcmp(json_doc_types[type], word) != 0) {
            type++;
        }
        if (json_doc_types[type] == NULL && strcmp(word, "or") != 0) {
            json_doc_fail(section, path, "no type is named so");
        }
        *types |= json_doc_types[type] != NULL ? 1u << type : 0;
    }
}

static inline void json_doc_take_line(json_doc *doc, const char *line)
{
    json_doc_section *section = doc->n_sections > 0 ? &doc->sections[doc->n_sections - 1] : NULL;
    json_doc_section found = {.first = doc->n_rows};
    static const char example[] = "Example: `", another[] = "Its object is that of the command";
    if (sscanf(line, "## %39[a-z_], version %d", found.name, &found.version) == 2) {
        expect_less(doc->n_sections, JSON_DOC_SECTIONS);
        doc->sections[doc->n_sections++] = found;
    } else if (section != NULL && strncmp(line, example, sizeof example - 1) == 0) {
        sscanf(line + sizeof example - 1, "%511[^`]", section->example);
    } else if (section != NULL && strncmp(line, another, sizeof another - 1) == 0) {
        section->of_another = true;
    } else if (section != NULL && strncmp(line, "| `", 3) == 0) {
        expect_less(doc->n_rows, JSON_DOC_ROWS);
        char *path = doc->rows[doc->n_rows].path;
        int used = 0;
        assert_int_equal(sscanf(line, "| `%119[^`]` | %n", path, &used), 1);
        json_doc_read_types(line + used, strcspn(line + used, "|"), section->name, path,
                            &doc->rows[doc->n_rows].types, &doc->rows[doc->n_rows].optional);
        doc->n_rows++;
        section->count++;
    }
}

/* Read once; NULL where the sources are not there. */
static inline const json_doc *json_doc_get(void)
{
    static json_doc doc;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[1024], line[2048];
    if (doc.n_sections == 0) {
        snprintf(path, sizeof path, "%s/app/json.md", root != NULL ? root : ".");
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            json_doc_take_line(&doc, line);
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    return doc.n_sections > 0 ? &doc : NULL;
}

static inline const json_doc_section *json_doc_find(const json_doc *doc, const char *name)
{
    for (size_t i = 0; i < doc->n_sections; i++) {
        if (strcmp(doc->sections[i].name, name) == 0) {
            return &doc->sections[i];
        }
    }
    return NULL;
}

/* Whether a name belongs to a set in braces. */
static inline bool json_doc_set_has(const char *set, const char *name)
{
    bool has = false;
    if (strcmp(set, "{reported}") == 0) {
        for (size_t i = 0; pl_told(i) != NULL; i++) {
            has = has || strcmp(pl_told(i)->name, name) == 0;
        }
    } else if (strcmp(set, "{parameter}") == 0) {
        for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
            has = has || pl_method_param(*m, name) != SIZE_MAX;
        }
    } else {
        const bool solved = strcmp(set, "{solved column}") == 0;
        const pl_column column = pl_column_find(name, strlen(name));
        has = (solved || strcmp(set, "{column}") == 0) && column != PL_COLUMN_COUNT &&
              (!solved || pl_columns[column].source == PL_OF_SOLUTION);
    }
    return has;
}

/* The row's own name: what stands behind its parent and a point, if `parent` is that. */
static inline const char *json_doc_name_in(const char *path, const char *parent)
{
    const size_t length = strlen(parent);
    const char *name = path;
    if (length > 0) {
        if (strncmp(path, parent, length) != 0 || path[length] != '.') {
            return NULL;
        }
        name = path + length + 1;
    }
    return strpbrk(name, ".[") == NULL ? name : NULL;
}

static inline size_t json_doc_row(const json_doc *doc, const json_doc_section *section,
                                  const char *parent, const char *name)
{
    for (size_t i = section->first; i < section->first + section->count; i++) {
        const char *own = json_doc_name_in(doc->rows[i].path, parent);
        if (own != NULL &&
            (strcmp(own, name) == 0 || (own[0] == '{' && json_doc_set_has(own, name)))) {
            return i;
        }
    }
    return SIZE_MAX;
}

static inline bool json_doc_is_of(const json_t *value, unsigned types)
{
    const unsigned number = 1, integer = 2;
    return ((types & number) != 0 && json_is_number(value)) ||
           ((types & integer) != 0 && json_is_integer(value)) ||
           ((types & 4) != 0 && json_is_boolean(value)) ||
           ((types & 8) != 0 && json_is_string(value)) ||
           ((types & 16) != 0 && json_is_object(value)) ||
           ((types & 32) != 0 && json_is_array(value)) ||
           ((types & 64) != 0 && json_is_null(value));
}

static inline void json_doc_check(const json_doc *doc, const json_doc_section *section,
                                  const char *path, json_t *value)
{
    char below[2 * JSON_DOC_PATH];
    const char *name = NULL;
    json_t *item = NULL;
    size_t index = 0;
    if (json_is_array(value)) {
        snprintf(below, sizeof below, "%s[]", path);
        json_array_foreach(value, index, item)
        {
            size_t row = section->first, end = row + section->count;
            for (; row < end && strcmp(doc->rows[row].path, below) != 0; row++) {
            }
            const bool holds = json_is_object(item);
            if (row == end ? !holds : !json_doc_is_of(item, doc->rows[row].types)) {
                json_doc_fail(section->name, below, row == end ? "no row" : "another type");
            }
            json_doc_check(doc, section, below, item);
        }
    }
    json_object_foreach(value, name, item)
    {
        const size_t row = json_doc_row(doc, section, path, name);
        snprintf(below, sizeof below, "%s%s%s", path, path[0] != '\0' ? "." : "", name);
        if (row == SIZE_MAX || !json_doc_is_of(item, doc->rows[row].types)) {
            json_doc_fail(section->name, below,
                          row == SIZE_MAX ? "a key that has no row" : "another type");
        }
        json_doc_check(doc, section, below, item);
    }
    for (size_t i = section->first; json_is_object(value) && i < section->first + section->count;
         i++) {
        const char *own = json_doc_name_in(doc->rows[i].path, path);
        if (own != NULL && own[0] != '{' && !doc->rows[i].optional &&
            json_object_get(value, own) == NULL) {
            json_doc_fail(section->name, doc->rows[i].path, "a row that the object lacks");
        }
    }
}

/* One line of --json.  A command without a section is left to test_json. */
static inline void json_doc_check_line(json_t *line)
{
    static const char prefix[] = "planish.";
    const json_doc *doc = json_doc_get();
    const char *schema = json_string_value(json_object_get(line, "schema"));
    assert_non_null(schema);
    assert_int_equal(strncmp(schema, prefix, sizeof prefix - 1), 0);
    assert_true(json_is_integer(json_object_get(line, "version")));
    const char *name = schema + sizeof prefix - 1;
    const json_doc_section *section = doc != NULL ? json_doc_find(doc, name) : NULL;
    json_t *result = json_object_get(line, "result");
    assert_int_equal(result == NULL, strcmp(name, "error") == 0);
    if (section != NULL && result != NULL) {
        assert_int_equal(json_integer_value(json_object_get(line, "version")), section->version);
        json_doc_check(doc, section, "", result);
    }
}

#endif
