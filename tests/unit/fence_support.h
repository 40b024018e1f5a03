/* SPDX-License-Identifier: MIT */
/* Fragments that are out, and devices that are done with them when told so. */
#ifndef FENCE_SUPPORT_H
#define FENCE_SUPPORT_H

#include <cerrno>
#include <vector>

#include "fake_rig.h"

/* @n fragments of one connection are out. */
class Out
{
      public:
	explicit Out(Rig &rig, unsigned int n, uint32_t piece = 64) : fd(-1)
	{
		rig.fake.piece_max = piece;
		rig.must_open();
		fd = rig.added();
		rig.fake.send(fd, static_cast<uint64_t>(n) * piece);
		EXPECT_EQ(rig.wait(&frags, n + 1, -1), static_cast<int>(n));
	}
	int fd;
	std::vector<devrx_fragment> frags;
};

static inline int after(Rig &rig, const devrx_fragment *frags, unsigned int n,
			const devrx_fence &fence)
{
	return devrx_receiver_release_after(rig.rx, frags, n, &fence);
}

static inline int after(Rig &rig, const std::vector<devrx_fragment> &frags,
			const devrx_fence &fence)
{
	return after(rig, frags.data(), static_cast<unsigned int>(frags.size()),
		     fence);
}

/* An event as a driver's library has it: scripted answers, counted. */
struct Event {
	int answer = -EAGAIN;
	int asked = 0;

	static int poll(void *object)
	{
		Event *event = static_cast<Event *>(object);

		event->asked++;
		return event->answer;
	}
	devrx_fence fence(const void *timeline = nullptr)
	{
		return devrx_fence_poll(poll, this, timeline);
	}
};

/* A function that passes after it was asked some times: as a device that works
 * while the host sleeps. */
struct Later {
	int left;
	static int poll(void *object)
	{
		return static_cast<Later *>(object)->left-- > 0 ? -EAGAIN : 0;
	}
	devrx_fence fence()
	{
		return devrx_fence_poll(poll, this, this);
	}
};

#endif /* FENCE_SUPPORT_H */
