// SPDX-License-Identifier: MIT
/*
 * drx_receiver_open() and what it asks: options, area, ring, registration.
 * Each bad case is right in everything else.
 */
#include <cerrno>
#include <climits>
#include <cstring>
#include <functional>
#include <string>

#include <net/if.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake_rig.h"

extern "C" {
#include "nic/nic.h"
#include "zcrx/explain.h"
#include "zcrx/features.h"
}

namespace
{

TEST(Open, Defaults)
{
	Rig rig(true, 200 * 4096);

	rig.must_open();
	const struct devrx_receiver_info info = rig.info();
	EXPECT_EQ(info.tier, DEVRX_TIER_ZCRX_DEVICE);
	EXPECT_EQ(info.chunk_len, 4096u);
	EXPECT_EQ(info.nr_chunks, 200u);
	EXPECT_EQ(info.max_fragments, 4096u);
	EXPECT_EQ(info.cq_entries, 4096u);
	EXPECT_EQ(info.rq_entries, 256u);
	EXPECT_EQ(info.zcrx_id, 7u);
	EXPECT_EQ(info.flags, 0u);
	EXPECT_NE(info.reason[0], 0);
	/* What the kernel was asked for. */
	EXPECT_EQ(rig.fake.params.flags,
		  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			  IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
			  IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQE32);
	EXPECT_EQ(rig.fake.reg.if_idx, 3u);
	EXPECT_EQ(rig.fake.reg.if_rxq, 1u);
	EXPECT_EQ(rig.fake.reg.rx_buf_len, 0u)
		<< "a driver without a choice refuses 4096";
	EXPECT_EQ(rig.fake.area.flags, DRX_ZCRX_AREA_DMABUF);
	EXPECT_EQ(rig.fake.area.addr, 0u);
	EXPECT_EQ(rig.fake.area.len, 200u * 4096);
	EXPECT_EQ(rig.fake.events.flags, DRX_ZCRX_EVENT_DESC_F_STATS);
}

TEST(Open, HostMemory)
{
	Rig rig(false);

	rig.must_open();
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_HOST);
	EXPECT_EQ(rig.fake.area.flags, 0u);
	EXPECT_EQ(rig.fake.area.dmabuf_fd, 0u);
	EXPECT_NE(rig.fake.area.addr, 0u);
}

TEST(Open, CqeMixed)
{
	Rig rig;

	rig.opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
	rig.opts.cq_entries = 100;
	rig.must_open();
	EXPECT_TRUE(rig.fake.params.flags & DRX_IORING_SETUP_CQE_MIXED);
	EXPECT_FALSE(rig.fake.params.flags & IORING_SETUP_CQE32);
	EXPECT_EQ(rig.info().cq_entries, 128u) << "as rounded";
	EXPECT_EQ(rig.info().flags, DEVRX_RECEIVER_F_CQE_MIXED);
}

TEST(Open, AnOldKernelIsNotAskedForStatistics)
{
	Rig rig;

	rig.features.flags &= ~DEVRX_FEATURE_EVENTS;
	rig.must_open();
	EXPECT_EQ(rig.fake.reg.event_desc, 0u);
	EXPECT_EQ(rig.stats().bytes_copied, 0u);
}

struct Bad {
	const char *name;
	std::function<void(Rig &)> change;
	int error;
	const char *id;
};

class Refused : public testing::TestWithParam<Bad>
{
};

TEST_P(Refused, WithTheCause)
{
	const Bad &bad = GetParam();
	Rig rig;
	auto *const untouched = reinterpret_cast<devrx_receiver *>(8);

	bad.change(rig);
	rig.rx = untouched;
	EXPECT_EQ(rig.open(), bad.error);
	EXPECT_STREQ(rig.cause.id, bad.id);
	EXPECT_NE(rig.cause.text[0], 0);
	EXPECT_EQ(rig.rx, untouched);
	rig.rx = nullptr;
	/* A ring that was set up is gone again. */
	EXPECT_EQ(rig.fake.ring, nullptr);
	/* And without a cause to fill in. */
	Rig again;
	bad.change(again);
	again.opts.cause = nullptr;
	EXPECT_EQ(again.open(), bad.error);
	again.rx = nullptr;
}

