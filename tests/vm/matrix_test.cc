// SPDX-License-Identifier: MIT
/*
 * Each kind of memory at each chunk size, with both layouts of completions: 64
 * connections, IPv4 and IPv6 in turn, 256 MiB (64 MiB with CQE_MIXED) through an
 * area that is used 8 (4) times over; every byte compared, in order. A chunk that the memory's layout
 * does not allow is refused by name.
 */
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

constexpr unsigned int connections = 64;

enum class Kind {
	Host,
	HostThp,
	HostHugetlb,
	Udmabuf,
	UdmabufHugetlb,
	Dmaheap,
	ImportUdmabuf,
	ImportVgem,
	Drm,
};

enum class Larger {
	Allowed,
	/* Pages do not touch each other: it must be refused. */
	Refused,
	/* Pages lie as the kernel found them; by chance they fit. */
	ByChance,
};

struct Cell {
	const char *name;
	Kind kind;
	uint32_t chunk;
	Larger larger; /* a chunk larger than a page */
};

/* struct drm_mode_create_dumb and drm_prime_handle, of drm_mode.h and drm.h,
 * which a plain Debian does not have installed. */
struct CreateDumb {
	uint32_t height, width, bpp, flags, handle, pitch;
	uint64_t size;
};
struct PrimeHandle {
	uint32_t handle, flags;
	int32_t fd;
};
constexpr unsigned long create_dumb = _IOWR('d', 0xb2, CreateDumb);
constexpr unsigned long prime_to_fd = _IOWR('d', 0x2d, PrimeHandle);

/* A dumb buffer of the virtual GEM device as a dmabuf; -1 where it is not. */
int vgem_dmabuf(uint64_t len)
{
	PrimeHandle prime = {};
	CreateDumb dumb = {};

	for (int i = 0; i < 4; i++) {
		const std::string path = "/dev/dri/card" + std::to_string(i);
		const Fd card(open(path.c_str(), O_RDWR | O_CLOEXEC));

		if (card.get() < 0)
			continue;
		dumb.width = 1024;
		dumb.height = uint32_t(len / 4096);
		dumb.bpp = 32;
		if (ioctl(card.get(), create_dumb, &dumb))
			continue;
		prime.handle = dumb.handle;
		prime.flags = O_RDWR | O_CLOEXEC;
		if (!ioctl(card.get(), prime_to_fd, &prime))
			return prime.fd;
	}
	return -1;
}

Outcome make_kind(Memory *ret, Kind kind, uint64_t area_len)
{
	switch (kind) {
	case Kind::Host:
	case Kind::HostThp: {
		/* Pages one by one, whatever the machine's setting is. */
		const bool off = kind == Kind::Host;

		(void)prctl(PR_SET_THP_DISABLE, off, 0, 0, 0);
		Outcome o = make_memory(ret, "host", area_len);

		/* Fault it in while the setting holds. */
		if (!o.err)
			fault_scattered(memory_info(*ret).host_addr, area_len);
		(void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
		return o;
	}
	case Kind::HostHugetlb:
		return make_memory(ret, "host", area_len,
				   DEVRX_MEMORY_F_HUGETLB);
	case Kind::Udmabuf:
		return make_memory(ret, "udmabuf", area_len);
	case Kind::UdmabufHugetlb:
		return make_memory(ret, "udmabuf", area_len,
				   DEVRX_MEMORY_F_HUGETLB);
	case Kind::Dmaheap:
		return make_memory(ret, "dmaheap", area_len);
	case Kind::ImportUdmabuf:
		return import_memory(ret, Fd(raw_udmabuf(area_len)).get());
	case Kind::ImportVgem:
		return import_memory(ret, Fd(vgem_dmabuf(area_len)).get());
	case Kind::Drm:
		return make_memory(ret, "drm", area_len);
	}
	return outcome(-EINVAL);
}

bool is_host(Kind kind)
{
	return kind == Kind::Host || kind == Kind::HostThp ||
	       kind == Kind::HostHugetlb;
}

void PrintTo(const Cell &cell, std::ostream *out)
{
	*out << cell.name;
}

class Matrix : public testing::TestWithParam<Cell>
{
};

void receive_all(const Memory &mem, const Queue &q, const Cell &cell,
		 bool mixed)
{
	/* The second layout asks for its own code, not for all of the memory. */
	const uint64_t per_stream = (mixed ? 64 : 256) * MiB / connections;
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	Receiver rx;

	opts.chunk_len = cell.chunk;
	opts.flags = mixed ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	EXPECT_EQ(receiver_info(rx).chunk_len, cell.chunk);
	EXPECT_EQ(receiver_info(rx).flags, opts.flags);
	EXPECT_EQ(receiver_info(rx).tier,
		  uint32_t(is_host(cell.kind) ? DEVRX_TIER_ZCRX_HOST :
						DEVRX_TIER_ZCRX_DEVICE));

	Follower follower(mem, connections);
	/* What waits in the sockets is the area's: it must not fill it up. */
	Listener listener(steered_port,
			  int(memory_info(mem).len / connections / 2));
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < connections; i++)
		plan.push_back({ per_stream, i % 2 == 1 });
	Sender sender(steered_port, plan);
	const double begin = now();

	ASSERT_EQ(add_all(rx, &listener, &sender, connections, &fds), "");
	ASSERT_EQ(drain(rx, &follower), "");
	ASSERT_EQ(sender.join(), "");

	const double seconds = now() - begin;
	const ReceiverStats s = stats(rx);

	for (unsigned int i = 0; i < connections; i++) {
		EXPECT_EQ(follower.position(i), per_stream) << "stream " << i;
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF)
			<< "stream " << i;
	}
	EXPECT_EQ(s.bytes, connections * per_stream);
	EXPECT_EQ(s.bytes, follower.bytes());
	EXPECT_EQ(s.fragments, follower.fragments());
	EXPECT_EQ(s.released, s.fragments);
	EXPECT_EQ(s.fragments_out, 0u);
	EXPECT_EQ(s.bad_releases, 0u);
	EXPECT_EQ(s.connections, 0u);
	EXPECT_EQ(s.connections_total, connections);
	/* Every packet is steered and split: nothing is left to copy. */
	EXPECT_EQ(s.bytes_copied, 0u);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	printf("  %-22s %s %4u MiB %5.1f s %6.0f fragments/MiB %4llu waits "
	       "%llu overflows\n",
	       cell.name, mixed ? "mixed" : "cqe32",
	       unsigned(connections * per_stream / MiB), seconds,
	       double(s.fragments) / double(connections * per_stream / MiB),
	       (unsigned long long)s.waits, (unsigned long long)s.overflows);
}

