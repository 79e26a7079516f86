/* core/io/packing_list.h -- which layouts of packed layers there are, a line for each.
 *
 * PACKING(name, key): a file defines pl_packing_name (packing.h); the key is the value of export's
 * format=, of those that are written. */
#ifndef PL_IO_PACKING_LIST_H
#define PL_IO_PACKING_LIST_H

#define PL_PACKINGS(PACKING)                                                                       \
    PACKING(compressed, "compressed-tensors")                                                      \
    PACKING(gptq, "gptq")                                                                          \
    PACKING(gptq_v2, "gptq_v2")                                                                    \
    PACKING(awq, "awq")                                                                            \
    PACKING(nvfp4, "nvfp4")                                                                        \
    PACKING(mxfp4, "mxfp4")                                                                        \
    PACKING(fp8, "fp8")                                                                            \
    PACKING(fp8_block, "fp8_block")

/* Those that are only read. */
#define PL_READ_PACKINGS(PACKING) PACKING(mxfp4_blocks, "mxfp4_blocks")

#endif