template <int err> void reg_fails(Rig &rig)
{
	rig.fake.reg_errors = { err };
	rig.opts.bind_timeout_ms = 1;
}

template <uint32_t mask> void without(Rig &rig)
{
	rig.features.flags &= ~mask;
}

const Bad bad_opens[] = {
	{ "UnknownFlag", [](Rig &r) { r.opts.flags = 16; }, -EINVAL,
	  "opts-invalid" },
	{ "HighFlag", [](Rig &r) { r.opts.flags = 0x80000001; }, -EINVAL,
	  "opts-invalid" },
	{ "Reserved", [](Rig &r) { r.opts.reserved = 1; }, -EINVAL,
	  "opts-invalid" },
	{ "ReservedHigh", [](Rig &r) { r.opts.reserved = UINT32_C(1) << 31; },
	  -EINVAL, "opts-invalid" },
	{ "FragmentsAboveTheMost",
	  [](Rig &r) { r.opts.max_fragments = (1 << 20) + 1; }, -EINVAL,
	  "opts-invalid" },
	{ "QueueAboveTheMost", [](Rig &r) { r.opts.cq_entries = 32769; },
	  -EINVAL, "opts-invalid" },
	{ "UnknownTier", [](Rig &r) { r.opts.tier = 3; }, -EINVAL,
	  "opts-invalid" },
	{ "MixedMissing",
	  [](Rig &r) {
		  r.opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
		  without<DEVRX_FEATURE_CQE_MIXED>(r);
	  },
	  -EOPNOTSUPP, "cqe-mixed-missing" },
	{ "NoZcrx", without<DEVRX_FEATURE_RECV_ZC>, -EOPNOTSUPP,
	  "zcrx-missing" },
	{ "NoDmabufArea", without<DEVRX_FEATURE_DMABUF_AREA>, -EOPNOTSUPP,
	  "no-dmabuf-area" },
	{ "TierHostWithADmabuf",
	  [](Rig &r) { r.opts.tier = DEVRX_TIER_ZCRX_HOST; }, -EOPNOTSUPP,
	  "tier-unavailable" },
	{ "AreaTooLarge",
	  [](Rig &r) { r.features.max_area_len = 64 * 4096 - 1; }, -EFBIG,
	  "area-too-large" },
	{ "ChunkBelowAPage", [](Rig &r) { r.opts.chunk_len = 2048; }, -EINVAL,
	  "chunk-len" },
	{ "ChunkNoPowerOfTwo", [](Rig &r) { r.opts.chunk_len = 12288; },
	  -EINVAL, "chunk-len" },
	{ "ChunkUnsupported",
	  [](Rig &r) {
		  r.opts.chunk_len = 8192;
		  without<DEVRX_FEATURE_LARGE_CHUNKS>(r);
	  },
	  -EOPNOTSUPP, "chunk-unsupported" },
	{ "ChunkLongerThanTheMemory",
	  [](Rig &r) { r.opts.chunk_len = 1 << 20; }, -ERANGE,
	  "chunk-refused" },
	{ "SetupDisabled", [](Rig &r) { r.fake.setup_error = -EPERM; }, -EPERM,
	  "io-uring-disabled" },
	{ "SetupFiltered", [](Rig &r) { r.fake.setup_error = -EACCES; }, -EPERM,
	  "io-uring-disabled" },
	{ "SetupMissing", [](Rig &r) { r.fake.setup_error = -ENOSYS; }, -ENOSYS,
	  "io-uring-missing" },
	{ "SetupNoMemory", [](Rig &r) { r.fake.setup_error = -ENOMEM; },
	  -ENOMEM, "out-of-memory" },
	{ "SetupOther", [](Rig &r) { r.fake.setup_error = -EMFILE; }, -EMFILE,
	  "os-error" },
	{ "RegPerm", reg_fails<-EPERM>, -EPERM, "cap-net-admin" },
	{ "RegBusy", reg_fails<-EBUSY>, -EBUSY, "attach-refused" },
	{ "RegOpnotsupp", reg_fails<-EOPNOTSUPP>, -EOPNOTSUPP,
	  "nic-unsupported" },
	{ "RegRange", reg_fails<-ERANGE>, -ERANGE, "chunk-refused" },
	{ "RegInval", reg_fails<-EINVAL>, -EINVAL, "zcrx-einval" },
	{ "RegNoData", reg_fails<-ENODATA>, -ENODATA, "no-provider-adopted" },
	{ "RegNetDown", reg_fails<-ENETDOWN>, -ENETDOWN, "nic-down" },
	{ "RegAgain", reg_fails<-EAGAIN>, -EAGAIN, "nic-down" },
	{ "RegAttach", reg_fails<-EIO>, -EIO, "attach-refused" },
	{ "RqEntriesOther",
	  [](Rig &r) {
		  r.fake.reg_answer = [](auto &reg) { reg.rq_entries *= 2; };
	  },
	  -EPROTO, "zcrx-layout" },
	{ "HeadBehindTheHeader",
	  [](Rig &r) {
		  r.fake.reg_answer = [](auto &reg) { reg.offsets.head = 128; };
	  },
	  -EPROTO, "zcrx-layout" },
	{ "TailBehindTheHeader",
	  [](Rig &r) {
		  r.fake.reg_answer = [](auto &reg) { reg.offsets.tail = 125; };
	  },
	  -EPROTO, "zcrx-layout" },
	{ "EntriesBeyondTheRegion",
	  [](Rig &r) {
		  r.fake.reg_answer = [](auto &reg) { reg.offsets.rqes = 129; };
	  },
	  -EPROTO, "zcrx-layout" },
	{ "EntriesFarBeyond",
	  [](Rig &r) {
		  r.fake.reg_answer = [](auto &reg) {
			  reg.offsets.rqes = UINT32_MAX;
		  };
	  },
	  -EPROTO, "zcrx-layout" },
};

