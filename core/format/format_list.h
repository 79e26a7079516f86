/* core/format/format_list.h -- which number formats there are, a line for each.
 *
 * FORMAT(name, key): a file defines pl_format_name (format.h).  The key of an integer format is the
 * value of symmetric= beside format=int, that of any other the value of format=. */
#ifndef PL_FORMAT_FORMAT_LIST_H
#define PL_FORMAT_FORMAT_LIST_H

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_FORMATS
#define PL_EXTRA_FORMATS(FORMAT)
#endif

#define PL_INT_FORMATS(FORMAT)                                                                     \
    FORMAT(asymmetric, "no")                                                                       \
    FORMAT(symmetric, "yes")                                                                       \
    FORMAT(full, "full")

#define PL_OTHER_FORMATS(FORMAT)                                                                   \
    FORMAT(mxfp4, "mxfp4")                                                                         \
    FORMAT(mxfp6_e2m3, "mxfp6_e2m3")                                                               \
    FORMAT(mxfp6_e3m2, "mxfp6_e3m2")                                                               \
    FORMAT(mxfp8, "mxfp8")                                                                         \
    FORMAT(nvfp4, "nvfp4")                                                                         \
    FORMAT(fp8, "fp8")                                                                             \
    FORMAT(nf4, "nf4")                                                                             \
    PL_EXTRA_FORMATS(FORMAT)

#define PL_FORMATS(FORMAT) PL_INT_FORMATS(FORMAT) PL_OTHER_FORMATS(FORMAT)

#endif
