/* Hadamard matrices that Paley's fields do not give: four circulants A, B, C, D of order m with A
 * A^T + B B^T + C C^T + D D^T = 4m I in the array of Goethals and Seidel (Canad. J. Math. 19,
 * 1967).  The first rows were found by a search over unions of orbits of a group of multipliers of
 * Z_m; the test of the matrices proves that they fit. */
#include "core/tensor/hadamard.h"

static const struct {
    size_t m;
    const char *rows[4];
} stored[] = {
    {23,
     {"++-+-++-+--++--+-++-+-+", "+--++---+-+--+-+---++--", "+-+++++---+--+---+++++-",
      "+---+++++++--+++++++---"}},
    {29,
     {"+-+-+--+-++-++--++-++-+--+-+-", "+-+----++++--+--+--++++----+-",
      "+++++--++---+-++-+---++--++++", "+---+++-++++++--++++++-+++---"}},
    {39,
     {"++---+--+-+-+-+-+-+--+---++++--+--+--++", "+----+--+-+-+++-+++-++----+++---+--+-++",
      "+++++--+---++--+--++-+++++++-+-+--+-+--", "++----+--+-------+--+----++---++++++---"}},
    {43,
     {"+-+-+----+-++-++---++--++---++-++-+----+-+-", "++-++-++-+-+---+--++++++++--+---+-+-++-++-+",
      "+++---++-++++-+-++--+--+--++-+-++++-++---++",
      "+++-+++++---++++---+----+---++++---+++++-++"}},
};

static const char *const *find(size_t order)
{
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
        if (4 * stored[i].m == order) {
            return stored[i].rows;
        }
    }
    return NULL;
}

bool pl_hadamard_is_stored(size_t order)
{
    return find(order) != NULL;
}

/* Entry (i, j) of a block: X, X R, or X^T R with (X R)_ij = X_i,m-1-j. */
typedef enum form { PLAIN, TURNED, TRANSPOSED_TURNED } form;

static int entry(const char *row, size_t m, form how, size_t i, size_t j)
{
    const size_t col = how == PLAIN ? j : m - 1 - j;
    const size_t at = how == TRANSPOSED_TURNED ? (i + m - col) % m : (col + m - i) % m;
    return row[at] == '+' ? 1 : -1;
}

bool pl_hadamard_make_stored(size_t order, int8_t *h)
{
    /* A BR CR DR; -BR A -D^T R C^T R; -CR D^T R A -B^T R; -DR -C^T R B^T R A */
    static const struct {
        int8_t which, sign;
    } blocks[4][4] = {{{0, 1}, {1, 1}, {2, 1}, {3, 1}},
                      {{1, -1}, {0, 1}, {3, -1}, {2, 1}},
                      {{2, -1}, {3, 1}, {0, 1}, {1, -1}},
                      {{3, -1}, {2, -1}, {1, 1}, {0, 1}}};
    const char *const *rows = find(order);
    const size_t m = order / 4;
    if (rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < order; i++) {
        for (size_t j = 0; j < order; j++) {
            const size_t p = i / m, q = j / m;
            const form how = p == q ? PLAIN : p == 0 || q == 0 ? TURNED : TRANSPOSED_TURNED;
            h[i * order + j] =
                (int8_t)(blocks[p][q].sign * entry(rows[blocks[p][q].which], m, how, i % m, j % m));
        }
    }
    return true;
}
