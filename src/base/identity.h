/* What tells this program from others, and this start of the machine from the next. */
#ifndef QN_BASE_IDENTITY_H
#define QN_BASE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

/* Of the build id of the program or library that holds this code; 0 where it has none. */
uint64_t qn_program_hash(void);
/* The kernel's name for the time since the machine was started; "" where unknown. */
void qn_boot_id(char *out, size_t bytes);

#endif
