/* core/format/format_list.h -- which number formats there are, a line for each.
 *
 * FORMAT(name, key): a file defines pl_format_name (format.h); the key is the value of
 * symmetric=. */
#ifndef PL_FORMAT_FORMAT_LIST_H
#define PL_FORMAT_FORMAT_LIST_H

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_FORMATS
#define PL_EXTRA_FORMATS(FORMAT)
#endif

#define PL_FORMATS(FORMAT)                                                                         \
    FORMAT(asymmetric, "no")                                                                       \
    FORMAT(symmetric, "yes")                                                                       \
    FORMAT(full, "full")                                                                           \
    PL_EXTRA_FORMATS(FORMAT)

#endif
