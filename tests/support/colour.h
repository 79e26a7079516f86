/* tests/support/colour.h -- how far apart two colours look, also to people who see fewer. */
#ifndef PL_TESTS_COLOUR_H
#define PL_TESTS_COLOUR_H

#include <math.h>

typedef struct pl_lab_colour {
    double l, a, b;
} pl_lab_colour;

/* Machado, Oliveira, Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia; the first
 * is normal vision. */
enum { PL_VISIONS = 4 };

static inline double pl_colour_linear(double c)
{
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static inline double pl_colour_f(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

/* sRGB (0 ... 1) as CIELAB (D65) in that vision. */
static inline pl_lab_colour pl_colour_lab(const double rgb[3], int vision)
{
    static const double seen[PL_VISIONS][3][3] = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                                  {{0.152286, 1.052583, -0.204868},
                                                   {0.114503, 0.786281, 0.099216},
                                                   {-0.003882, -0.048116, 1.051998}},
                                                  {{0.367322, 0.860646, -0.227968},
                                                   {0.280085, 0.672501, 0.047413},
                                                   {-0.011820, 0.042940, 0.968881}},
                                                  {{1.255528, -0.076749, -0.178779},
                                                   {-0.078411, 0.930809, 0.147602},
                                                   {0.004733, 0.691367, 0.303900}}};
    static const double xyz[3][3] = {{0.4124564, 0.3575761, 0.1804375},
                                     {0.2126729, 0.7151522, 0.0721750},
                                     {0.0193339, 0.1191920, 0.9503041}};
    static const double white[3] = {0.95047, 1, 1.08883};
    double light[3];
    double f[3];
    for (int i = 0; i < 3; i++) {
        light[i] = 0;
        for (int j = 0; j < 3; j++) {
            light[i] += seen[vision][i][j] * pl_colour_linear(rgb[j]);
        }
        light[i] = fmin(fmax(light[i], 0), 1);
    }
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (int j = 0; j < 3; j++) {
            sum += xyz[i][j] * light[j];
        }
        f[i] = pl_colour_f(sum / white[i]);
    }
    return (pl_lab_colour){116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])};
}

static inline double pl_colour_hue(double a, double b)
{
    double hue = atan2(b, a) * 180 / M_PI;
    return hue < 0 ? hue + 360 : hue;
}

static inline double pl_colour_cos(double degrees)
{
    return cos(degrees * M_PI / 180);
}

/* CIE DE2000 (Sharma, Wu, Dalal 2005). */
static inline double pl_colour_difference(pl_lab_colour p, pl_lab_colour q)
{
    const double far = pow(25, 7);
    double mean7 = pow((hypot(p.a, p.b) + hypot(q.a, q.b)) / 2, 7);
    double g = 1 + 0.5 * (1 - sqrt(mean7 / (mean7 + far)));
    double c1 = hypot(g * p.a, p.b);
    double c2 = hypot(g * q.a, q.b);
    double h1 = pl_colour_hue(g * p.a, p.b);
    double h2 = pl_colour_hue(g * q.a, q.b);
    double dh = c1 * c2 == 0 ? 0 : h2 - h1;
    double hue = c1 * c2 == 0 ? h1 + h2 : (h1 + h2) / 2;
    if (dh > 180 || dh < -180) {
        dh += dh > 0 ? -360 : 360;
        hue += hue < 180 ? 180 : -180;
    }
    double dl = q.l - p.l;
    double dc = c2 - c1;
    double d_hue = 2 * sqrt(c1 * c2) * sin(dh * M_PI / 360);
    double l = (p.l + q.l) / 2 - 50;
    double c = (c1 + c2) / 2;
    double t = 1 - 0.17 * pl_colour_cos(hue - 30) + 0.24 * pl_colour_cos(2 * hue) +
               0.32 * pl_colour_cos(3 * hue + 6) - 0.2 * pl_colour_cos(4 * hue - 63);
    double turn = 60 * exp(-pow((hue - 275) / 25, 2));
    double rotation = -2 * sqrt(pow(c, 7) / (pow(c, 7) + far)) * sin(turn * M_PI / 180);
    double sl = 1 + 0.015 * l * l / sqrt(20 + l * l);
    double x = dl / sl;
    double y = dc / (1 + 0.045 * c);
    double z = d_hue / (1 + 0.015 * c * t);
    return sqrt(x * x + y * y + z * z + rotation * y * z);
}

#endif
