// SPDX-License-Identifier: MIT
/* provider/zcrx/fences.c: a device fails, and what it had is told once. */
#include <cerrno>
#include <vector>

#include "fence_support.h"

namespace
{

TEST(FenceLost, EachIsToldOnceAndGoesBack)
{
	Rig rig;
	Out out(rig, 8);
	Event event, good;

	EXPECT_EQ(after(rig, out.frags.data(), 3, good.fence(&rig)), 0);
	EXPECT_EQ(after(rig, &out.frags[3], 5, event.fence(&rig)), 0);
	good.answer = 0;
	event.answer = -ENODEV;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(event.asked, 1);
	EXPECT_EQ(rig.stats().lost, 5u);
	EXPECT_EQ(rig.stats().released, 3u);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.why(), "device-lost");
	rig.fake.nic_refills(UINT32_MAX);
	EXPECT_EQ(rig.fake.refs_out(), 5u) << "not before it is told";

	std::vector<devrx_fragment> told;
	rig.fake.send(out.fd, 64);
	while (told.size() < 5) {
		devrx_fragment frags[2];
		const int n = devrx_receiver_wait(rig.rx, frags, 2, 0);

		ASSERT_GT(n, 0);
		told.insert(told.end(), frags, frags + n);
	}
	ASSERT_EQ(told.size(), 5u) << "before anything else";
	for (size_t i = 0; i < 5; i++) {
		const devrx_fragment &was = out.frags[3 + i];

		EXPECT_EQ(told[i].flags, DEVRX_FRAGMENT_LOST);
		EXPECT_EQ(told[i].error, -ENODEV);
		EXPECT_EQ(told[i].token, 0u);
		EXPECT_EQ(told[i].offset, was.offset);
		EXPECT_EQ(told[i].position, was.position);
		EXPECT_EQ(told[i].user, was.user);
		EXPECT_EQ(told[i].length, was.length);
	}
	/* And the stream goes on, with none of them in it. */
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[out.fd].got, 9 * 64u);
	EXPECT_EQ(rig.stats().lost, 5u);
	rig.expect_all_returned();
}

TEST(FenceLost, AfterTheLastOfItsConnectionToo)
{
	Rig rig;
	Out out(rig, 2);
	Event event;

	EXPECT_EQ(after(rig, out.frags, event.fence()), 0);
	rig.fake.end(out.fd);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_TRUE(rig.streams[out.fd].eof);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOTCONN);
	event.answer = -EIO;
	devrx_fragment frags[8];
	EXPECT_EQ(devrx_receiver_wait(rig.rx, frags, 8, -1), 2);
	EXPECT_EQ(frags[1].flags, DEVRX_FRAGMENT_LOST);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOTCONN);
	rig.expect_all_returned();
}

TEST(FenceLost, SeveralDevices)
{
	Rig rig;
	Out out(rig, 6);
	Event events[3];
	devrx_fragment frags[8];
	int seen[3] = {};

	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(after(rig, &out.frags[2 * i], 2, events[i].fence()),
			  0);
		events[i].answer = -EIO - i; /* EIO, ENXIO, E2BIG */
	}
	EXPECT_EQ(devrx_receiver_wait(rig.rx, frags, 8, 0), 6);
	for (int i = 0; i < 6; i++) {
		for (int k = 0; k < 6; k++)
			if (out.frags[k].position == frags[i].position) {
				EXPECT_EQ(frags[i].error, -EIO - k / 2);
				seen[k / 2]++;
			}
	}
	EXPECT_EQ(seen[0] + seen[1] + seen[2], 6);
	rig.expect_all_returned();
}

TEST(FenceLost, NoErrnoIsAnError)
{
	for (int answer : { 1, INT32_MAX, INT32_MIN, -4096 }) {
		Rig rig;
		Out out(rig, 1);
		Event event;
		devrx_fragment frag;

		event.answer = answer;
		EXPECT_EQ(after(rig, out.frags, event.fence()), 0);
		EXPECT_EQ(devrx_receiver_wait(rig.rx, &frag, 1, 0), 1);
		EXPECT_EQ(frag.error, -EIO) << answer;
	}
}

} // namespace
