#include "tests/arrows/circles.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MODULES = 2000, NAME = 96 };

struct pl_circles {
    char names[MOST_MODULES][NAME]; /* "core/method/gptq" */
    size_t count;
    bool includes[MOST_MODULES][MOST_MODULES];
};

/* The walk: where it has been (1: it is on the way, 2: it is done) and how it got here. */
typedef struct walk_state {
    const pl_circles *circles;
    unsigned char seen[MOST_MODULES];
    size_t way[MOST_MODULES], steps, found;
    pl_buf *out;
} walk_state;

pl_circles *pl_circles_create(void)
{
    return calloc(1, sizeof(pl_circles));
}

void pl_circles_destroy(pl_circles *circles)
{
    free(circles);
}

/* Index of the module that a file belongs to; SIZE_MAX where there are too many. */
static size_t module_of(pl_circles *circles, const char *path, size_t size)
{
    static const char private[] = "_parts";
    const size_t ending = sizeof private - 1;
    size -= size > 2 && path[size - 2] == '.' ? 2 : 0;
    size -= size > ending && strncmp(path + size - ending, private, ending) == 0 ? ending : 0;
    for (size_t i = 0; i < circles->count; i++) {
        if (strlen(circles->names[i]) == size && strncmp(circles->names[i], path, size) == 0) {
            return i;
        }
    }
    if (size >= NAME || circles->count == MOST_MODULES) {
        return SIZE_MAX;
    }
    memcpy(circles->names[circles->count], path, size);
    return circles->count++;
}

/* Length of "core/method/" in "core/method/gptq". */
static size_t room_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

void pl_circles_add(pl_circles *circles, const char *path, const char *text)
{
    static const char word[] = "#include \"";
    const size_t from = module_of(circles, path, strlen(path));
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at, word)) {
        const bool starts = at == text || at[-1] == '\n';
        at += sizeof word - 1;
        const size_t size = strcspn(at, "\"\n");
        const size_t to = starts ? module_of(circles, at, size) : SIZE_MAX;
        if (from != SIZE_MAX && to != SIZE_MAX && from != to &&
            room_length(circles->names[from]) == room_length(circles->names[to]) &&
            strncmp(circles->names[from], circles->names[to], room_length(circles->names[from])) ==
                0) {
            circles->includes[from][to] = true;
        }
    }
}

static void say_circle(walk_state *walk, size_t closing)
{
    const char *first = walk->circles->names[closing];
    const size_t room = room_length(first);
    size_t i = walk->steps;
    while (walk->way[i - 1] != closing) {
        i--;
    }
    pl_buf_printf(walk->out, "%.*s: ", (int)(room > 0 ? room - 1 : 0), first);
    for (i--; i < walk->steps; i++) {
        pl_buf_printf(walk->out, "%s -> ", walk->circles->names[walk->way[i]] + room);
    }
    pl_buf_printf(walk->out, "%s\n", first + room);
    walk->found++;
}

static void walk_from(walk_state *walk, size_t module)
{
    walk->seen[module] = 1;
    walk->way[walk->steps++] = module;
    for (size_t i = 0; i < walk->circles->count; i++) {
        if (walk->circles->includes[module][i] && walk->seen[i] == 1) {
            say_circle(walk, i);
        } else if (walk->circles->includes[module][i] && walk->seen[i] == 0) {
            walk_from(walk, i);
        }
    }
    walk->steps--;
    walk->seen[module] = 2;
}

size_t pl_circles_find(const pl_circles *circles, pl_buf *out)
{
    walk_state walk = {.circles = circles, .out = out};
    for (size_t i = 0; i < circles->count; i++) {
        if (walk.seen[i] == 0) {
            walk_from(&walk, i);
        }
    }
    return walk.found;
}