INSTANTIATE_TEST_SUITE_P(All, Refused, testing::ValuesIn(bad_opens),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct Good {
	const char *name;
	std::function<void(Rig &)> change;
};

class Accepted : public testing::TestWithParam<Good>
{
};

TEST_P(Accepted, AtTheLimit)
{
	Rig rig;

	GetParam().change(rig);
	EXPECT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_STREQ(rig.cause.id, "") << "untouched on success";
	const int fd = rig.added();
	rig.fake.send(fd, 100000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100000u);
}

const Good good_opens[] = {
	{ "MostFragments", [](Rig &r) { r.opts.max_fragments = 1 << 20; } },
	{ "OneFragment", [](Rig &r) { r.opts.max_fragments = 1; } },
	{ "LargestQueue", [](Rig &r) { r.opts.cq_entries = 32768; } },
	{ "LargestMixedQueue",
	  [](Rig &r) {
		  r.opts.cq_entries = 32768;
		  r.opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
	  } },
	{ "AreaAtTheLimit",
	  [](Rig &r) { r.features.max_area_len = 64 * 4096; } },
	{ "ChunkOfThePage", [](Rig &r) { r.opts.chunk_len = 4096; } },
	{ "ChunkOfThePageOnAnOldKernel",
	  [](Rig &r) {
		  r.opts.chunk_len = 4096;
		  without<DEVRX_FEATURE_LARGE_CHUNKS>(r);
	  } },
	{ "OneChunkPerHalf", [](Rig &r) { r.opts.chunk_len = 131072; } },
	{ "TierAskedFor",
	  [](Rig &r) { r.opts.tier = DEVRX_TIER_ZCRX_DEVICE; } },
	{ "AnAreaToken",
	  [](Rig &r) { r.fake.area_token = UINT64_C(5) << 48; } },
	{ "HeaderOfAPage",
	  [](Rig &r) {
		  r.features.rq_hdr_size = 4096;
		  r.features.rq_hdr_align = 4096;
	  } },
};

INSTANTIATE_TEST_SUITE_P(All, Accepted, testing::ValuesIn(good_opens),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(Open, WithoutADmabufThereIsNoDeviceTier)
{
	Rig rig(false);

	rig.opts.tier = DEVRX_TIER_ZCRX_DEVICE;
	EXPECT_EQ(rig.open(), -EOPNOTSUPP);
	EXPECT_STREQ(rig.cause.id, "tier-unavailable");
	rig.opts.tier = DEVRX_TIER_ZCRX_HOST;
	rig.must_open();
}

/* -- a queue that is taken ---------------------------------------------------- */

TEST(Taken, IsTriedUntilItIsFree)
{
	Rig rig;

	rig.fake.reg_errors = { -EEXIST, -EEXIST, -EEXIST, -EEXIST, -EEXIST };
	rig.must_open();
	EXPECT_EQ(rig.fake.registrations, 6u);
	for (size_t i = 1; i < rig.fake.tries_ns.size(); i++)
		EXPECT_GE(rig.fake.tries_ns[i] - rig.fake.tries_ns[i - 1],
			  500000)
			<< "without a pause";
}

TEST(Taken, ForLongIsTheCause)
{
	Rig rig;

	rig.fake.reg_errors.assign(1000, -EEXIST);
	rig.opts.bind_timeout_ms = 400;
	EXPECT_EQ(rig.open(), -EEXIST);
	EXPECT_STREQ(rig.cause.id, "queue-busy");
	EXPECT_GE(rig.fake.tries_ns.back() - rig.fake.tries_ns.front(),
		  398000000);
	EXPECT_GT(rig.fake.registrations, 4u);
	EXPECT_LT(rig.fake.registrations, 120u);
}

TEST(Taken, AnotherErrorEndsTheTries)
{
	Rig rig;

	rig.fake.reg_errors = { -EEXIST, -EINVAL, 0 };
	EXPECT_EQ(rig.open(), -EINVAL);
	EXPECT_EQ(rig.fake.registrations, 2u);
}

/* -- tables ------------------------------------------------------------------- */

TEST(Features, LargestArea)
{
	const uint64_t gib = UINT64_C(1) << 30;
	const struct {
		unsigned int major, minor, patch;
		uint64_t want;
	} table[] = {
		{ 6, 15, 0, gib },	 { 6, 19, 99, gib },
		{ 7, 0, 0, gib },	 { 7, 1, 12, gib },
		{ 7, 2, 0, 4 * gib },	 { 7, 2, 30, 4 * gib },
		{ 7, 3, 0, 4 * gib },	 { 7, 3, 1, 4 * gib },
		{ 7, 3, 2, 1024 * gib }, { 7, 3, 4, 1024 * gib },
		{ 7, 4, 0, 1024 * gib }, { 8, 0, 0, 1024 * gib },
		{ 0, 0, 0, gib },
	};

	for (const auto &t : table)
		EXPECT_EQ(drx_max_area_len(t.major, t.minor, t.patch), t.want)
			<< t.major << "." << t.minor << "." << t.patch;
}

TEST(Features, FlagsFollowFromTheAnswers)
{
	drx_query_opcode opcode = {};
	drx_query_zcrx zcrx = {};

	EXPECT_EQ(drx_feature_flags(nullptr, nullptr), 0u);
	EXPECT_EQ(drx_feature_flags(&opcode, &zcrx),
		  0u | (zcrx.nr_ctrl_opcodes ? 1u : 0u));
	opcode.ring_setup_flags = DRX_IORING_SETUP_CQE_MIXED;
	EXPECT_EQ(drx_feature_flags(&opcode, nullptr), DEVRX_FEATURE_CQE_MIXED);
	EXPECT_EQ(drx_feature_flags(&opcode, &zcrx), DEVRX_FEATURE_CQE_MIXED);
	opcode.ring_setup_flags =
		~static_cast<uint64_t>(DRX_IORING_SETUP_CQE_MIXED);
	EXPECT_EQ(drx_feature_flags(&opcode, nullptr), 0u);

	const struct {
		uint64_t register_flags, area_flags;
		uint32_t nr_ctrl, features, want;
	} table[] = {
		{ 0, DRX_ZCRX_AREA_DMABUF, 0, 0, DEVRX_FEATURE_DMABUF_AREA },
		{ 0, ~UINT64_C(1), 0, 0, 0 },
		{ 0, 0, 1, 0, DEVRX_FEATURE_FLUSH },
		{ 0, 0, 3, 0, DEVRX_FEATURE_FLUSH },
		{ 0, 0, 4, 0, DEVRX_FEATURE_FLUSH | DEVRX_FEATURE_ADD_AREA },
		{ 0, 0, 99, 0, DEVRX_FEATURE_FLUSH | DEVRX_FEATURE_ADD_AREA },
		{ DRX_ZCRX_REG_IMPORT, 0, 0, 0, DEVRX_FEATURE_IMPORT },
		{ DRX_ZCRX_REG_NODEV, 0, 0, 0, DEVRX_FEATURE_NODEV },
		{ ~UINT64_C(3), 0, 0, 0, 0 },
		{ 0, 0, 0, DRX_ZCRX_FEATURE_RX_PAGE_SIZE,
		  DEVRX_FEATURE_LARGE_CHUNKS },
		{ 0, 0, 0, DRX_ZCRX_FEATURE_EVENT, DEVRX_FEATURE_EVENTS },
		{ 0, 0, 0, ~3u, 0 },
	};
	for (const auto &t : table) {
		zcrx.register_flags = t.register_flags;
		zcrx.area_flags = t.area_flags;
		zcrx.nr_ctrl_opcodes = t.nr_ctrl;
		zcrx.features = t.features;
		EXPECT_EQ(drx_feature_flags(nullptr, &zcrx), t.want);
	}
}

TEST(Refill, EntriesForChunks)
{
	const struct {
		uint64_t chunks;
		uint32_t want;
	} table[] = {
		{ 1, 64 },	  { 64, 64 },
		{ 65, 128 },	  { 128, 128 },
		{ 1000, 1024 },	  { 32768, 32768 },
		{ 32769, 32768 }, { UINT64_MAX, 32768 },
	};

	for (const auto &t : table)
		EXPECT_EQ(drx_ifq_rq_entries(t.chunks), t.want) << t.chunks;
}

/* drx_area_plan() alone, for memories that no provider here makes. */
struct Plan {
	const char *name;
	int32_t dmabuf_fd;
	bool host;
	uint64_t len;
	uint32_t tier;
	uint32_t chunk_len;
	uint32_t without;
	int error;
	const char *id; /* or the tier that came out, as text */
};

const Plan plans[] = {
	{ "Dmabuf", 5, false, 65536, 0, 0, 0, 0, "zcrx-device" },
	{ "DmabufWithAMapping", 5, true, 65536, 0, 0, 0, 0, "zcrx-device" },
	{ "Host", -1, true, 65536, 0, 0, 0, 0, "zcrx-host" },
	{ "HostNeedsNoDmabufAreas", -1, true, 65536, 0, 0,
	  DEVRX_FEATURE_DMABUF_AREA, 0, "zcrx-host" },
	{ "DescriptorZero", 0, false, 65536, 0, 0, 0, 0, "zcrx-device" },
	{ "Neither", -1, false, 65536, 0, 0, 0, 0, "zcrx-host" },
	{ "NeitherAsHost", -1, false, 65536, DEVRX_TIER_ZCRX_HOST, 0, 0, 0,
	  "zcrx-host" },
	{ "NeitherAsDevice", -1, false, 65536, DEVRX_TIER_ZCRX_DEVICE, 0, 0,
	  -EOPNOTSUPP, "tier-unavailable" },
	{ "HostAsDevice", -1, true, 65536, DEVRX_TIER_ZCRX_DEVICE, 0, 0,
	  -EOPNOTSUPP, "tier-unavailable" },
	{ "DmabufAsHost", 5, true, 65536, DEVRX_TIER_ZCRX_HOST, 0, 0, 0,
	  "zcrx-host" },
	{ "DmabufAsHostOnAnOldKernel", 5, true, 65536, DEVRX_TIER_ZCRX_HOST, 0,
	  DEVRX_FEATURE_DMABUF_AREA, 0, "zcrx-host" },
	{ "HostAsCopy", -1, true, 65536, DEVRX_TIER_ZCRX_COPY, 0, 0, 0,
	  "zcrx-copy" },
	{ "DmabufAsCopy", 5, true, 65536, DEVRX_TIER_ZCRX_COPY, 4096, 0, 0,
	  "zcrx-copy" },
	{ "CopyOnAnOldKernel", -1, true, 65536, DEVRX_TIER_ZCRX_COPY, 0,
	  DEVRX_FEATURE_NODEV, -EOPNOTSUPP, "nodev-missing" },
	{ "CopyInLargeChunks", -1, true, 65536, DEVRX_TIER_ZCRX_COPY, 8192, 0,
	  -EOPNOTSUPP, "chunk-unsupported" },
	{ "RecvIsNone", -1, true, 65536, DEVRX_TIER_RECV, 0, 0, -EINVAL,
	  "opts-invalid" },
	{ "UnknownTier", -1, true, 65536, 5, 0, 0, -EINVAL, "opts-invalid" },
	{ "AnOldKernel", 5, true, 65536, 0, 0, DEVRX_FEATURE_DMABUF_AREA,
	  -EOPNOTSUPP, "no-dmabuf-area" },
	{ "LargestChunk", 5, true, 65536, 0, 65536, 0, 0, "zcrx-device" },
	{ "ChunkTooLong", 5, true, 65536, 0, 131072, 0, -ERANGE,
	  "chunk-refused" },
	{ "OddLength", 5, true, 65536 + 4096, 0, 8192, 0, -ERANGE,
	  "chunk-refused" },
	{ "ChunkOfOne", 5, true, 65536, 0, 1, 0, -EINVAL, "chunk-len" },
	{ "ChunkHuge", 5, true, UINT64_C(1) << 32, 0, 1u << 31, 0, 0,
	  "zcrx-device" },
	{ "ChunkAlmostHuge", 5, true, 65536, 0, UINT32_MAX, 0, -EINVAL,
	  "chunk-len" },
};

class AreaPlan : public testing::TestWithParam<Plan>
{
};

TEST_P(AreaPlan, TierOrCause)
{
	const Plan &p = GetParam();
	const devrx_features features =
		fake_features(ALL_FEATURES & ~p.without);
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_memory_info info = {};
	devrx_cause cause = {};
	drx_area area, before;
	char page;

	info.size = sizeof(info);
	info.kind = "fake";
	info.len = p.len;
	info.host_addr = p.host ? &page : nullptr;
	info.dmabuf_fd = p.dmabuf_fd;
	opts.tier = p.tier;
	opts.chunk_len = p.chunk_len;
	memset(&area, 0x5a, sizeof(area));
	before = area;
	ASSERT_EQ(drx_area_plan(&area, &info, &opts, &features, &cause),
		  p.error);
	if (p.error) {
		EXPECT_STREQ(cause.id, p.id);
		EXPECT_EQ(memcmp(&area, &before, sizeof(area)), 0);
		return;
	}
	EXPECT_STREQ(devrx_tier_name(area.tier), p.id);
	/* What has no pages for the kernel goes by way of ours. */
	EXPECT_EQ(area.staged, area.tier != DEVRX_TIER_ZCRX_DEVICE &&
				       (p.dmabuf_fd >= 0 || !p.host));
	if (area.staged) {
		EXPECT_EQ(area.reg.addr, 0u);
		EXPECT_EQ(area.reg.len, area.tier == DEVRX_TIER_ZCRX_COPY ?
						4u << 20 :
						16u << 20);
	} else {
		EXPECT_EQ(area.reg.len, p.len);
	}
	EXPECT_EQ(area.nr_chunks, p.len / area.chunk_len);
	EXPECT_EQ(area.chunk_len, p.chunk_len ? p.chunk_len : 4096u);
	EXPECT_EQ(area.reg.rq_area_token, 0u);
	EXPECT_NE(area.reason[0], 0);
}

INSTANTIATE_TEST_SUITE_P(All, AreaPlan, testing::ValuesIn(plans),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* drx_explain_register() where there is no queue to look at. */
TEST(Explain, EachErrnoHasItsCause)
{
	const struct {
		int err;
		uint32_t tier;
		uint32_t chunk_len;
		const char *id;
	} table[] = {
		{ -EPERM, 1, 4096, "cap-net-admin" },
		{ -EPROTO, 1, 4096, "zcrx-layout" },
		{ -EPROTO, 2, 4096, "zcrx-layout" },
		{ -EEXIST, 1, 4096, "queue-busy" },
		{ -EBUSY, 1, 4096, "attach-refused" },
		{ -EOPNOTSUPP, 1, 4096, "nic-unsupported" },
		{ -EOPNOTSUPP, 2, 4096, "nic-unsupported" },
		{ -EOPNOTSUPP, 1, 8192, "chunk-unsupported" },
		{ -EOPNOTSUPP, 2, 8192, "chunk-unsupported" },
		{ -ERANGE, 1, 8192, "chunk-refused" },
		{ -EINVAL, 1, 4096, "zcrx-einval" },
		{ -ENODATA, 1, 4096, "no-provider-adopted" },
		{ -ENETDOWN, 1, 4096, "nic-down" },
		{ -EAGAIN, 1, 4096, "nic-down" },
		{ -EIO, 1, 4096, "attach-refused" },
		{ -524, 1, 4096, "attach-refused" },
		{ -ENOSYS, 1, 4096, "attach-refused" },
		{ -EIO, 2, 4096, "os-error" },
		{ -EFAULT, 2, 4096, "os-error" },
		{ -EPERM, 4, 4096, "cap-net-admin" },
		{ -EPROTO, 4, 4096, "zcrx-layout" },
		{ -EINVAL, 4, 4096, "os-error" },
		{ -EOPNOTSUPP, 4, 4096, "os-error" },
	};

	for (const auto &t : table) {
		devrx_cause cause = {};
		drx_area area = {};

		area.tier = t.tier;
		area.chunk_len = t.chunk_len;
		area.reg.len = 65536;
		EXPECT_EQ(drx_explain_register(t.err, nullptr, &area, &cause),
			  t.err);
		EXPECT_STREQ(cause.id, t.id) << t.err;
		EXPECT_NE(cause.text[0], 0);
		EXPECT_EQ(drx_explain_register(t.err, nullptr, &area, nullptr),
			  t.err);
	}
}

/* RLIMIT_MEMLOCK is the cause only for those whom it binds. */
TEST(Explain, LockedMemory)
{
	devrx_cause cause = {};
	drx_area area = {};
	struct rlimit old, low;

	ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	low = old;
	low.rlim_cur = 4096;
	if (low.rlim_max != RLIM_INFINITY && low.rlim_max < low.rlim_cur)
		low.rlim_cur = low.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	area.tier = DEVRX_TIER_ZCRX_HOST;
	area.chunk_len = 4096;
	area.reg.len = 1 << 20;
	EXPECT_EQ(drx_explain_register(-ENOMEM, nullptr, &area, &cause),
		  -ENOMEM);
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &old), 0);
	/* Root has CAP_IPC_LOCK as a rule, a user has not. */
	EXPECT_STREQ(cause.id, geteuid() ? "memlock" : "out-of-memory");
}

/* -- the public open, as far as no queue is needed ----------------------------- */

TEST(PublicOpen, RefusesBadStructs)
{
	devrx_receiver *rx = nullptr;
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	devrx_cause cause = {};
	struct {
		devrx_receiver_opts opts;
		char more[8];
	} longer = { DEVRX_RECEIVER_OPTS_INIT, {} };
	devrx_memory *mem = fake_memory(false, 4096);

	opts.cause = &cause;
	EXPECT_EQ(devrx_receiver_open(&rx, nullptr, nullptr, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_receiver_open(nullptr, mem, nullptr, &opts), -EINVAL);
	EXPECT_EQ(devrx_receiver_open(&rx, nullptr, nullptr, nullptr), -EINVAL);
	opts.size = 0;
	EXPECT_EQ(devrx_receiver_open(&rx, mem, nullptr, &opts), -EINVAL);
	opts.size = sizeof(opts) - 1;
	EXPECT_EQ(devrx_receiver_open(&rx, mem, nullptr, &opts), -EINVAL);
	longer.opts.size = sizeof(longer);
	longer.more[7] = 1;
	EXPECT_EQ(devrx_receiver_open(&rx, mem, nullptr, &longer.opts),
		  -EINVAL);
	EXPECT_EQ(rx, nullptr);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

/*
 * Memory whose exporter nobody can name and whose kind is "cuda" counts as
 * NVIDIA's, and its dmabuf is not given to lo, which has no parent device at all;
 * that of any other memory is, as far as this goes.
 */
TEST(Open, KeepsNvidiaMemoryAwayFromWhatIsNoPciDevice)
{
	static const struct {
		const char *kind, *id;
		int err;
	} cases[] = { { "cuda", "nic-not-pci", -EOPNOTSUPP },
		      { "fake", "", 0 } };
	const struct drx_ifq_queue queue = { if_nametoindex("lo"), 0, 0,
					     nullptr };
	const devrx_features features = fake_features();

	for (const auto &c : cases)
		for (uint32_t tier :
		     { DEVRX_TIER_ZCRX_DEVICE, DEVRX_TIER_BEST }) {
			devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
			devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
			devrx_queue *q = drx_queue_new(queue.ifindex, 0);
			devrx_provider provider = fake_provider;
			devrx_memory *mem = nullptr;
			devrx_receiver *rx = nullptr;
			devrx_cause cause = {};
			FakeRing fake;

			provider.name = c.kind;
			mo.provider = &provider;
			mo.len = 4096;
			opts.cause = &cause;
			opts.tier = tier;
			ASSERT_EQ(devrx_memory_alloc(&mem, &mo), 0);
			ASSERT_NE(q, nullptr);
			EXPECT_EQ(drx_receiver_open(&rx, mem, q, &queue, &opts,
						    &features, &FakeRing::ops),
				  c.err);
			EXPECT_STREQ(cause.id, c.id) << cause.text;
			EXPECT_EQ(fake.registrations, c.err ? 0u : 1u);
			EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
			EXPECT_EQ(devrx_queue_restore(q), 0);
			EXPECT_EQ(devrx_memory_free(mem), 0);
		}
}

TEST(Names, OfTiersAndPlacements)
{
	EXPECT_STREQ(devrx_tier_name(DEVRX_TIER_BEST), "best");
	EXPECT_STREQ(devrx_tier_name(DEVRX_TIER_ZCRX_DEVICE), "zcrx-device");
	EXPECT_STREQ(devrx_tier_name(DEVRX_TIER_ZCRX_HOST), "zcrx-host");
	EXPECT_STREQ(devrx_tier_name(DEVRX_TIER_RECV), "recv");
	EXPECT_STREQ(devrx_tier_name(DEVRX_TIER_ZCRX_COPY), "zcrx-copy");
	EXPECT_STREQ(devrx_tier_name(5), "unknown");
	EXPECT_STREQ(devrx_placement_name(DEVRX_PLACEMENT_UNKNOWN), "unknown");
	EXPECT_STREQ(devrx_placement_name(DEVRX_PLACEMENT_HOST), "host");
	EXPECT_STREQ(devrx_placement_name(DEVRX_PLACEMENT_DEVICE), "device");
	EXPECT_STREQ(devrx_placement_name(UINT32_MAX), "unknown");
}

} // namespace
