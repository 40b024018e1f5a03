// SPDX-License-Identifier: MIT
/* provider/zcrx/events.c: a NIC that goes down, up and away below a receiver. */
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <linux/rtnetlink.h>
#include <net/if.h>

#include "fence_support.h"
#include "nic_messages.h"

namespace
{

using Events = std::vector<std::pair<uint64_t, int>>;

constexpr uint32_t ours = 3; /* the rig's NIC */
constexpr unsigned up = IFF_UP | 1 << 16; /* IFF_LOWER_UP */
constexpr std::pair<uint64_t, int> link_down{ DEVRX_EVENT_LINK_DOWN,
					      -ENETDOWN };
constexpr std::pair<uint64_t, int> link_up{ DEVRX_EVENT_LINK_UP, 0 };
constexpr std::pair<uint64_t, int> nic_gone{ DEVRX_EVENT_NIC_GONE, -ENODEV };

/* A socket pair in place of netlink's socket. */
class NicEvents : public testing::TestWithParam<uint32_t>
{
      protected:
	explicit NicEvents(uint32_t flags = DEVRX_RECEIVER_F_EVENTS)
	{
		rig.opts.flags = flags;
	}
	~NicEvents() override
	{
		if (peer >= 0)
			(void)close(peer);
	}
	void watch()
	{
		int ends[2];

		ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
				     ends),
			  0);
		const struct drx_watch watch = { ends[0], ours, DRX_LINK_UP,
						 0 };

		peer = ends[1];
		drx_events_watch(rig.rx, &watch);
	}
	void open()
	{
		rig.must_open();
		watch();
	}
	void say(uint16_t type, unsigned flags) const
	{
		struct ifinfomsg info = {};

		info.ifi_index = ours;
		info.ifi_flags = flags;
		const nic::Bytes b =
			nic::message(type, 0, 0, 0, nic::raw(info));

		ASSERT_EQ(send(peer, b.data(), b.size(), 0), ssize_t(b.size()));
	}
	void go_down() const
	{
		say(RTM_NEWLINK, 0);
	}
	void come_up() const
	{
		say(RTM_NEWLINK, up);
	}
	void vanish() const
	{
		say(RTM_DELLINK, 0);
	}

	Rig rig;
	int peer = -1;
};

TEST_F(NicEvents, DownAndUpAreTold)
{
	open();
	(void)rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	go_down();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down }));
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0) << "told once";
	come_up();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down, link_up }));
	EXPECT_EQ(rig.stats().link_downs, 1u);
	EXPECT_EQ(rig.stats().nic_gone, 0u);
	EXPECT_EQ(rig.stats().fragments, 0u) << "an event is no fragment";
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.close(), 0);
}

TEST_F(NicEvents, BesideData)
{
	std::vector<devrx_fragment> frags;

	open();
	const int fd = rig.added();
	rig.fake.send(fd, 100000);
	rig.fake.end(fd);
	go_down();
	come_up();
	EXPECT_EQ(rig.drain(3), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100000u);
	EXPECT_EQ(rig.events, Events({ link_down, link_up }));
	rig.expect_all_returned();
}

TEST_F(NicEvents, ChangesInARowAreOne)
{
	open();
	(void)rig.added();
	for (int i = 0; i < 3; i++) {
		go_down();
		come_up();
	}
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 2);
	EXPECT_EQ(rig.events, Events({ link_down, link_up }));
	EXPECT_EQ(rig.stats().link_downs, 3u);
	come_up(); /* no change at all */
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
}

TEST_F(NicEvents, InAsManyCallsAsItTakes)
{
	open();
	(void)rig.added();
	go_down();
	come_up();
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down }));
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down, link_up }));
}

TEST_F(NicEvents, WithoutAConnection)
{
	open();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOTCONN);
	go_down();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down }));
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOTCONN);
}

TEST_F(NicEvents, WhileAllFragmentsAreOut)
{
	rig.opts.max_fragments = 16;
	Out out(rig, 16);

	watch();
	go_down();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down }));
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(out.frags), 0);
}

