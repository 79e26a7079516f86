/* views/images.h -- pictures of pixels on a terminal that has said that it shows them; terminal.c's
 * part, UI thread only. */
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
    uint64_t serial;   /* another one for other bytes; 0: no image */
    const char *bytes; /* the sequence that shows it at the cursor, borrowed */
    size_t size;
    pl_graphics protocol;
    int row, col; /* its upper left cell */
} pl_image;

typedef struct pl_images {
    bool asked, answered; /* answered: it has said what it is, with or without images */
    bool sixel, kitty;
    int cell_w, cell_h; /* pixels, as it has said; 0: it has not */
    pl_image wanted, there;
} pl_images;

/* Sends the questions. */
void pl_images_ask(pl_images *images);
/* Takes an answer in: what stands behind ESC [ or ESC _; others are left alone. */
void pl_images_hear(pl_images *images, const char *text);
/* Pixels of a cell, by the system or else by the terminal; false: nobody knows. */
bool pl_images_cell(const pl_images *images, int *width, int *height);

/* Before a frame: takes an image away that is no more wanted where it is; cleared: the frame clears
 * the screen.  True if the frame must clear the screen to be rid of it. */
bool pl_images_clear(pl_images *images, bool cleared);
/* Behind the frame: shows the wanted one. */
void pl_images_put(pl_images *images);

#endif
