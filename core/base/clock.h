/* core/base/clock.h -- seconds on the monotonic clock, to measure how long something took. */
#ifndef PL_BASE_CLOCK_H
#define PL_BASE_CLOCK_H

double pl_clock_now(void);

#endif