TEST_F(NicEvents, WhileAllFragmentsAreBehindAFence)
{
	rig.opts.max_fragments = 16;
	Out out(rig, 16);
	uint64_t word = 0;

	watch();
	ASSERT_EQ(after(rig, out.frags, devrx_fence_u64(&word, 1)), 0);
	go_down();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.events, Events({ link_down }));
	word = 1;
}

/* Who sleeps on the descriptor must not be left with nothing asked for. */
TEST_F(NicEvents, AskedForAgainBeforeTheDescriptorIsPolled)
{
	rig.opts.flags = 0;
	open();
	ASSERT_GE(devrx_receiver_fd(rig.rx), 0);
	(void)rig.added();
	go_down();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.polls, 2u);
}

TEST_F(NicEvents, OnlyCountedWhereNobodyAsked)
{
	rig.opts.flags = 0;
	open();
	(void)rig.added();
	for (unsigned i = 1; i < 4; i++) {
		go_down();
		come_up();
		EXPECT_EQ(rig.wait(nullptr, 8, 1000000000), 0);
		EXPECT_EQ(rig.stats().link_downs, i);
	}
	EXPECT_TRUE(rig.events.empty());
}

/* -- gone: in queues of both layouts, told and not ---------------------------- */

class NicGone : public NicEvents
{
      protected:
	NicGone() : NicEvents(GetParam())
	{
	}
	bool told() const
	{
		return GetParam() & DEVRX_RECEIVER_F_EVENTS;
	}
};

TEST_P(NicGone, EndsConnectionsBehindWhatHadCome)
{
	rig.fake.burst = 1;
	open();
	const int idle = rig.added(), full = rig.added(), over = rig.added(),
		  failed = rig.added(), removed = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(full, 100000);
	rig.fake.send(over, 100000);
	rig.fake.end(over);
	rig.fake.send(failed, 10);
	rig.fake.end(failed, -ECONNRESET);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, removed), 0);
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[full].got, 100000u);
	EXPECT_EQ(rig.streams[over].got, 100000u);
	EXPECT_EQ(rig.streams[idle].error, -ENODEV);
	EXPECT_EQ(rig.streams[full].error, -ENODEV);
	EXPECT_TRUE(rig.streams[over].eof);
	EXPECT_EQ(rig.streams[failed].error, -ECONNRESET);
	EXPECT_EQ(rig.streams[removed].error, -ECANCELED);
	EXPECT_EQ(rig.why(), "nic-missing");
	EXPECT_EQ(rig.events,
		  told() ? Events({ link_down, nic_gone }) : Events());
	EXPECT_EQ(rig.stats().nic_gone, 1u);
	EXPECT_EQ(rig.stats().link_downs, 1u);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

/* A wait without a limit does not sleep over it. */
TEST_P(NicGone, EndsAWaitWithoutALimit)
{
	open();
	const int fd = rig.added();

	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	vanish();
	while (!rig.streams[fd].ended)
		ASSERT_GT(rig.wait(nullptr, 8, -1), 0);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
}

TEST_P(NicGone, ReceivesWhatWaitsForRoom)
{
	std::vector<devrx_fragment> held, frags;
	int got;

	rig.opts.max_fragments = 4;
	rig.fake.piece_max = 100;
	open();
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	ASSERT_EQ(rig.wait(&held, 8, -1), 4);
	vanish();
	while ((got = rig.wait(nullptr, 8, -1)) > 0)
		;
	EXPECT_EQ(got, -ENOBUFS);
	EXPECT_FALSE(rig.streams[fd].ended);
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 1000u);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
	rig.expect_all_returned();
}

/* Receives that a full queue ends are armed again, for what has come. */
TEST_P(NicGone, ThroughASmallQueue)
{
	rig.opts.cq_entries = 2;
	rig.fake.piece_max = 100;
	open();
	const int a = rig.added(), b = rig.added();
	rig.fake.send(a, 3000);
	rig.fake.send(b, 3000);
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_GT(rig.fake.nospc, 0u);
	for (int fd : { a, b }) {
		EXPECT_EQ(rig.streams[fd].got, 3000u);
		EXPECT_EQ(rig.streams[fd].error, -ENODEV);
	}
	rig.expect_all_returned();
}

