#include "core/study/task_items.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

/* --- one item --------------------------------------------------------------------------------- */

const char *pl_task_text(const json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text != NULL ? text : "";
}

static json_t *take_json_text(pl_buf *buf)
{
    json_t *text = buf->failed ? NULL : json_string(buf->data != NULL ? buf->data : "");
    pl_buf_deinit(buf);
    return text;
}

static json_t *text_json(const char *before, const char *text, const char *behind)
{
    pl_buf buf = {0};
    pl_buf_printf(&buf, "%s%s%s", before, text, behind);
    return take_json_text(&buf);
}

/* A list of at least `least` texts. */
static bool are_texts(const json_t *list, size_t least)
{
    bool fine = json_is_array(list) && json_array_size(list) >= least;
    for (size_t i = 0; fine && i < json_array_size(list); i++) {
        fine = json_is_string(json_array_get(list, i));
    }
    return fine;
}

/* A whole number, or its digits as a text; -1 for anything else. */
static json_int_t label_number(const json_t *value)
{
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    return text != NULL && text[0] >= '0' && text[0] <= '9' && text[1] == '\0' ? text[0] - '0' : -1;
}

/* The right choice is the answer of an example. */
static json_t *with_choices(json_t *item, json_t *choices, json_int_t gold)
{
    pl_json_set(item, "answer", json_incref(json_array_get(choices, (size_t)gold)));
    pl_json_set(item, "gold", json_integer(gold));
    pl_json_set(item, "choices", choices);
    return item;
}

/* Of AI2's own layout as HF's: the texts or the labels of its choices, NULL where one has none. */
static json_t *arc_column(const json_t *choices, const char *name)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(choices); i++) {
        json_t *value = json_object_get(json_array_get(choices, i), name);
        if (!json_is_string(value)) {
            json_decref(list);
            return NULL;
        }
        pl_json_append(list, json_incref(value));
    }
    return list;
}

/* Takes over texts and labels. */
static json_t *arc_item(const char *question, json_t *texts, json_t *labels, const char *key)
{
    size_t gold = 0;
    const size_t n = json_array_size(texts);
    while (gold < n && strcmp(json_string_value(json_array_get(labels, gold)), key) != 0) {
        gold++;
    }
    json_decref(labels);
    if (gold == n) {
        json_decref(texts);
        return NULL;
    }
    json_t *item = json_object();
    pl_json_set(item, "text", text_json("Question: ", question, "\nAnswer:"));
    return with_choices(item, texts, (json_int_t)gold);
}

/* {"question": {"stem": ..., "choices": [{"text": ..., "label": "A"}, ...]}, "answerKey": "A"} */
static json_t *read_nested_arc(const json_t *doc, const char **expected)
{
    const json_t *question = json_object_get(doc, "question");
    const json_t *choices = json_object_get(question, "choices");
    json_t *texts = arc_column(choices, "text"), *labels = arc_column(choices, "label");
    json_t *item = NULL;
    if (texts == NULL || labels == NULL || json_array_size(texts) < 2) {
        *expected = "question.choices: expected a list of at least two, each with the texts text "
                    "and label";
    } else if (!json_is_string(json_object_get(question, "stem"))) {
        *expected = "question.stem: expected a text";
    } else {
        item = arc_item(pl_task_text(question, "stem"), json_incref(texts), json_incref(labels),
                        pl_task_text(doc, "answerKey"));
        *expected =
            item == NULL ? "answerKey: expected one of the labels in question.choices" : *expected;
    }
    json_decref(texts);
    json_decref(labels);
    return item;
}

static json_t *read_arc(const json_t *doc, const char **expected)
{
    const json_t *choices = json_object_get(doc, "choices");
    json_t *texts = json_object_get(choices, "text"), *labels = json_object_get(choices, "label");
    if (json_is_object(json_object_get(doc, "question"))) {
        return read_nested_arc(doc, expected);
    }
    if (!are_texts(texts, 2) || !are_texts(labels, 2) ||
        json_array_size(labels) != json_array_size(texts)) {
        *expected = "choices: expected two lists of texts of one length, text and label";
        return NULL;
    }
    json_t *item = arc_item(pl_task_text(doc, "question"), json_incref(texts), json_incref(labels),
                            pl_task_text(doc, "answerKey"));
    *expected = item == NULL ? "answerKey: expected one of choices.label" : *expected;
    return item;
}

