/* core/io/packing_parts.h -- what the layouts of packed layers share; private to core/io. */
#ifndef PL_IO_PACKING_PARTS_H
#define PL_IO_PACKING_PARTS_H

#include "core/io/packing.h"

/* A packed layer of a checkpoint.  parts: as in the file, by packing->endings; no dtype_name where
 * there is none. */
struct pl_packed {
    const pl_packing *packing;
    pl_tensor parts[PL_PACK_PARTS];
    int bits;
    size_t rows, cols, groups, group_size;
    size_t stack; /* so many matrices [rows, cols] in one tensor; 0: one, a matrix itself */
    pl_pack_order order;
    int zero_offset; /* what the file's zero points lack */
};

#define PL_PACKING_DECLARATION(name, key) extern const pl_packing pl_packing_##name;
PL_PACKINGS(PL_PACKING_DECLARATION)
PL_READ_PACKINGS(PL_PACKING_DECLARATION)
#undef PL_PACKING_DECLARATION

/* Streams of `length` codes in words of 32 bits: code i of stream s lies in words[s * stream_step +
 * w * word_step], w as `order` has it. */
typedef struct pl_lanes {
    int bits;
    pl_pack_order order;
    const unsigned char *within; /* [32 / bits] places of codes in a word; NULL: in order */
    size_t length, stream_step, word_step;
} pl_lanes;

/* Words that hold `length` codes. */
size_t pl_lanes_words(int bits, pl_pack_order order, size_t length);
unsigned pl_lanes_get(const pl_lanes *lanes, const uint32_t *words, size_t stream, size_t i);
/* ORs into words that are 0 there. */
void pl_lanes_put(const pl_lanes *lanes, uint32_t *words, size_t stream, size_t i, unsigned code);

/* The group size of all packed layers of a layout that has one; -1 where each row of each has one
 * group. */
long pl_pack_one_group_size(const pl_pack_module *modules, size_t count);

/* The number of an E4M3 code, which has no infinities: 0x7f and 0xff are NaN. */
float pl_e4m3(unsigned code);

/* Bytes of `count` scales in one of the float types, cleared words; NULL, and counted, without
 * memory. */
void *pl_pack_room(size_t count, size_t size);

/* Cleared room for the data of all parts, the caller's also after a failure. */
PL_NODISCARD pl_status pl_pack_rooms(pl_pack_part *parts, size_t count, pl_error *err);

/* "I32" as a tensor's dtype, with so many dimensions. */
bool pl_part_is(const pl_tensor *part, const char *dtype, size_t n_dims);
/* Whether it holds floats that scales may have. */
bool pl_part_is_scale(const pl_tensor *part, size_t n_dims);

#endif
