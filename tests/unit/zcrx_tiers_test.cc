// SPDX-License-Identifier: MIT
/*
 * provider/zcrx/tiers.c: the best tier and the one below it; and tier zcrx-copy
 * into the caller's own pages.
 */
#include <cerrno>
#include <string>
#include <vector>

#include "staged_memory.h"

namespace
{

constexpr uint64_t PAGE = 4096;

bool works(Rig &rig)
{
	const int fd = rig.added();

	rig.fake.send(fd, 300000);
	rig.fake.end(fd);
	return rig.drain() == -ENOTCONN && rig.streams[fd].got == 300000;
}

/* -- the best that can be had ---------------------------------------------- */

struct Fall {
	const char *name;
	int reg; /* what the first registration says */
	uint32_t without; /* features */
	const char *why;
};

class Falls : public testing::TestWithParam<Fall>
{
};

TEST_P(Falls, ToTheHostsPages)
{
	const Fall &fall = GetParam();
	Rig rig(written_memory(64 * PAGE));

	rig.features.flags &= ~fall.without;
	if (fall.reg)
		rig.fake.reg_errors = { fall.reg };
	rig.copied = true;
	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_STREQ(rig.cause.id, "") << "untouched on success";
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_HOST);
	EXPECT_NE(std::string(rig.info().reason).find(fall.why),
		  std::string::npos)
		<< rig.info().reason;
	EXPECT_NE(std::string(rig.info().reason).find("zcrx-device"),
		  std::string::npos);
	EXPECT_EQ(rig.fake.area.flags, 0u);
	EXPECT_TRUE(works(rig));
}

/* What is asked for is had, or not. */
TEST_P(Falls, NotWhereZcrxDeviceWasAskedFor)
{
	const Fall &fall = GetParam();
	Rig rig(written_memory(64 * PAGE));

	rig.features.flags &= ~fall.without;
	if (fall.reg)
		rig.fake.reg_errors = { fall.reg };
	rig.opts.tier = DEVRX_TIER_ZCRX_DEVICE;
	EXPECT_LT(rig.open(), 0);
	EXPECT_STREQ(rig.cause.id, fall.why);
	EXPECT_LE(rig.fake.registrations, 1u);
}

/* Memory that cannot be written has one tier only, and its cause. */
TEST_P(Falls, NotWhereTheMemoryCannotBeWritten)
{
	const Fall &fall = GetParam();
	Rig rig;

	rig.features.flags &= ~fall.without;
	if (fall.reg)
		rig.fake.reg_errors = { fall.reg };
	EXPECT_LT(rig.open(), 0);
	EXPECT_STREQ(rig.cause.id, fall.why);
	rig.opts.cause = nullptr;
	if (fall.reg)
		rig.fake.reg_errors = { fall.reg };
	EXPECT_LT(rig.open(), 0);
	EXPECT_EQ(rig.rx, nullptr);
}

const Fall falls[] = {
	{ "NoDmabufAreas", 0, DEVRX_FEATURE_DMABUF_AREA, "no-dmabuf-area" },
	{ "ExporterBusy", -EBUSY, 0, "attach-refused" },
	{ "ExporterRefuses", -EIO, 0, "attach-refused" },
	{ "ExporterServesNoNic", -EOPNOTSUPP, 0, "nic-unsupported" },
};

INSTANTIATE_TEST_SUITE_P(, Falls, testing::ValuesIn(falls), [](const auto &i) {
	return std::string(i.param.name);
});

/* What somebody can mend is no reason for less. */
TEST(Best, IsNoExcuse)
{
	const struct {
		int reg;
		const char *why;
	} table[] = {
		{ -EPERM, "cap-net-admin" },
		{ -EEXIST, "queue-busy" },
		{ -EINVAL, "zcrx-einval" },
		{ -ERANGE, "chunk-refused" },
		{ -ENODATA, "no-provider-adopted" },
		{ -ENETDOWN, "nic-down" },
		{ -ENOMEM, "out-of-memory" },
	};

	for (const auto &t : table) {
		Rig rig(written_memory(64 * PAGE));

		rig.opts.bind_timeout_ms = 1;
		rig.fake.reg_errors.assign(1000, t.reg);
		EXPECT_EQ(rig.open(), t.reg);
		EXPECT_TRUE(rig.cause.id == std::string(t.why) ||
			    t.reg == -ENOMEM)
			<< rig.cause.id;
		EXPECT_EQ(rig.fake.area.flags, DRX_ZCRX_AREA_DMABUF)
			<< "not tried with host pages";
	}
}