static json_t *cleaned(const char *text)
{
    pl_buf buf = {0};
    pl_hellaswag_clean(text, &buf);
    return take_json_text(&buf);
}

static json_t *read_hellaswag(const json_t *doc, const char **expected)
{
    const json_t *endings = json_object_get(doc, "endings");
    const json_int_t gold = label_number(json_object_get(doc, "label"));
    if (!are_texts(endings, 2)) {
        *expected = "endings: expected a list of texts";
        return NULL;
    }
    if (gold < 0 || (size_t)gold >= json_array_size(endings)) {
        *expected = "label: expected the index of the right one of endings";
        return NULL;
    }
    pl_buf query = {0};
    json_t *item = json_object(), *choices = json_array();
    pl_buf_printf(&query, "%s: %s ", pl_task_text(doc, "activity_label"),
                  pl_task_text(doc, "ctx_a"));
    pl_python_lower(pl_task_text(doc, "ctx_b"), true, &query);
    pl_json_set(item, "text", query.failed ? NULL : cleaned(query.data));
    for (size_t i = 0; i < json_array_size(endings); i++) {
        pl_json_append(choices, cleaned(json_string_value(json_array_get(endings, i))));
    }
    pl_buf_deinit(&query);
    return with_choices(item, choices, gold);
}

static json_t *read_piqa(const json_t *doc, const char **expected)
{
    const json_int_t gold = label_number(json_object_get(doc, "label"));
    if (gold != 0 && gold != 1) {
        *expected = "label: expected 0 (sol1) or 1 (sol2)";
        return NULL;
    }
    json_t *item = json_object(), *choices = json_array();
    pl_json_set(item, "text", text_json("Question: ", pl_task_text(doc, "goal"), "\nAnswer:"));
    pl_json_append(choices, json_string(pl_task_text(doc, "sol1")));
    pl_json_append(choices, json_string(pl_task_text(doc, "sol2")));
    return with_choices(item, choices, gold);
}

static json_t *read_winogrande(const json_t *doc, const char **expected)
{
    static const char *const options[] = {"option1", "option2"};
    const char *sentence = pl_task_text(doc, "sentence"), *blank = strchr(sentence, '_');
    const json_int_t gold = label_number(json_object_get(doc, "answer")) - 1;
    if (blank == NULL) {
        *expected = "sentence: expected a text with a _ for the option";
        return NULL;
    }
    if (gold != 0 && gold != 1) {
        *expected = "answer: expected \"1\" (option1) or \"2\" (option2)";
        return NULL;
    }
    pl_buf target = {0};
    json_t *item = json_object(), *contexts = json_array(), *choices = json_array();
    pl_python_strip(blank + 1, &target);
    json_t *behind = take_json_text(&target);
    for (size_t i = 0; i < 2; i++) {
        pl_buf context = {0};
        pl_buf_append(&context, sentence, (size_t)(blank - sentence));
        pl_buf_puts(&context, pl_task_text(doc, options[i]));
        pl_json_append(contexts, take_json_text(&context));
        pl_json_append(choices, json_incref(behind));
    }
    json_decref(behind);
    pl_json_set(item, "shot", json_incref(json_array_get(contexts, (size_t)gold)));
    pl_json_set(item, "contexts", contexts);
    return with_choices(item, choices, gold);
}

static json_t *read_mmlu(const json_t *doc, const char **expected)
{
    const json_t *choices = json_object_get(doc, "choices"),
                 *answer = json_object_get(doc, "answer");
    const char *letter = json_string_value(answer);
    const json_int_t gold = letter != NULL && letter[0] >= 'A' && letter[0] <= 'D' && letter[1] == 0
                                ? letter[0] - 'A'
                                : label_number(answer);
    if (!are_texts(choices, 4) || json_array_size(choices) != 4) {
        *expected = "choices: expected four texts";
        return NULL;
    }
    if (gold < 0 || gold > 3) {
        *expected = "answer: expected the index of the right choice, 0 to 3";
        return NULL;
    }
    pl_buf text = {0};
    json_t *item = json_object(), *letters = json_array();
    pl_python_strip(pl_task_text(doc, "question"), &text);
    for (int i = 0; i < 4; i++) {
        const char name[] = {(char)('A' + i), '\0'};
        pl_buf_printf(&text, "\n%s. %s", name,
                      json_string_value(json_array_get(choices, (size_t)i)));
        pl_json_append(letters, json_string(name));
    }
    pl_buf_puts(&text, "\nAnswer:");
    pl_json_set(item, "text", take_json_text(&text));
    pl_json_set(item, "task", text_json("mmlu_", pl_task_text(doc, "subject"), ""));
    return with_choices(item, letters, gold);
}

