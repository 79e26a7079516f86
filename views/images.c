#include "views/images.h"

#include "views/sequence.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void pl_images_ask(pl_images *images)
{
    images->asked = true;
    pl_sequence_send(PL_IMAGES_ASK, strlen(PL_IMAGES_ASK));
}

void pl_images_hear(pl_images *images, const char *text)
{
    if (!images->asked) {
        return;
    }
    images->answered = images->answered || pl_is_attributes(text);
    images->sixel = images->sixel || pl_has_attribute(text, PL_ATTRIBUTE_SIXEL);
    images->kitty = images->kitty || pl_is_kitty(text);
    (void)pl_cell_size(text, &images->cell_w, &images->cell_h);
}

bool pl_images_cell(const pl_images *images, int *width, int *height)
{
    struct winsize size = {0};
    *width = images->cell_w;
    *height = images->cell_h;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        size.ws_xpixel >= size.ws_col && size.ws_ypixel >= size.ws_row) {
        *width = size.ws_xpixel / size.ws_col;
        *height = size.ws_ypixel / size.ws_row;
    }
    return *width > 0 && *height > 0;
}

static bool same_place(const pl_image *a, const pl_image *b)
{
    return a->row == b->row && a->col == b->col && a->protocol == b->protocol;
}

bool pl_images_clear(pl_images *images, bool cleared)
{
    const pl_image there = images->there;
    if (there.serial == 0) {
        return false;
    }
    const bool stays = images->wanted.serial != 0 && same_place(&there, &images->wanted);
    if (stays && !cleared) {
        return false;
    }
    if (there.protocol == PL_GRAPHICS_KITTY) {
        pl_sequence_send(PL_IMAGE_DELETE, strlen(PL_IMAGE_DELETE));
    }
    images->there = (pl_image){0};
    return there.protocol == PL_GRAPHICS_SIXEL; /* its pixels go as the cells are cleared */
}

void pl_images_put(pl_images *images)
{
    const pl_image *wanted = &images->wanted;
    char move[48];
    if (wanted->serial == 0 || wanted->serial == images->there.serial) {
        return;
    }
    snprintf(move, sizeof move, "\0337\033[%d;%dH", wanted->row + 1, wanted->col + 1);
    pl_sequence_send(move, strlen(move));
    pl_sequence_send(wanted->bytes, wanted->size);
    pl_sequence_send("\0338", 2);
    images->there = *wanted;
}
