#include "views/theme.h"

#include <string.h>

/* The eight colours of every terminal. */
enum { RED = 1, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };

enum { B = PL_LOOK_BOLD, D = PL_LOOK_DIM, R = PL_LOOK_REVERSE };

/* What all themes share: weight and the colours of eight. */
static const pl_look common[PL_STYLE_COUNT] = {
    [PL_STYLE_TEXT] = {-1, -1, -1, 0, 0},
    [PL_STYLE_FAINT] = {-1, -1, -1, 0, D},
    [PL_STYLE_STRONG] = {-1, -1, -1, B, B},
    [PL_STYLE_TITLE] = {-1, -1, -1, B, B},
    [PL_STYLE_FOCUS] = {-1, -1, CYAN, B, B},
    [PL_STYLE_BAR] = {255, 24, -1, 0, R},
    [PL_STYLE_KEY] = {-1, -1, CYAN, B, B},
    [PL_STYLE_BEFORE] = {-1, -1, -1, 0, 0},
    [PL_STYLE_PRECONDITIONED] = {-1, -1, CYAN, 0, B},
    [PL_STYLE_AFTER] = {-1, -1, CYAN, 0, B},
    [PL_STYLE_INPUT] = {-1, -1, YELLOW, 0, 0},
    [PL_STYLE_RULE] = {-1, -1, RED, 0, 0},
    [PL_STYLE_CURSOR] = {-1, -1, MAGENTA, B, B},
    [PL_STYLE_GOOD] = {-1, -1, CYAN, 0, 0},
    [PL_STYLE_BAD] = {-1, -1, RED, 0, B},
    [PL_STYLE_ERROR] = {-1, -1, RED, B, B},
    [PL_STYLE_WARNING] = {-1, -1, YELLOW, B, B},
    [PL_STYLE_BUSY] = {-1, -1, YELLOW, B, B},
    [PL_STYLE_EXTRA + 0] = {-1, -1, GREEN, 0, 0},
    [PL_STYLE_EXTRA + 1] = {-1, -1, YELLOW, 0, 0},
    [PL_STYLE_EXTRA + 2] = {-1, -1, MAGENTA, 0, 0},
    [PL_STYLE_EXTRA + 3] = {-1, -1, CYAN, 0, 0},
    [PL_STYLE_EXTRA + 4] = {-1, -1, YELLOW, B, 0},
    [PL_STYLE_EXTRA + 5] = {-1, -1, RED, 0, 0},
    [PL_STYLE_EXTRA + 6] = {-1, -1, BLUE, 0, 0},
    [PL_STYLE_EXTRA + 7] = {-1, -1, -1, 0, 0},
    /* Viridis in the 256 colours, lightness rising; text on it white, then black. */
    [PL_STYLE_HEAT + 0] = {255, 53, -1, 0, 0},
    [PL_STYLE_HEAT + 1] = {255, 54, -1, 0, 0},
    [PL_STYLE_HEAT + 2] = {255, 60, -1, 0, 0},
    [PL_STYLE_HEAT + 3] = {16, 30, -1, 0, 0},
    [PL_STYLE_HEAT + 4] = {16, 36, -1, 0, 0},
    [PL_STYLE_HEAT + 5] = {16, 72, -1, 0, 0},
    [PL_STYLE_HEAT + 6] = {16, 77, -1, 0, 0},
    [PL_STYLE_HEAT + 7] = {16, 113, -1, 0, 0},
    [PL_STYLE_HEAT + 8] = {16, 149, -1, 0, 0},
    [PL_STYLE_HEAT + 9] = {16, 184, -1, 0, 0},
    [PL_STYLE_HEAT + 10] = {16, 220, -1, 0, 0},
    [PL_STYLE_HEAT + 11] = {16, 226, -1, 0, 0},
};

/* Foregrounds of the 256; 0: as in `common`. */
typedef short tones[PL_STYLE_HEAT];

static const tones dark = {
    [PL_STYLE_FAINT] = 246,     [PL_STYLE_FOCUS] = 75,          [PL_STYLE_KEY] = 75,
    [PL_STYLE_BEFORE] = 246,    [PL_STYLE_PRECONDITIONED] = 75, [PL_STYLE_AFTER] = 75,
    [PL_STYLE_INPUT] = 214,     [PL_STYLE_RULE] = 209,          [PL_STYLE_CURSOR] = 176,
    [PL_STYLE_GOOD] = 75,       [PL_STYLE_BAD] = 209,           [PL_STYLE_ERROR] = 203,
    [PL_STYLE_WARNING] = 214,   [PL_STYLE_BUSY] = 214,          [PL_STYLE_EXTRA + 0] = 79,
    [PL_STYLE_EXTRA + 1] = 221, [PL_STYLE_EXTRA + 2] = 176,     [PL_STYLE_EXTRA + 3] = 111,
    [PL_STYLE_EXTRA + 4] = 143, [PL_STYLE_EXTRA + 5] = 209,     [PL_STYLE_EXTRA + 6] = 141,
    [PL_STYLE_EXTRA + 7] = 145,
};