/* The lower tier fails as well, for a reason of its own. */
TEST(Best, LowerTierHasItsOwnCause)
{
	Rig rig(written_memory(64 * PAGE));

	rig.opts.bind_timeout_ms = 1;
	rig.fake.reg_errors.assign(1000, -EEXIST);
	rig.fake.reg_errors[0] = -EIO;
	EXPECT_EQ(rig.open(), -EEXIST);
	EXPECT_STREQ(rig.cause.id, "queue-busy");
	EXPECT_EQ(rig.rx, nullptr);
}

TEST(Best, IsTheDevice)
{
	Rig rig(written_memory(64 * PAGE));

	rig.must_open();
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_DEVICE);
	EXPECT_EQ(rig.fake.registrations, 1u);
	EXPECT_EQ(written.writes, 0u);
	EXPECT_TRUE(works(rig));
}

/* Neither a dmabuf nor pages: the NIC has to make do with ours. */
TEST(Best, OfMemoryWithoutADmabuf)
{
	Rig rig(written_memory(64 * PAGE, false));

	rig.copied = true;
	rig.must_open();
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_HOST);
	EXPECT_TRUE(works(rig));
}

/* -- zcrx-copy -------------------------------------------------------------- */

class CopyRig : public Rig
{
      public:
	explicit CopyRig(uint64_t chunks) : Rig(false, chunks * PAGE)
	{
		opts.tier = DEVRX_TIER_ZCRX_COPY;
		copied = true;
	}
};

TEST(Copy, IsRegisteredWithoutANic)
{
	CopyRig rig(200);

	rig.must_open();
	EXPECT_EQ(rig.fake.reg.flags, DRX_ZCRX_REG_NODEV);
	EXPECT_EQ(rig.fake.reg.if_idx, 0u);
	EXPECT_EQ(rig.fake.reg.if_rxq, 0u);
	EXPECT_EQ(rig.fake.area.len, 200 * PAGE) << "the memory itself";
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_COPY);
	EXPECT_EQ(rig.info().nr_chunks, 200u);
	EXPECT_NE(rig.info().reason[0], 0);
	EXPECT_TRUE(works(rig));
	EXPECT_EQ(rig.stats().bytes_copied, 300000u);
}

/* Nobody but us has the kernel look at the refill ring. */
TEST(Copy, ManyTimesTheMemory)
{
	CopyRig rig(16);

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 500 * PAGE);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 500 * PAGE);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.fake.nic_refills(UINT32_MAX);
	EXPECT_EQ(rig.fake.refs_out(), 0u);
}

/* What was released before the kernel said that it has nothing left counts: the
 * one fragment that is still out need not come back. */
TEST(Copy, OneFragmentIsKept)
{
	CopyRig rig(4);
	std::vector<devrx_fragment> frags, kept;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100 * PAGE);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&kept, 1, -1), 1);
	for (int i = 0; i < 1000 && !rig.streams[fd].ended; i++) {
		ASSERT_GT(rig.wait(&frags, 1, -1), 0) << rig.streams[fd].got;
		EXPECT_EQ(rig.release(frags), 0);
	}
	EXPECT_EQ(rig.streams[fd].got, 100 * PAGE);
	EXPECT_EQ(rig.release(kept), 0);
}

TEST(Copy, WithoutRoomItSaysSo)
{
	CopyRig rig(4);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 6 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 4);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(frags), 0);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 2);
	EXPECT_EQ(rig.release(frags), 0);
}

/* The public open, as far as it gets. */
TEST(Copy, TakesNoQueue)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	devrx_memory *mem = fake_memory(false, 4096);
	devrx_receiver *rx = nullptr;
	devrx_cause cause = {};

	opts.cause = &cause;
	for (uint32_t tier : { DEVRX_TIER_ZCRX_COPY, DEVRX_TIER_RECV }) {
		opts.tier = tier;
		EXPECT_EQ(devrx_receiver_open(
				  &rx, mem,
				  reinterpret_cast<devrx_queue *>(&opts),
				  &opts),
			  -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
		EXPECT_NE(strstr(cause.text, devrx_tier_name(tier)), nullptr);
	}
	for (uint32_t tier : { DEVRX_TIER_ZCRX_DEVICE, DEVRX_TIER_ZCRX_HOST }) {
		opts.tier = tier;
		EXPECT_EQ(devrx_receiver_open(&rx, mem, nullptr, &opts),
			  -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
	}
	/* Without one it is this kernel's to say; the memory is free again. */
	opts.tier = DEVRX_TIER_ZCRX_COPY;
	cause = {};
	if (devrx_receiver_open(&rx, mem, nullptr, &opts))
		EXPECT_NE(cause.id[0], 0);
	else
		EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

} // namespace
