/* app/settings.h -- what the screen remembers from run to run: theme, marks, pixels, mouse, the
 * tour.
 *
 * A file of `name = value` lines, $XDG_CONFIG_HOME/planish/config; unknown lines are kept
 * unchanged. */
#ifndef PL_APP_SETTINGS_H
#define PL_APP_SETTINGS_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stdbool.h>

typedef struct pl_settings {
    char *path;     /* NULL: nothing is written */
    bool exists;    /* the file was there */
    char theme[16]; /* "" for the usual one */
    char marks[16]; /* "" for auto */
    char pixels[8]; /* "yes", "auto", "" for no */
    bool mouse_off; /* the terminal's own selection has the mouse */
    bool tour_done;
    pl_buf rest; /* the other lines */
} pl_settings;

/* $XDG_CONFIG_HOME/planish/NAME, else ~/.config/planish/NAME; "" if neither is set.  Appended. */
void pl_settings_path(const char *name, pl_buf *out);

/* Reads a file; one that is not there gives the defaults.  Copies path (NULL is fine).  On failure
 * the settings are the defaults, with path NULL, so that a file that cannot be read is not
 * overwritten. */
PL_NODISCARD pl_status pl_settings_read(const char *path, pl_settings *out, pl_error *err);

/* Atomically, with the folder. */
PL_NODISCARD pl_status pl_settings_write(const pl_settings *settings, pl_error *err);

void pl_settings_deinit(pl_settings *settings);

#endif