static void describe_mmlu(const json_t *item, pl_buf *out)
{
    pl_buf_puts(out, "The following are multiple choice questions (with answers) about ");
    for (const char *at = pl_task_text(item, "task") + strlen("mmlu_"); *at != '\0'; at++) {
        pl_buf_append(out, *at == '_' ? " " : at, 1);
    }
    pl_buf_puts(out, ".\n\n");
}

static json_t *with_golds(json_t *text, json_t *golds)
{
    json_t *item = json_object();
    pl_json_set(item, "text", text);
    pl_json_set(item, "answer", json_incref(json_array_get(golds, 0)));
    pl_json_set(item, "golds", json_incref(golds));
    return item;
}

static json_t *read_triviaqa(const json_t *doc, const char **expected)
{
    json_t *aliases = json_object_get(json_object_get(doc, "answer"), "aliases");
    if (!are_texts(aliases, 1)) {
        *expected = "answer.aliases: expected a list of at least one text";
        return NULL;
    }
    return with_golds(text_json("Question: ", pl_task_text(doc, "question"), "?\nAnswer:"),
                      aliases);
}

static json_t *read_nq_open(const json_t *doc, const char **expected)
{
    json_t *answers = json_object_get(doc, "answer");
    if (!are_texts(answers, 1)) {
        *expected = "answer: expected a list of at least one text";
        return NULL;
    }
    return with_golds(text_json("Q: ", pl_task_text(doc, "question"), "?\nA:"), answers);
}

static void describe_nq_open(const json_t *item, pl_buf *out)
{
    (void)item;
    pl_buf_puts(out, "Answer these questions:\n\n");
}

/* --- the tasks -------------------------------------------------------------------------------- */

#define ARC_FIELDS "question:s choices:o answerKey:s"
#define ARC_NESTED "question:o answerKey:s"

static const pl_task_kind kinds[] = {
    {"arc_easy", ARC_FIELDS, ARC_NESTED, "easy", "\n\n", NULL, true, false, false, read_arc, NULL},
    {"arc_challenge", ARC_FIELDS, ARC_NESTED, "challenge", "\n\n", NULL, true, false, false,
     read_arc, NULL},
    {"hellaswag", "activity_label:s ctx_a:s ctx_b:s endings:a label:*", NULL, NULL, "\n\n", NULL,
     true, false, true, read_hellaswag, NULL},
    {"piqa", "goal:s sol1:s sol2:s label:*", NULL, NULL, "\n\n", NULL, true, false, true, read_piqa,
     NULL},
    {"winogrande", "sentence:s option1:s option2:s answer:*", NULL, NULL, "\n\n", NULL, false,
     false, true, read_winogrande, NULL},
    {"mmlu", "question:s subject:s choices:a answer:*", NULL, NULL, "\n\n", NULL, false, true,
     false, read_mmlu, describe_mmlu},
    {"triviaqa", "question:s answer:o", NULL, NULL, "\n\n", NULL, false, false, true, read_triviaqa,
     NULL},
    {"nq_open", "question:s answer:a", NULL, NULL, "\n", "The |the |An |A |a |an ", false, false,
     true, read_nq_open, describe_nq_open},
};

const pl_task_kind *const *pl_task_kinds(void)
{
    static const pl_task_kind *list[sizeof kinds / sizeof kinds[0] + 1];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        list[i] = &kinds[i];
    }
    return list;
}

/* "arc_easy, arc_challenge, ...", appended. */
static void put_kind_names(pl_buf *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        pl_buf_printf(out, "%s%s", i > 0 ? ", " : "", kinds[i].name);
    }
}