void run_cell(const Cell &cell, bool mixed, uint64_t area_len)
{
	Memory mem;
	Queue q;

	const Outcome o = make_kind(&mem, cell.kind, area_len);

	if (cell.kind == Kind::ImportVgem && o.err == -EBADF)
		GTEST_SKIP() << "no vgem in this kernel (modprobe vgem)";
	if (o == outcome(-EOPNOTSUPP, "drm-not-built"))
		GTEST_SKIP() << o.text;
	ASSERT_EQ(o, outcome(0));
	ASSERT_EQ(memory_info(mem).len, area_len);
	ASSERT_EQ(reserve(&q), outcome(0));
	if (cell.chunk > 4096 && cell.larger != Larger::Allowed) {
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
		Receiver rx;

		opts.chunk_len = cell.chunk;
		const Outcome opened = open_receiver(&rx, mem, q, opts);

		if (opened.err || cell.larger == Larger::Refused) {
			EXPECT_EQ(opened, outcome(-ERANGE, "chunk-refused"));
			/* Nothing is left of that, and what can be had is. */
			opts.flags = DEVRX_RECEIVER_F_CHUNK_AT_MOST;
			opts.bind_timeout_ms = 1;
			ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
			EXPECT_LT(receiver_info(rx).chunk_len, cell.chunk);
			EXPECT_NE(std::string(receiver_info(rx).chunk_reason)
					  .find("chunk-refused"),
				  std::string::npos);
			return;
		}
	}
	receive_all(mem, q, cell, mixed);
}

TEST_P(Matrix, EveryByteInOrderCqe32)
{
	run_cell(GetParam(), false, 32 * MiB);
}

TEST_P(Matrix, EveryByteInOrderCqeMixed)
{
	run_cell(GetParam(), true, 16 * MiB);
}

#define CHUNKS(name, kind, larger)                                             \
	{ name "_4K", kind, 4096, larger },                                    \
		{ name "_8K", kind, 8192, larger },                            \
		{ name "_16K", kind, 16384, larger },                          \
		{ name "_32K", kind, 32768, larger },                          \
	{                                                                      \
		name "_64K", kind, 65536, larger                               \
	}

const Cell cells[] = {
	CHUNKS("host", Kind::Host, Larger::Refused),
	CHUNKS("host_thp", Kind::HostThp, Larger::Allowed),
	CHUNKS("host_hugetlb", Kind::HostHugetlb, Larger::Allowed),
	CHUNKS("udmabuf", Kind::Udmabuf, Larger::ByChance),
	CHUNKS("udmabuf_hugetlb", Kind::UdmabufHugetlb, Larger::Allowed),
	CHUNKS("dmaheap", Kind::Dmaheap, Larger::Allowed),
	CHUNKS("import_udmabuf", Kind::ImportUdmabuf, Larger::Refused),
	{ "import_vgem_4K", Kind::ImportVgem, 4096, Larger::Allowed },
	CHUNKS("drm", Kind::Drm, Larger::ByChance),
};

INSTANTIATE_TEST_SUITE_P(All, Matrix, testing::ValuesIn(cells),
			 [](const testing::TestParamInfo<Cell> &info) {
				 return std::string(info.param.name);
			 });

} /* namespace */
