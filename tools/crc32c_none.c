// SPDX-License-Identifier: MIT
/* Instead of crc32c_vulkan.c, where Vulkan's headers or its compiler were not. */
#include <errno.h>
#include <stddef.h>

#include "crc32c.h"
#include "report.h"

int crc32c_open(struct crc32c **ret, struct devrx_memory *mem,
		struct devrx_cause *cause)
{
	(void)ret;
	(void)mem;
	cause_set(cause, "crc32c-not-built",
		  "install libvulkan-dev and glslang-tools, and build anew",
		  "--crc32c: this devrx was built without its shader");
	return -EOPNOTSUPP;
}

const char *crc32c_device(const struct crc32c *c)
{
	(void)c;
	return NULL;
}

int crc32c_submit(struct crc32c *c, struct devrx_receiver *rx,
		  const struct devrx_fragment *frags, unsigned int n,
		  struct devrx_cause *cause)
{
	(void)rx;
	(void)frags;
	(void)n;
	return crc32c_result(c, NULL, cause);
}

struct devrx_fence crc32c_fence(struct crc32c *c)
{
	static const struct devrx_fence none;

	(void)c;
	return none;
}

int crc32c_result(struct crc32c *c, uint32_t *ret, struct devrx_cause *cause)
{
	(void)c;
	(void)ret;
	(void)cause;
	return -EOPNOTSUPP;
}

void crc32c_close(struct crc32c *c)
{
	(void)c;
}
