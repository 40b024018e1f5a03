// SPDX-License-Identifier: MIT
/* The gather kernel, as nvcc made it; or none. */
#include <stddef.h>

#include "memory/cuda_memory.h"

#ifdef DRX_GATHER_FATBIN
/* The driver wants it aligned. */
__asm__(".section .rodata\n"
	".balign 16\n"
	"drx_gather_fatbin:\n"
	".incbin \"" DRX_GATHER_FATBIN "\"\n"
	".previous\n");
extern const unsigned char drx_gather_fatbin[]
	__attribute__((visibility("hidden")));

const void *drx_cuda_gather_image(void)
{
	return drx_gather_fatbin;
}
#else
const void *drx_cuda_gather_image(void)
{
	return NULL;
}
#endif