static const char *type_name(char type)
{
    return type == 's' ? "a text" : type == 'a' ? "a list" : type == 'o' ? "an object" : "a value";
}

/* The first field that a document lacks, to name[64], and its type; '\0': it lacks none. */
static char lacks_of(const char *fields, const json_t *doc, char name[64])
{
    for (const char *at = fields; *at != '\0'; at += strspn(at, " ")) {
        const size_t n = strcspn(at, ":");
        snprintf(name, 64, "%.*s", (int)n, at);
        const char type = at[n + 1];
        const json_t *value = json_object_get(doc, name);
        const bool fine = type == 's'   ? json_is_string(value)
                          : type == 'a' ? json_is_array(value)
                          : type == 'o' ? json_is_object(value)
                                        : value != NULL;
        if (!fine) {
            return type;
        }
        at += n + 2;
    }
    return '\0';
}

/* By the layout that has more than its first field there. */
static char lacks_field(const pl_task_kind *kind, const json_t *doc, char name[64])
{
    if (kind->nested != NULL) {
        const char type = lacks_of(kind->nested, doc, name);
        if (type == '\0' || strncmp(name, kind->nested, strlen(name)) != 0) {
            return type;
        }
    }
    return lacks_of(kind->fields, doc, name);
}

static pl_status find_named(const char *path, const char *name, const pl_task_kind **out,
                            pl_error *err)
{
    pl_buf names = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = &kinds[i];
            return PL_OK;
        }
    }
    put_kind_names(&names);
    pl_status status = pl_error_set(err, PL_ERR_USAGE, "%s: there is no task %s: expected %s", path,
                                    name, names.data != NULL ? names.data : "");
    pl_buf_deinit(&names);
    return status;
}

/* Tasks whose fields the document has; of several the one whose word the path has. */
static pl_status find_kind(const char *path, const json_t *doc, const pl_task_kind **out,
                           pl_error *err)
{
    char field[64];
    pl_buf fits = {0};
    size_t count = 0;
    *out = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (lacks_field(&kinds[i], doc, field) == '\0') {
            pl_buf_printf(&fits, "%s%s", count > 0 ? " or task=" : "task=", kinds[i].name);
            count++;
            const bool told = kinds[i].path != NULL && strcasestr(path, kinds[i].path) != NULL;
            *out = count == 1 || told ? &kinds[i] : *out;
        }
    }
    const bool told =
        *out != NULL && (*out)->path != NULL && strcasestr(path, (*out)->path) != NULL;
    pl_status status = PL_OK;
    if (count == 0) {
        pl_buf names = {0};
        put_kind_names(&names);
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: the fields of its first item are those of no task: expected "
                              "the published ones of %s (`help tasks` lists them)",
                              path, names.data != NULL ? names.data : "");
        pl_buf_deinit(&names);
    } else if (count > 1 && !told) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "%s: its fields are those of several tasks: expected %s", path,
                              fits.data != NULL ? fits.data : "");
    }
    pl_buf_deinit(&fits);
    return status;
}

static pl_status read_item(const char *path, const char *unit, size_t number, const json_t *doc,
                           pl_task_set *out, pl_error *err)
{
    char field[64];
    const char *expected = NULL;
    if (!json_is_object(doc)) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s %s %zu: expected an object", path, unit,
                            number);
    }
    const char type = lacks_field(out->kind, doc, field);
    if (type != '\0') {
        return pl_error_set(err, PL_ERR_FORMAT, "%s %s %zu: %s: expected %s, as %s has it", path,
                            unit, number, field, type_name(type), out->kind->name);
    }
    const unsigned failures = pl_memory_failures();
    json_t *item = out->kind->read(doc, &expected);
    if (item == NULL && expected != NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s %s %zu: %s", path, unit, number, expected);
    }
    if (json_object_get(item, "task") == NULL) {
        pl_json_set(item, "task", json_string(out->kind->name));
    }
    pl_json_append(out->items, item);
    return pl_memory_check(failures, err);
}