static const tones light = {
    [PL_STYLE_FAINT] = 240,     [PL_STYLE_FOCUS] = 25,          [PL_STYLE_KEY] = 25,
    [PL_STYLE_BEFORE] = 244,    [PL_STYLE_PRECONDITIONED] = 25, [PL_STYLE_AFTER] = 25,
    [PL_STYLE_INPUT] = 130,     [PL_STYLE_RULE] = 160,          [PL_STYLE_CURSOR] = 90,
    [PL_STYLE_GOOD] = 25,       [PL_STYLE_BAD] = 124,           [PL_STYLE_ERROR] = 124,
    [PL_STYLE_WARNING] = 94,    [PL_STYLE_BUSY] = 94,           [PL_STYLE_EXTRA + 0] = 29,
    [PL_STYLE_EXTRA + 1] = 94,  [PL_STYLE_EXTRA + 2] = 127,     [PL_STYLE_EXTRA + 3] = 61,
    [PL_STYLE_EXTRA + 4] = 58,  [PL_STYLE_EXTRA + 5] = 166,     [PL_STYLE_EXTRA + 6] = 55,
    [PL_STYLE_EXTRA + 7] = 243,
};

/* Sky blue, orange, vermilion, reddish purple, bluish green, yellow, blue. */
static const tones safe_dark = {
    [PL_STYLE_FAINT] = 246,     [PL_STYLE_FOCUS] = 74,          [PL_STYLE_KEY] = 74,
    [PL_STYLE_BEFORE] = 246,    [PL_STYLE_PRECONDITIONED] = 74, [PL_STYLE_AFTER] = 74,
    [PL_STYLE_INPUT] = 214,     [PL_STYLE_RULE] = 166,          [PL_STYLE_CURSOR] = 175,
    [PL_STYLE_GOOD] = 74,       [PL_STYLE_BAD] = 208,           [PL_STYLE_ERROR] = 208,
    [PL_STYLE_WARNING] = 220,   [PL_STYLE_BUSY] = 220,          [PL_STYLE_EXTRA + 0] = 36,
    [PL_STYLE_EXTRA + 1] = 214, [PL_STYLE_EXTRA + 2] = 175,     [PL_STYLE_EXTRA + 3] = 117,
    [PL_STYLE_EXTRA + 4] = 227, [PL_STYLE_EXTRA + 5] = 166,     [PL_STYLE_EXTRA + 6] = 32,
    [PL_STYLE_EXTRA + 7] = 250,
};

/* The same hues, darker. */
static const tones safe_light = {
    [PL_STYLE_FAINT] = 240,
    [PL_STYLE_FOCUS] = 25,
    [PL_STYLE_KEY] = 25,
    [PL_STYLE_BEFORE] = 244,
    [PL_STYLE_PRECONDITIONED] = 25,
    [PL_STYLE_AFTER] = 25,
    [PL_STYLE_INPUT] = 130,
    [PL_STYLE_RULE] = 166,
    [PL_STYLE_CURSOR] = 126,
    [PL_STYLE_GOOD] = 25,
    [PL_STYLE_BAD] = 94,
    [PL_STYLE_ERROR] = 94,
    [PL_STYLE_WARNING] = 58,
    [PL_STYLE_BUSY] = 58,
    [PL_STYLE_EXTRA + 0] = 29,
    [PL_STYLE_EXTRA + 1] = 130,
    [PL_STYLE_EXTRA + 2] = 126,
    [PL_STYLE_EXTRA + 3] = 67,
    [PL_STYLE_EXTRA + 4] = 58,
    [PL_STYLE_EXTRA + 5] = 166,
    [PL_STYLE_EXTRA + 6] = 18,
    [PL_STYLE_EXTRA + 7] = 243,
};

static const char *const names[PL_THEME_COUNT] = {"dark", "light", "safe", "none"};

const char *pl_theme_name(pl_theme theme)
{
    return names[theme];
}

pl_theme pl_theme_find(const char *name)
{
    pl_theme theme = 0;
    while (theme < PL_THEME_COUNT && strcmp(names[theme], name) != 0) {
        theme++;
    }
    return theme;
}

/* Cyan and yellow cannot be read on white. */
static short on_light(short colour)
{
    return colour == CYAN ? BLUE : colour == YELLOW ? RED : colour;
}

pl_look pl_theme_look(pl_theme theme, bool light_background, pl_style style)
{
    pl_look look = common[style];
    bool lit = theme == PL_THEME_LIGHT || (theme == PL_THEME_SAFE && light_background);
    const short *table = theme == PL_THEME_SAFE ? (lit ? safe_light : safe_dark)
                         : lit                  ? light
                                                : dark;
    if (theme == PL_THEME_NONE) {
        return (pl_look){-1, -1, -1, look.plain_flags, look.plain_flags};
    }
    if (style < PL_STYLE_HEAT && table[style] != 0) {
        look.fg256 = table[style];
    }
    look.fg8 = lit ? on_light(look.fg8) : look.fg8;
    return look;
}

void pl_theme_rgb(int colour, int rgb[3])
{
    static const int levels[] = {0, 95, 135, 175, 215, 255};
    if (colour >= 232) {
        rgb[0] = rgb[1] = rgb[2] = 8 + 10 * (colour - 232);
        return;
    }
    int cube = colour - 16;
    rgb[0] = levels[cube / 36];
    rgb[1] = levels[cube / 6 % 6];
    rgb[2] = levels[cube % 6];
}
