#include "app/settings.h"

#include "core/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 64 * 1024 };

void pl_settings_path(const char *name, pl_buf *out)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (config != NULL && config[0] == '/') {
        pl_buf_printf(out, "%s/planish/%s", config, name);
    } else if (home != NULL && home[0] != '\0') {
        pl_buf_printf(out, "%s/.config/planish/%s", home, name);
    } else {
        pl_buf_puts(out, "");
    }
}

static void take_setting_line(pl_settings *settings, char *line)
{
    char name[16];
    char value[16];
    int used = 0;
    bool whole =
        sscanf(line, " %15[a-z] = %15[a-z] %n", name, value, &used) == 2 && line[used] == '\0';
    if (whole && strcmp(name, "theme") == 0) {
        strcpy(settings->theme, value);
    } else if (whole && strcmp(name, "marks") == 0) {
        strcpy(settings->marks, value);
    } else if (whole && strcmp(name, "pixels") == 0) {
        snprintf(settings->pixels, sizeof settings->pixels, "%.7s", value);
    } else if (whole && strcmp(name, "mouse") == 0) {
        settings->mouse_off = strcmp(value, "no") == 0;
    } else if (whole && strcmp(name, "tour") == 0) {
        settings->tour_done = strcmp(value, "done") == 0;
    } else if (line[strspn(line, " \t\r")] != '\0') {
        pl_buf_printf(&settings->rest, "%s\n", line);
    }
}

pl_status pl_settings_read(const char *path, pl_settings *out, pl_error *err)
{
    *out = (pl_settings){0};
    if (path == NULL || path[0] == '\0') {
        return PL_OK;
    }
    char *text = NULL;
    if (access(path, F_OK) == 0) {
        size_t size = 0;
        pl_status status = pl_file_read_all(path, LIMIT, &text, &size, err);
        if (status != PL_OK) {
            return status;
        }
        out->exists = true;
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            take_setting_line(out, line);
        }
        free(text);
    }
    out->path = strdup(path);
    if (out->path == NULL || out->rest.failed) {
        pl_settings_deinit(out);
        return pl_error_memory(err, "the settings");
    }
    return PL_OK;
}

pl_status pl_settings_write(const pl_settings *settings, pl_error *err)
{
    if (settings->path == NULL) {
        return PL_OK;
    }
    pl_buf text = {0};
    pl_buf_puts(&text, settings->rest.data != NULL ? settings->rest.data : "");
    if (settings->theme[0] != '\0') {
        pl_buf_printf(&text, "theme = %s\n", settings->theme);
    }
    if (settings->marks[0] != '\0') {
        pl_buf_printf(&text, "marks = %s\n", settings->marks);
    }
    if (settings->pixels[0] != '\0') {
        pl_buf_printf(&text, "pixels = %s\n", settings->pixels);
    }
    if (settings->mouse_off) {
        pl_buf_puts(&text, "mouse = no\n");
    }
    if (settings->tour_done) {
        pl_buf_puts(&text, "tour = done\n");
    }
    pl_buf_puts(&text, "");
    const char *slash = strrchr(settings->path, '/');
    char *folder = slash != NULL && slash > settings->path
                       ? strndup(settings->path, (size_t)(slash - settings->path))
                       : strdup(".");
    pl_status status =
        folder != NULL ? pl_buf_check(&text, err) : pl_error_memory(err, "the settings");
    PL_THEN(pl_file_make_private_dirs(folder, err));
    PL_THEN(pl_file_write_all(settings->path, text.data, text.size, err));
    free(folder);
    pl_buf_deinit(&text);
    return status;
}

void pl_settings_deinit(pl_settings *settings)
{
    free(settings->path);
    pl_buf_deinit(&settings->rest);
    *settings = (pl_settings){0};
}