static pl_status take_doc(const char *path, const char *unit, size_t number, json_t *doc,
                          const char *name, pl_task_set *out, pl_error *err)
{
    pl_status status = PL_OK;
    if (out->kind == NULL && json_is_object(doc)) {
        status = name != NULL ? find_named(path, name, &out->kind, err)
                              : find_kind(path, doc, &out->kind, err);
    }
    PL_THEN(read_item(path, unit, number, doc, out, err));
    pl_json_append(out->docs, doc);
    return status;
}

static pl_status read_json_lines(const char *path, const char *text, size_t size, const char *name,
                                 pl_task_set *out, pl_error *err)
{
    pl_status status = PL_OK;
    const char *end = text + size;
    for (size_t line = 1; status == PL_OK && text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const size_t n = (size_t)((stop != NULL ? stop : end) - text);
        if (strspn(text, " \t\r") < n) {
            json_error_t why;
            json_t *doc = pl_json_load(text, n, &why);
            status = doc != NULL ? take_doc(path, "line", line, doc, name, out, err)
                                 : pl_error_set(err, PL_ERR_FORMAT,
                                                "%s line %zu: expected a JSON object: %s", path,
                                                line, why.text);
        }
        text += n + 1;
    }
    return status;
}

static pl_status read_array(const char *path, const char *text, size_t size, const char *name,
                            pl_task_set *out, pl_error *err)
{
    json_error_t why;
    json_t *all = pl_json_load(text, size, &why);
    pl_status status = json_is_array(all) ? PL_OK
                                          : pl_error_set(err, PL_ERR_FORMAT,
                                                         "%s line %d: expected a JSON array: %s",
                                                         path, why.line, why.text);
    for (size_t i = 0; status == PL_OK && i < json_array_size(all); i++) {
        status = take_doc(path, "item", i + 1, json_incref(json_array_get(all, i)), name, out, err);
    }
    json_decref(all);
    return status;
}

pl_status pl_task_set_read(const char *path, const char *name, pl_task_set *out, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *out = (pl_task_set){.docs = json_array(), .items = json_array()};
    pl_status status = pl_file_read_all(path, MOST_BYTES, &text, &size, err);
    if (status == PL_OK) {
        const char *first = text + strspn(text, " \t\r\n");
        status = *first == '[' ? read_array(path, text, size, name, out, err)
                               : read_json_lines(path, text, size, name, out, err);
    }
    if (status == PL_OK && json_array_size(out->items) == 0) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: it has no items: expected JSON lines or a JSON array", path);
    }
    free(text);
    if (status != PL_OK) {
        pl_task_set_deinit(out);
    }
    return status;
}

void pl_task_set_deinit(pl_task_set *set)
{
    json_decref(set->docs);
    json_decref(set->items);
    *set = (pl_task_set){0};
}

const char *pl_mmlu_group(const char *task)
{
    static const struct {
        const char *group, *subjects;
    } groups[] = {
        {"mmlu_stem",
         " abstract_algebra anatomy astronomy college_biology college_chemistry "
         "college_computer_science college_mathematics college_physics computer_security "
         "conceptual_physics electrical_engineering elementary_mathematics high_school_biology "
         "high_school_chemistry high_school_computer_science high_school_mathematics "
         "high_school_physics high_school_statistics machine_learning "},
        {"mmlu_other",
         " business_ethics clinical_knowledge college_medicine global_facts human_aging management "
         "marketing medical_genetics miscellaneous nutrition professional_accounting "
         "professional_medicine virology "},
        {"mmlu_social_sciences",
         " econometrics high_school_geography high_school_government_and_politics "
         "high_school_macroeconomics high_school_microeconomics high_school_psychology "
         "human_sexuality professional_psychology public_relations security_studies sociology "
         "us_foreign_policy "},
        {"mmlu_humanities",
         " formal_logic high_school_european_history high_school_us_history "
         "high_school_world_history international_law jurisprudence logical_fallacies "
         "moral_disputes moral_scenarios philosophy prehistory professional_law world_religions "},
    };
    char word[128];
    snprintf(word, sizeof word, " %s ", strncmp(task, "mmlu_", 5) == 0 ? task + 5 : "?");
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (strstr(groups[i].subjects, word) != NULL) {
            return groups[i].group;
        }
    }
    return NULL;
}
