/* views/images.h -- images on a terminal that says it can show them; a part of terminal.c, UI
 * thread only. */
#ifndef PL_VIEWS_IMAGES_H
#define PL_VIEWS_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pl_graphics {
    PL_GRAPHICS_NONE,
    PL_GRAPHICS_SIXEL,
    PL_GRAPHICS_KITTY,
} pl_graphics;

/* The kitty protocol's number of the image; there is one at a time. */
enum { PL_IMAGE_ID = 32 };

typedef struct pl_image {
    uint64_t serial;   /* differs for other bytes; 0: no image */
    const char *bytes; /* the sequence that shows it at the cursor, borrowed */
    size_t size;
    pl_graphics protocol;
    int row, col; /* its upper left cell */
} pl_image;

typedef struct pl_images {
    bool asked, answered; /* answered: the terminal has answered, whether it shows images or not */
    bool sixel, kitty;
    int cell_w, cell_h; /* pixels, by its answer; 0: unknown */
    pl_image wanted, there;
} pl_images;

/* Sends the questions. */
void pl_images_ask(pl_images *images);
/* Reads an answer, the text behind ESC [ or ESC _; ignores any other. */
void pl_images_hear(pl_images *images, const char *text);
/* Pixels of a cell, by the system or else by the terminal; false where unknown. */
bool pl_images_cell(const pl_images *images, int *width, int *height);

/* Before a frame: removes an image that is no longer wanted in its place.  cleared: the frame
 * clears the screen anyway.  True if it must, to remove the image. */
bool pl_images_clear(pl_images *images, bool cleared);
/* After the frame: shows the wanted image. */
void pl_images_put(pl_images *images);

#endif
