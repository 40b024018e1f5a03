// SPDX-License-Identifier: MIT
/*
 * Kind "drm" against real zcrx: dumb buffers of the drivers that a VM has, a GEM
 * handle and a PRIME descriptor of the caller's, and each refusal that a real
 * driver gives.
 */
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <devrx/drm.h>

#include "support_drm.h"

namespace
{

using namespace vm;

/* Of drm.h and drm_mode.h; this test is built without libdrm's headers too. */
struct CreateDumb {
	uint32_t height, width, bpp, flags, handle, pitch;
	uint64_t size;
};
struct PrimeHandle {
	uint32_t handle, flags;
	int32_t fd;
};
struct GemClose {
	uint32_t handle, pad;
};
constexpr unsigned long create_dumb = _IOWR('d', 0xb2, CreateDumb);
constexpr unsigned long prime_to_fd = _IOWR('d', 0x2d, PrimeHandle);
constexpr unsigned long fd_to_prime = _IOWR('d', 0x2e, PrimeHandle);
constexpr unsigned long gem_close = _IOW('d', 0x09, GemClose);

class DrmVm : public testing::Test
{
      protected:
	void TearDown() override
	{
		rx.reset();
		q.reset();
		mem.reset();
		EXPECT_TRUE(queue_is_free());
	}

	Outcome open(uint32_t tier = DEVRX_TIER_BEST)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
		Outcome o = reserve(&q);

		opts.tier = tier;
		return o.err ? o : open_receiver(&rx, mem, q, opts);
	}

	/* @streams streams of @len bytes each, every byte compared. */
	void stream(unsigned int streams, uint64_t len)
	{
		Listener listener(steered_port,
				  int(memory_info(mem).len / streams / 2));
		Follower follower(mem, streams);
		std::vector<Stream> plan;
		std::vector<Fd> fds;

		ASSERT_TRUE(listener.ok());
		for (unsigned int i = 0; i < streams; i++)
			plan.push_back({ len, i % 2 == 1 });
		Sender sender(steered_port, plan);
		const double begin = now();

		ASSERT_EQ(add_all(rx, &listener, &sender, streams, &fds), "");
		ASSERT_EQ(drain(rx, &follower, 120), "");
		ASSERT_EQ(sender.join(), "");
		for (unsigned int i = 0; i < streams; i++) {
			EXPECT_EQ(follower.position(i), len) << "stream " << i;
			EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF)
				<< "stream " << i;
		}
		EXPECT_EQ(stats(rx).bytes, streams * len);
		EXPECT_EQ(stats(rx).bytes_copied, 0u);
		EXPECT_EQ(stats(rx).fragments_out, 0u);
		printf("  %u MiB in an area of %u MiB, %5.1f s\n",
		       unsigned(streams * len / MiB),
		       unsigned(memory_info(mem).len / MiB), now() - begin);
	}

	/* A card of a driver's, found by what a buffer of it proves. */
	static Fd open_card(const char *driver)
	{
		for (int i = 0; i < 8; i++) {
			const std::string path =
				"/dev/dri/card" + std::to_string(i);
			Memory probe;

			if (make_drm(&probe, vgem, MiB, path.c_str()).err ||
			    !strstr(memory_info(probe).proof, driver))
				continue;
			return Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
		}
		return Fd();
	}

	static uint32_t make_handle(const Fd &card, uint64_t len)
	{
		CreateDumb dumb = {};

		dumb.width = 1024;
		dumb.height = uint32_t(len / 4096);
		dumb.bpp = 32;
		return ioctl(card.get(), create_dumb, &dumb) ? 0 : dumb.handle;
	}

	Outcome import_handle(const Fd &card, uint32_t handle)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *raw = nullptr;
		devrx_cause cause = {};
		int err;

		opts.cause = &cause;
		err = devrx_drm_import(&raw, card.get(), handle, &opts);
		if (!err)
			mem.reset(raw);
		return outcome(err, cause);
	}

	Memory mem;
	Queue q;
	Receiver rx;
};

