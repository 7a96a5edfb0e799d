// What the C library declares only for _GNU_SOURCE, which a module cannot ask for.
#ifndef CPROCESSORS_SHIM_H
#define CPROCESSORS_SHIM_H
#include <stddef.h>

// The processors of a thread (0 is this one) as bits; 0, or -1 where it fails.
int processors_get(int thread, size_t bytes, unsigned char *bits) __asm__("sched_getaffinity");
int processors_set(int thread, size_t bytes, const unsigned char *bits) __asm__("sched_setaffinity");

// The policy under which a thread runs only where nothing else wants to.
enum { PROCESSORS_IDLE = 5 };

// Leaves a processor's other thread the units that an empty loop would keep busy.
static inline void processors_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
#endif
