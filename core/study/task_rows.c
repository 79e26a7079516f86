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

/* Its items' mean, and their sample standard deviation over sqrt(n); NaN of one item.  from:
 * samples of the same items, of which the differences are taken; or NULL. */
static void put_mean(json_t *row, const char *name, const json_t *from, const json_t *samples,
                     const char *task, const char *metric)
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
            const json_t *other = json_object_get(json_array_get(from, i), metric);
            const double x = json_number_value(value) - json_number_value(other); /* NULL: 0 */
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

static json_t *task_row(const char *task, const char *metric, json_int_t n, size_t shots)
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
static void put_group(json_t *rows, const json_t *of, size_t subjects, const char *group,
                      const char *const *names, size_t sides, bool flipped, size_t shots)
{
    json_t *out = NULL;
    json_int_t flips[3] = {0}, all = 0;
    static const char *const flip_names[] = {"changed", "lost", "gained"};
    for (size_t s = 0; s < sides; s++) {
        char key[64];
        double sizes = 0.0, sum = 0.0, pooled = 0.0, count = 0.0;
        snprintf(key, sizeof key, "%s_stderr", names[s]);
        for (size_t i = 0; i < subjects; i++) {
            const json_t *row = json_array_get(of, i);
            if (!is_in_group(task_of(row), group)) {
                continue;
            }
            const double n = json_number_value(json_object_get(row, "n"));
            const double error = pl_json_number_of(row, key);
            sizes += n;
            count += 1.0;
            sum += n * pl_json_number_of(row, names[s]);
            pooled += (n - 1.0) * (error * error) * n;
            all += s == 0 ? (json_int_t)n : 0;
            for (size_t f = 0; s == 0 && f < 3; f++) {
                flips[f] += json_integer_value(json_object_get(row, flip_names[f]));
            }
        }
        if (count == 0.0) {
            return;
        }
        out = s == 0 ? task_row(group, "acc", all, shots) : out;
        pl_json_set(out, names[s], pl_json_number(sum / sizes));
        pl_json_set(out, key, pl_json_number(sqrt(pooled / (sizes - count) / sizes)));
    }
    for (size_t f = 0; flipped && f < 3; f++) {
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
        json_t *row = task_row(task, metrics[m], n, shots);
        for (size_t s = 0; s < sides; s++) {
            put_mean(row, names[s], NULL, samples[s], task, metrics[m]);
        }
        if (sides == 2) {
            put_flips(row, samples, task, metrics[m]);
        }
        pl_json_append(rows, row);
    }
}

static json_t *rows_of_tasks(json_t *const *samples, const char *const *names, size_t sides,
                             size_t shots)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(samples[0]); i++) {
        const char *task = task_of(json_array_get(samples[0], i));
        if (!has_row(rows, task)) {
            put_task(rows, samples, names, sides, task, shots);
        }
    }
    return rows;
}

json_t *pl_task_rows(json_t *const *samples, const char *const *names, size_t sides, size_t shots)
{
    json_t *rows = rows_of_tasks(samples, names, sides, shots);
    const size_t tasks = json_array_size(rows);
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        put_group(rows, rows, tasks, groups[g], names, sides, sides == 2, shots);
    }
    return rows;
}

/* --- a setting beside another ----------------------------------------------------------------- */

static const char *const compared[] = {"score", "difference"};

/* Whether the row is the last of its task: its normalized one, where it has that. */
static bool is_last_of_task(const json_t *rows, size_t i)
{
    return i + 1 == json_array_size(rows) ||
           strcmp(task_of(json_array_get(rows, i)), task_of(json_array_get(rows, i + 1))) != 0;
}

static bool is_first_of_task(const json_t *rows, size_t i)
{
    return i == 0 || is_last_of_task(rows, i - 1);
}

/* The tasks' unweighted mean; tasks are drawn apart, so that their variances add. */
static json_t *mean_of_tasks(const json_t *rows, const char *metric, bool last, size_t shots)
{
    json_t *out = task_row(PL_TASK_MEAN, metric, 0, shots);
    for (size_t k = 0; k < 2; k++) {
        char key[64];
        double sum = 0.0, squares = 0.0, count = 0.0;
        snprintf(key, sizeof key, "%s_stderr", compared[k]);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *row = json_array_get(rows, i);
            if (last ? is_last_of_task(rows, i) : is_first_of_task(rows, i)) {
                const double error = pl_json_number_of(row, key);
                sum += pl_json_number_of(row, compared[k]);
                squares += error * error;
                count += 1.0;
            }
        }
        pl_json_set(out, "n", json_integer((json_int_t)count));
        pl_json_set(out, compared[k], pl_json_number(sum / count));
        pl_json_set(out, key, pl_json_number(sqrt(squares) / count));
    }
    return out;
}

json_t *pl_task_compare(const json_t *first, json_t *samples, size_t shots)
{
    json_t *all = rows_of_tasks(&samples, compared, 1, shots), *rows = json_array();
    bool normed = false;
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *row = json_array_get(all, i);
        const char *metric = json_string_value(json_object_get(row, "metric"));
        if (first != NULL) {
            put_mean(row, compared[1], first, samples, task_of(row), metric);
        } else {
            pl_json_set(row, "difference", json_null());
            pl_json_set(row, "difference_stderr", json_null());
        }
        normed = normed || strcmp(metric, "acc_norm") == 0;
        if (!is_in_group(task_of(row), "mmlu")) {
            pl_json_append(rows, json_incref(row));
        }
    }
    put_group(rows, all, json_array_size(all), "mmlu", compared, 2, false, shots);
    json_decref(all);
    if (json_array_size(rows) > 0 &&
        strcmp(task_of(json_array_get(rows, 0)),
               task_of(json_array_get(rows, json_array_size(rows) - 1))) != 0) {
        json_t *mean = mean_of_tasks(rows, "acc", false, shots);
        json_t *norm = normed ? mean_of_tasks(rows, "acc_norm", true, shots) : NULL;
        pl_json_append(rows, mean);
        if (norm != NULL) {
            pl_json_append(rows, norm);
        }
    }
    return rows;
}