struct CardCase {
	const char *name;
	const Card &card;
	uint32_t placement;
};

void PrintTo(const CardCase &c, std::ostream *out)
{
	*out << c.name;
}

class DrmCard : public DrmVm, public testing::WithParamInterface<CardCase>
{
};

TEST_P(DrmCard, Streams256MiBThroughAnAreaOf16)
{
	const CardCase &c = GetParam();
	const Outcome got = make_drm(&mem, c.card, 16 * MiB);

	SKIP_WITHOUT_CARD(got);
	ASSERT_EQ(got, outcome(0));
	const MemoryInfo info = memory_info(mem);

	EXPECT_STREQ(info.kind, "drm");
	EXPECT_EQ(info.len, 16 * MiB);
	EXPECT_EQ(info.placement, c.placement) << info.proof;
	EXPECT_NE(strstr(info.proof, c.card.driver), nullptr) << info.proof;
	ASSERT_EQ(open(), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));
	stream(16, 16 * MiB);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

const CardCase cards[] = {
	{ "vgem", vgem, DEVRX_PLACEMENT_HOST },
	{ "virtio_gpu", virtio_gpu, DEVRX_PLACEMENT_HOST },
	{ "bochs", bochs, DEVRX_PLACEMENT_UNKNOWN },
};

INSTANTIATE_TEST_SUITE_P(All, DrmCard, testing::ValuesIn(cards),
			 [](const testing::TestParamInfo<CardCase> &info) {
				 return std::string(info.param.name);
			 });

/* qxl makes a buffer and a dmabuf of it, and then lets no device attach. */
TEST_F(DrmVm, QxlIsRefusedWhenTheNicAttaches)
{
	const Outcome got = make_drm(&mem, qxl, 4 * MiB);

	SKIP_WITHOUT_CARD(got);
	ASSERT_EQ(got, outcome(0));
	EXPECT_EQ(memory_info(mem).placement,
		  uint32_t(DEVRX_PLACEMENT_UNKNOWN));
	EXPECT_EQ(open(DEVRX_TIER_ZCRX_DEVICE),
		  outcome(-ENOSYS, "attach-refused"));
	q.reset();
	mem.reset();
	EXPECT_EQ(works_now(), "");
}

TEST_F(DrmVm, HandleOfTheCallersReceives)
{
	Fd card = open_card("vgem");

	if (card.get() < 0)
		GTEST_SKIP() << "no vgem";
	const uint32_t handle = make_handle(card, 4 * MiB);
	ASSERT_NE(handle, 0u);
	ASSERT_EQ(import_handle(card, handle), outcome(0));
	EXPECT_STREQ(memory_info(mem).kind, "import");
	EXPECT_EQ(memory_info(mem).len, 4 * MiB);
	EXPECT_EQ(memory_info(mem).placement,
		  uint32_t(DEVRX_PLACEMENT_UNKNOWN));
	/* The memory holds the buffer: handle and card may go. */
	GemClose gone = { handle, 0 };
	ASSERT_EQ(ioctl(card.get(), gem_close, &gone), 0);
	EXPECT_EQ(import_handle(card, handle), outcome(-EINVAL, "drm-handle"));
	card.reset();
	ASSERT_EQ(open(), outcome(0));
	stream(4, 8 * MiB);
}

