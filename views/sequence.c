#include "views/sequence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bits of a report's button (xterm, ctlseqs "Mouse Tracking"). */
enum { BUTTON = 3, SHIFT = 4, MOTION = 32, WHEEL = 64, EXTRA = 128, NO_BUTTON = 3 };

static bool fill_mouse(int code, int x, int y, bool released, pl_mouse *out)
{
    *out = (pl_mouse){.x = x - 1, .y = y - 1};
    const int button = code & BUTTON;
    if (x < 1 || y < 1 || code < 0 || (code & EXTRA) != 0) {
        return false;
    }
    if ((code & WHEEL) != 0) {
        static const pl_mouse_kind kinds[] = {PL_MOUSE_WHEEL_UP, PL_MOUSE_WHEEL_DOWN,
                                              PL_MOUSE_WHEEL_LEFT, PL_MOUSE_WHEEL_RIGHT};
        const bool sideways = button < 2 && (code & SHIFT) != 0;
        out->kind = released ? PL_MOUSE_NONE : kinds[sideways ? button + 2 : button];
    } else if (button == 0) {
        out->kind = released               ? PL_MOUSE_RELEASE
                    : (code & MOTION) != 0 ? PL_MOUSE_DRAG
                                           : PL_MOUSE_PRESS;
    }
    return out->kind != PL_MOUSE_NONE;
}

bool pl_mouse_parse(const char *text, pl_mouse *out)
{
    int code = 0, x = 0, y = 0, used = 0;
    char final = 0;
    *out = (pl_mouse){0};
    return sscanf(text, "<%6d;%6d;%6d%c%n", &code, &x, &y, &final, &used) == 4 &&
           text[used] == '\0' && (final == 'M' || final == 'm') &&
           fill_mouse(code, x, y, final == 'm', out);
}

bool pl_mouse_from_bytes(const unsigned char bytes[3], pl_mouse *out)
{
    const int code = bytes[0] - 32;
    /* These say that a button was released, not which; only one is listened to. */
    const bool released = (code & WHEEL) == 0 && (code & BUTTON) == NO_BUTTON;
    return fill_mouse(released ? code & ~BUTTON : code, bytes[1] - 32, bytes[2] - 32, released,
                      out);
}

bool pl_mode_is_known(const char *text, int mode)
{
    int asked = 0, value = 0, used = 0;
    return sscanf(text, "?%6d;%2d$y%n", &asked, &value, &used) == 2 && text[used] == '\0' &&
           used > 0 && asked == mode && (value == 1 || value == 2);
}

bool pl_is_attributes(const char *text)
{
    const size_t inside = text[0] == '?' ? strspn(text + 1, "0123456789;") : 0;
    return inside > 0 && strcmp(text + 1 + inside, "c") == 0;
}

bool pl_has_attribute(const char *text, int attribute)
{
    if (!pl_is_attributes(text)) {
        return false;
    }
    /* The first number is the terminal's class. */
    for (const char *next = strchr(text, ';'); next != NULL; next = strchr(next + 1, ';')) {
        if (strtol(next + 1, NULL, 10) == attribute) {
            return true;
        }
    }
    return false;
}

bool pl_cell_size(const char *text, int *width, int *height)
{
    int w = 0, h = 0, used = 0;
    if (sscanf(text, "6;%4d;%4dt%n", &h, &w, &used) != 2 || used == 0 || text[used] != '\0' ||
        w < 1 || h < 1) {
        return false;
    }
    *width = w;
    *height = h;
    return true;
}

bool pl_is_kitty(const char *text)
{
    return strcmp(text, "Gi=31;OK") == 0;
}

void pl_sequence_send(const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(STDOUT_FILENO, bytes, size);
        if (n < 0 && errno != EINTR) {
            return;
        }
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}
