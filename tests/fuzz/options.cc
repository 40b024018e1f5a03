// SPDX-License-Identifier: MIT
/*
 * Structs that grow, from callers of any age: the size that they give may be
 * anything, but the struct has that size.
 */
#include "target.h"

#include <cerrno>
#include <memory>

extern "C" {
#include "util/opts.h"
}

namespace
{

constexpr size_t first_size = 24, own_size = 64;

using Room = std::unique_ptr<uint8_t, void (*)(void *)>;

/* A caller's struct of @size bytes, filled from @in. */
Room callers(Input *in, size_t size)
{
	Room room(static_cast<uint8_t *>(calloc(1, size)), free);
	const size_t n = in->left() < size - sizeof(size) ? in->left() :
							    size - sizeof(size);

	MUST(room);
	memcpy(room.get(), &size, sizeof(size));
	if (n)
		memcpy(room.get() + sizeof(size), in->rest(), n);
	return room;
}

} /* namespace */

void fuzz_options(const uint8_t *data, size_t len)
{
	Input in(data, len);
	const size_t size = sizeof(size_t) + in.take<uint8_t>();
	const Room room = callers(&in, size);
	const Room before(static_cast<uint8_t *>(malloc(size)), free);
	uint8_t own[own_size];
	bool unknown = false;
	int ret;

	MUST(before);
	memcpy(before.get(), room.get(), size);
	ret = drx_opts_get(own, own_size, room.get(), first_size);
	MUST(!memcmp(before.get(), room.get(), size));
	for (size_t i = own_size; i < size; i++)
		unknown = unknown || room.get()[i];
	MUST(ret == (size < first_size || unknown ? -EINVAL : 0));
	for (size_t i = sizeof(size); !ret && i < own_size; i++)
		MUST(own[i] == (i < size ? room.get()[i] : 0));

	memset(own, 0xa5, sizeof(own));
	ret = drx_info_put(room.get(), own, own_size, first_size);
	MUST(ret == (size < first_size ? -EINVAL : 0));
	MUST(!memcmp(before.get(), room.get(), sizeof(size)));
	for (size_t i = sizeof(size); i < size; i++)
		MUST(room.get()[i] ==
		     (!ret && i < own_size ? 0xa5 : before.get()[i]));
}

FUZZ_TARGET(fuzz_options)