/* The same handle number may be of a buffer that is another driver's. */
TEST_F(DrmVm, HandleOfAnImportedBufferReceives)
{
	Fd card = open_card("vgem");
	const Fd foreign(raw_udmabuf(4 * MiB));
	PrimeHandle prime = {};

	if (card.get() < 0)
		GTEST_SKIP() << "no vgem";
	ASSERT_GE(foreign.get(), 0);
	prime.fd = foreign.get();
	ASSERT_EQ(ioctl(card.get(), fd_to_prime, &prime), 0);
	ASSERT_EQ(import_handle(card, prime.handle), outcome(0));
	/* What the kernel hands out is the first exporter's. */
	EXPECT_EQ(memory_info(mem).placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_NE(strstr(memory_info(mem).proof, "udmabuf"), nullptr);
	card.reset();
	ASSERT_EQ(open(), outcome(0));
	stream(2, 8 * MiB);
}

TEST_F(DrmVm, PrimeDescriptorOfTheCallersReceives)
{
	Memory probe;
	const Outcome got = make_drm(&probe, virtio_gpu, MiB);
	PrimeHandle prime = {};

	SKIP_WITHOUT_CARD(got);
	probe.reset();
	Fd card = open_card("virtio_gpu");
	ASSERT_GE(card.get(), 0);
	prime.handle = make_handle(card, 4 * MiB);
	prime.flags = O_RDWR | O_CLOEXEC;
	ASSERT_EQ(ioctl(card.get(), prime_to_fd, &prime), 0);
	card.reset();
	ASSERT_EQ(import_memory(&mem, Fd(prime.fd).get()), outcome(0));
	ASSERT_EQ(open(), outcome(0));
	stream(4, 8 * MiB);
}

/* Two ways in sysfs to a PCI device: itself, and through virtio. */
TEST_F(DrmVm, PciAddressNamesTheCard)
{
	unsigned int found = 0;

	for (const Card *card : { &bochs, &virtio_gpu }) {
		const Outcome got = make_drm(&mem, *card, MiB);

		SKIP_WITHOUT_CARD(got);
	}
	for (int i = 0; i < 8; i++) {
		const std::string link =
			"/sys/class/drm/card" + std::to_string(i) + "/device";
		char real[PATH_MAX] = "", address[13];

		if (!realpath(link.c_str(), real) || !strstr(real, "/pci0000:"))
			continue;
		snprintf(address, sizeof(address), "%s",
			 strstr(real, "/0000:") + 1);
		ASSERT_EQ(make_drm(&mem, vgem, MiB, address), outcome(0))
			<< address;
		const std::string of_pci = memory_info(mem).proof;

		ASSERT_EQ(make_drm(&mem, vgem, MiB,
				   ("card" + std::to_string(i)).c_str()),
			  outcome(0));
		EXPECT_EQ(memory_info(mem).proof, of_pci);
		found |= of_pci.find("bochs-drm") != of_pci.npos ? 1 : 0;
		found |= of_pci.find("virtio_gpu") != of_pci.npos ? 2 : 0;
	}
	EXPECT_EQ(found, 3u);
	EXPECT_EQ(make_drm(&mem, vgem, MiB, "0000:7f:1f.7"),
		  outcome(-ENODEV, "drm-no-device"));
}

TEST_F(DrmVm, RenderNodeMakesNoDumbBuffers)
{
	if (access("/dev/dri/renderD128", F_OK))
		GTEST_SKIP() << "no render node";
	const Outcome got = make_drm(&mem, vgem, MiB, "/dev/dri/renderD128");

	EXPECT_EQ(got, outcome(-EOPNOTSUPP, "drm-no-dumb"));
	EXPECT_NE(strstr(got.text, "Permission denied"), nullptr) << got.text;
}

TEST_F(DrmVm, InfoPrintsIt)
{
	Memory probe;
	std::string out(16384, '\0');
	const Outcome got = make_drm(&probe, virtio_gpu, MiB);

	SKIP_WITHOUT_CARD(got);
	FILE *pipe =
		popen("devrx info --memory drm --device virtio_gpu 2>&1", "r");
	ASSERT_NE(pipe, nullptr);
	out.resize(fread(out.data(), 1, out.size(), pipe));
	EXPECT_EQ(pclose(pipe), 0) << out;
	EXPECT_NE(out.find("placement   host: a dumb buffer of driver "
			   "virtio_gpu"),
		  out.npos)
		<< out;
	EXPECT_NE(out.find("yes drm"), out.npos) << out;
}

} /* namespace */
