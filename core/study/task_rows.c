/* Means and standard errors of what the items scored. */
#include "core/base/json.h"
#include "core/study/tasks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const metrics[] = {"acc", "acc_norm", "exact_match"};
static const char *const groups[] = {"mmlu_stem", "mmlu_other", "mmlu_social_sciences",
                                     "mmlu_humanities", "mmlu"};

static const char *task_of(const json_t *sample)
{
    const char *name = json_string_value(json_object_get(sample, "task"));
    return name != NULL ? name : "";
}

/* Its items' mean, and their sample standard deviation over sqrt(n); NaN of one item. */
static void put_mean(json_t *row, const char *name, const json_t *samples, const char *task,
                     const char *metric)
{
    char key[64];
    double sum = 0.0, squares = 0.0, n = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        const double mean = n > 0.0 ? sum / n : 0.0;
        for (size_t i = 0; i < json_array_size(samples); i++) {
            const json_t *sample = json_array_get(samples, i);
            const json_t *value = json_object_get(sample, metric);
            if (value == NULL || strcmp(task_of(sample), task) != 0) {
                continue;
            }
            const double x = json_number_value(value);
            sum += pass == 0 ? x : 0.0;
            n += pass == 0 ? 1.0 : 0.0;
            squares += pass == 1 ? (x - mean) * (x - mean) : 0.0;
        }
    }
    snprintf(key, sizeof key, "%s_stderr", name);
    pl_json_set(row, name, pl_json_number(sum / n));
    pl_json_set(row, key, pl_json_number(sqrt(squares / (n - 1.0)) / sqrt(n)));
}

static void put_flips(json_t *row, json_t *const *samples, const char *task, const char *metric)
{
    json_int_t changed = 0, lost = 0, gained = 0;
    for (size_t i = 0; i < json_array_size(samples[0]); i++) {
        const json_t *a = json_array_get(samples[0], i), *b = json_array_get(samples[1], i);
        if (strcmp(task_of(a), task) != 0 || json_object_get(a, metric) == NULL) {
            continue;
        }
        const double before = json_number_value(json_object_get(a, metric));
        const double after = json_number_value(json_object_get(b, metric));
        /* acc_norm chooses by another rule than the answer of acc. */
        const char *answer = strcmp(metric, "acc_norm") == 0 ? "answer_norm" : "answer";
        changed += !json_equal(json_object_get(a, answer), json_object_get(b, answer));
        lost += before > after;
        gained += before < after;
    }
    pl_json_set(row, "changed", json_integer(changed));
    pl_json_set(row, "lost", json_integer(lost));
    pl_json_set(row, "gained", json_integer(gained));
}

static json_int_t count_of(const json_t *samples, const char *task, const char *metric)
{
    json_int_t count = 0;
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *sample = json_array_get(samples, i);
        count += strcmp(task_of(sample), task) == 0 && json_object_get(sample, metric) != NULL;
    }
    return count;
}

static json_t *row_of(const char *task, const char *metric, json_int_t n, size_t shots)
{
    json_t *row = json_object();
    pl_json_set(row, "task", json_string(task));
    pl_json_set(row, "metric", json_string(metric));
    pl_json_set(row, "n", json_integer(n));
    pl_json_set(row, "shots", json_integer((json_int_t)shots));
    return row;
}

static bool is_in_group(const char *task, const char *group)
{
    const char *of = pl_mmlu_group(task);
    return strncmp(task, "mmlu_", 5) == 0 &&
           (strcmp(group, "mmlu") == 0 || (of != NULL && strcmp(of, group) == 0));
}

/* The subjects' means weighted by size, and the pooled standard error (lm-eval's
 * pooled_sample_stderr). */
static void put_group(json_t *rows, size_t subjects, const char *group, const char *const *names,
                      size_t sides, size_t shots)
{
    json_t *out = NULL;
    json_int_t flips[3] = {0}, all = 0;
    static const char *const flip_names[] = {"changed", "lost", "gained"};
    for (size_t s = 0; s < sides; s++) {
        char key[64];
        double sizes = 0.0, sum = 0.0, pooled = 0.0, count = 0.0;
        snprintf(key, sizeof key, "%s_stderr", names[s]);
        for (size_t i = 0; i < subjects; i++) {
            const json_t *row = json_array_get(rows, i);
            if (!is_in_group(task_of(row), group)) {
                continue;
            }
            const double n = json_number_value(json_object_get(row, "n"));
            const double error = pl_json_number_of(row, key);
            sizes += n;
            count += 1.0;
            sum += n * json_number_value(json_object_get(row, names[s]));
            pooled += (n - 1.0) * (error * error) * n;
            all += s == 0 ? (json_int_t)n : 0;
            for (size_t f = 0; s == 0 && f < 3; f++) {
                flips[f] += json_integer_value(json_object_get(row, flip_names[f]));
            }
        }
        if (count == 0.0) {
            return;
        }
        out = s == 0 ? row_of(group, "acc", all, shots) : out;
        pl_json_set(out, names[s], pl_json_number(sum / sizes));
        pl_json_set(out, key, pl_json_number(sqrt(pooled / (sizes - count) / sizes)));
    }
    for (size_t f = 0; sides == 2 && f < 3; f++) {
        pl_json_set(out, flip_names[f], json_integer(flips[f]));
    }
    pl_json_append(rows, out);
}

static bool has_row(const json_t *rows, const char *task)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        found = found || strcmp(task_of(json_array_get(rows, i)), task) == 0;
    }
    return found;
}

static void put_task(json_t *rows, json_t *const *samples, const char *const *names, size_t sides,
                     const char *task, size_t shots)
{
    for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
        const json_int_t n = count_of(samples[0], task, metrics[m]);
        if (n == 0) {
            continue;
        }
        json_t *row = row_of(task, metrics[m], n, shots);
        for (size_t s = 0; s < sides; s++) {
            put_mean(row, names[s], samples[s], task, metrics[m]);
        }
        if (sides == 2) {
            put_flips(row, samples, task, metrics[m]);
        }
        pl_json_append(rows, row);
    }
}

json_t *pl_task_rows(json_t *const *samples, const char *const *names, size_t sides, size_t shots)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(samples[0]); i++) {
        const char *task = task_of(json_array_get(samples[0], i));
        if (!has_row(rows, task)) {
            put_task(rows, samples, names, sides, task, shots);
        }
    }
    const size_t tasks = json_array_size(rows);
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        put_group(rows, tasks, groups[g], names, sides, shots);
    }
    return rows;
}
