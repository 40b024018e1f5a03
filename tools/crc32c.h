/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C of a connection, by a shader on the Vulkan device that owns the memory:
 * it reads fragments where they lie, and they go back to the NIC behind the
 * device's timeline. One batch is with the device while the next one arrives.
 *
 * Calls return 0 or a negative errno, with the cause filled in. Where the command
 * was built without Vulkan crc32c_open() fails, and nothing else is ever called.
 */
#ifndef DEVRX_TOOLS_CRC32C_H
#define DEVRX_TOOLS_CRC32C_H

#include <stdint.h>

#include <devrx/devrx.h>

struct crc32c;

/* Fragments in a batch, at most. */
#define CRC32C_BATCH 256
/* Of a device, VK_MAX_PHYSICAL_DEVICE_NAME_SIZE. */
#define CRC32C_NAME_LEN 256

/* @mem is of kind "vulkan", and freed after crc32c_close(). */
int crc32c_open(struct crc32c **ret, struct devrx_memory *mem,
		struct devrx_cause *cause);

/* The device's name, valid until close. */
const char *crc32c_device(const struct crc32c *c);

/* Have the device read a batch: the stream's next fragments. Waits for the batch
 * before it, and gives that one back. */
int crc32c_submit(struct crc32c *c, struct devrx_receiver *rx,
		  const struct devrx_fragment *frags, unsigned int n,
		  struct devrx_cause *cause);

/* Passes when the device has read all that was submitted. */
struct devrx_fence crc32c_fence(struct crc32c *c);

/* Wait for the device; the CRC of all that was submitted. */
int crc32c_result(struct crc32c *c, uint32_t *ret, struct devrx_cause *cause);

/* Waits for the device too. NULL is allowed. */
void crc32c_close(struct crc32c *c);

#endif /* DEVRX_TOOLS_CRC32C_H */
