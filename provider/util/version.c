// SPDX-License-Identifier: MIT
/* The library's own version, from the one place that states it. */
#include <devrx/devrx.h>

#define STR_(x) #x
#define STR(x) STR_(x)

const char *devrx_version(void)
{
	return STR(DEVRX_VERSION_MAJOR) "." STR(DEVRX_VERSION_MINOR) "." STR(
		DEVRX_VERSION_PATCH);
}