TEST_P(NicGone, EndsWhatIsAddedLater)
{
	open();
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	const int fd = rig.added();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
	EXPECT_EQ(rig.close(), 0);
}

TEST_P(NicGone, FragmentsAreReleasedAfterwards)
{
	rig.fake.piece_max = 64;
	open();
	const int fd = rig.added();
	std::vector<devrx_fragment> held, frags;
	int got;

	rig.fake.send(fd, 640);
	ASSERT_EQ(rig.wait(&held, 64, -1), 10);
	vanish();
	while ((got = rig.wait(nullptr, 64, -1)) > 0)
		;
	EXPECT_EQ(got, -ENOTCONN);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.release(held), 0);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

/* A receive that ended otherwise before it was cancelled is armed again, for what
 * may have come; and cancelled again. */
TEST_P(NicGone, ACancellationThatCameTooLate)
{
	open();
	const int fd = rig.added();

	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.hold_cancelled = true;
	rig.fake.on_enter = [&] {
		if (rig.fake.cancels != 1)
			return;
		rig.fake.inject(fd, -EINTR);
		rig.fake.hold_cancelled = false;
		rig.fake.on_enter = nullptr;
	};
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.fake.cancels, 2u);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
}

/* The receive was at work, so the kernel did not find it. */
TEST_P(NicGone, ACancellationThatFoundNothing)
{
	open();
	const int fd = rig.added();

	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	const uint64_t ud = rig.fake.armed(fd);
	rig.fake.hold_cancelled = true;
	rig.fake.on_enter = [&] {
		if (rig.fake.cancels != 1)
			return;
		rig.fake.forge(DRX_UD_CANCEL | ud, -ENOENT, 0, 0);
		rig.fake.on_enter = [&] { rig.fake.forget_cancelled(); };
	};
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.fake.cancels, 2u);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
}

/* The kernel has not done all of its work: what it has yet to bring would be lost
 * with a cancellation. */
TEST_P(NicGone, NotBeforeTheKernelIsDone)
{
	open();
	const int fd = rig.added();
	int rounds = 0;

	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	*rig.fake.ring->sq.kflags |= IORING_SQ_TASKRUN;
	rig.fake.on_enter = [&] {
		EXPECT_EQ(rig.fake.cancels, 0u);
		if (++rounds == 5) {
			rig.fake.send(fd, 100);
			*rig.fake.ring->sq.kflags &= ~IORING_SQ_TASKRUN;
			rig.fake.on_enter = nullptr;
		}
	};
	vanish();
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rounds, 5);
	EXPECT_EQ(rig.streams[fd].got, 100u);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
}

INSTANTIATE_TEST_SUITE_P(All, NicGone,
			 testing::Values(0u, DEVRX_RECEIVER_F_EVENTS,
					 DEVRX_RECEIVER_F_EVENTS |
						 DEVRX_RECEIVER_F_CQE_MIXED),
			 [](const auto &i) {
				 return std::string(
					 i.param == 0 ? "Counted" :
					 i.param & DEVRX_RECEIVER_F_CQE_MIXED ?
							"ToldMixed" :
							"Told");
			 });

TEST(EventsOpen, NeedAQueue)
{
	Rig rig(false);

	rig.opts.tier = DEVRX_TIER_ZCRX_COPY;
	rig.opts.flags = DEVRX_RECEIVER_F_EVENTS;
	EXPECT_EQ(rig.open(), -EINVAL);
	EXPECT_STREQ(rig.cause.id, "opts-invalid");
}

/* Completions of what was never asked. */
TEST(EventsOpen, OfNobody)
{
	Rig rig;

	rig.must_open();
	(void)rig.added();
	for (uint64_t ud : { DRX_UD_WATCH, DRX_UD_IGNORE, DRX_UD_IGNORE | 9 })
		rig.fake.forge(ud, 1, 0, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().link_downs, 0u);
}

} // namespace
