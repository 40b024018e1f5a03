// SPDX-License-Identifier: MIT
/* A libdrm.so.2 that has none of the calls that devrx needs. */
__attribute__((visibility("default"))) int drmAvailable(void)
{
	return 0;
}
