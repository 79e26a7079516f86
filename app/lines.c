#include "app/lines.h"

#include "app/command.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_LIMIT = 64 << 20, PIECE = 65536 };

/* Until there is something to read.  Who interrupts before that means a command that has ended. */
static void wait_for_text(const pl_lines *lines)
{
    struct pollfd ends[] = {{.fd = lines->fd, .events = POLLIN},
                            {.fd = pl_interrupts_fd(lines->interrupts), .events = POLLIN}};
    while (ends[0].revents == 0) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR) {
            return; /* read says why */
        }
        if (ends[0].revents == 0 && ends[1].revents != 0) {
            (void)pl_interrupts_take(lines->interrupts);
        }
    }
}

static pl_status read_more(pl_lines *lines, pl_error *err)
{
    char piece[PIECE];
    ssize_t count = -1;
    do {
        wait_for_text(lines);
        count = read(lines->fd, piece, sizeof piece);
    } while (count < 0 && (errno == EINTR || errno == EAGAIN));
    if (count < 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: %s", lines->name, strerror(errno));
    }
    if (memchr(piece, '\0', (size_t)count) != NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: expected a text, found a NUL byte",
                            lines->name);
    }
    lines->ended = count == 0;
    if (lines->taken > 0) {
        lines->read.size -= lines->taken;
        memmove(lines->read.data, lines->read.data + lines->taken, lines->read.size);
        lines->taken = 0;
    }
    if (lines->read.size > LINE_LIMIT) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: a line has more than %d MB", lines->name,
                            LINE_LIMIT >> 20);
    }
    pl_buf_append(&lines->read, piece, (size_t)count);
    return pl_buf_check(&lines->read, err);
}

/* The bytes of the first whole command line in text[0..size), 0 where more must come. */
static size_t line_length(const char *text, size_t size)
{
    const char *end = text, *last = text + size;
    while ((end = memchr(end, '\n', (size_t)(last - end))) != NULL) {
        end++;
        if (!pl_script_goes_on(text, (size_t)(end - text))) {
            return (size_t)(end - text);
        }
    }
    return 0;
}

pl_status pl_lines_next(pl_lines *lines, char **line, pl_error *err)
{
    *line = NULL;
    size_t length = 0;
    for (;;) {
        const size_t left = lines->read.size - lines->taken;
        const char *text = left > 0 ? lines->read.data + lines->taken : "";
        length = line_length(text, left);
        if (length == 0 && lines->ended) {
            length = left; /* a last one without a newline */
        }
        if (length > 0 || lines->ended) {
            break;
        }
        pl_status status = read_more(lines, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (length == 0) {
        return PL_OK;
    }
    const char *text = lines->read.data + lines->taken;
    const char *begin = lines->next == 0 ? pl_script_begin(text) : text;
    const size_t mark = (size_t)(begin - text);
    *line = strndup(begin, length - mark - (text[length - 1] == '\n'));
    lines->taken += length;
    lines->number = lines->next + 1;
    for (const char *s = text; s < text + length; s++) {
        lines->next += *s == '\n';
    }
    return *line != NULL ? PL_OK : pl_error_memory(err, "a command");
}

void pl_lines_deinit(pl_lines *lines)
{
    pl_buf_deinit(&lines->read);
}
