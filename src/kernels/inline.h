/* Functions and loops over registers: only code that is inlined and unrolled whole keeps its small
 * arrays there. */
#ifndef QN_KERNELS_INLINE_H
#define QN_KERNELS_INLINE_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLL_ALL _Pragma("clang loop unroll(full)")
#else
#define UNROLL_ALL _Pragma("GCC unroll 17")
#endif

#endif
