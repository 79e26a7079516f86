/* core/io/packing_list.h -- which layouts of packed layers there are, a line for each.
 *
 * PACKING(name, key): a file defines pl_packing_name (packing.h); the key is the value of export's
 * format=. */
#ifndef PL_IO_PACKING_LIST_H
#define PL_IO_PACKING_LIST_H

#define PL_PACKINGS(PACKING)                                                                       \
    PACKING(compressed, "compressed-tensors")                                                      \
    PACKING(gptq, "gptq")                                                                          \
    PACKING(gptq_v2, "gptq_v2")                                                                    \
    PACKING(awq, "awq")

#endif
