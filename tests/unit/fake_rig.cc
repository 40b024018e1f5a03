// SPDX-License-Identifier: MIT
/* The rig around the fake ring; see fake_rig.h. */
#include "fake_rig.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
#include "memory/memory.h"
}

namespace
{

int memfd_probe(struct devrx_cause *)
{
	return 0;
}

int memfd_alloc(const struct devrx_memory_opts *opts, struct devrx_backing *ret,
		struct devrx_cause *)
{
	const uint64_t len = (opts->len + 4095) & ~UINT64_C(4095);
	const int fd = memfd_create("fake dmabuf", MFD_CLOEXEC);
	void *addr;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, static_cast<off_t>(len))) {
		(void)close(fd);
		return -errno;
	}
	addr = mmap(nullptr, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED) {
		(void)close(fd);
		return -ENOMEM;
	}
	ret->len = len;
	ret->host_addr = addr;
	ret->dmabuf_fd = fd;
	return 0;
}

void memfd_free(struct devrx_backing *backing)
{
	(void)munmap(backing->host_addr, backing->len);
	(void)close(backing->dmabuf_fd);
}

int next_of(std::deque<int> &errors)
{
	int err;

	if (errors.empty())
		return 0;
	err = errors.front();
	errors.pop_front();
	return err;
}

int memfd_read(struct devrx_backing *backing, uint64_t off, void *buf,
	       size_t len)
{
	memcpy(buf, static_cast<const char *>(backing->host_addr) + off, len);
	return next_of(fake_read_errors);
}

int memfd_write(struct devrx_backing *backing, uint64_t off, const void *buf,
		size_t len)
{
	const int err = next_of(fake_write_errors);

	if (!err)
		memcpy(static_cast<char *>(backing->host_addr) + off, buf, len);
	return err;
}

} // namespace

const struct devrx_provider fake_provider = {
	sizeof(struct devrx_provider),
	"fake",
	"a memfd in place of a dmabuf",
	memfd_probe,
	memfd_alloc,
	memfd_free,
	memfd_read,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
};

const struct devrx_provider writable_provider = {
	sizeof(struct devrx_provider),
	"writable",
	"the same, and the host can write it",
	memfd_probe,
	memfd_alloc,
	memfd_free,
	memfd_read,
	memfd_write,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
};

std::deque<int> fake_read_errors, fake_write_errors;

struct devrx_features fake_features(uint32_t flags)
{
	struct devrx_features features = {};

	features.size = sizeof(features);
	features.flags = flags;
	features.max_area_len = UINT64_C(1) << 40;
	features.rq_hdr_size = 128;
	features.rq_hdr_align = 64;
	strcpy(features.release, "7.3.4-fake");
	return features;
}

struct devrx_memory *fake_memory(bool dmabuf, uint64_t len,
				 const struct devrx_provider *provider)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	opts.len = len;
	if (dmabuf)
		opts.provider = provider;
	else
		opts.kind = "host";
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	return mem;
}

Rig::Rig(bool dmabuf, uint64_t len, uint64_t seed,
	 const struct devrx_provider *provider)
    : Rig(fake_memory(dmabuf, len, provider), seed)
{
}

Rig::Rig(struct devrx_memory *memory, uint64_t seed) : fake(seed), mem(memory)
{
	fake_read_errors.clear();
	fake_write_errors.clear();
	opts.cause = &cause;
	opts.cq_entries = 4096; /* most tests are not about a full one */
}

Rig::~Rig()
{
	if (rx) {
		EXPECT_EQ(close(DEVRX_CLOSE_F_ABANDON), 0);
	}
	EXPECT_EQ(devrx_memory_free(mem), 0);
	for (struct devrx_memory *one : more)
		EXPECT_EQ(devrx_memory_free(one), 0);
	for (int fd : fds)
		(void)::close(fd);
	for (const std::string &text : fake.violations)
		ADD_FAILURE() << "the fake kernel: " << text;
}

int Rig::open()
{
	const struct drx_ifq_queue queue = { 3, 1, ring, nullptr };

	fake.make_current();
	const int err = drx_receiver_open(
		&rx, mem, nullptr,
		opts.tier == DEVRX_TIER_ZCRX_COPY ? nullptr : &queue, &opts,
		&features, &FakeRing::ops);

	if (!err)
		rx->hangups.nap_ns = INT64_MAX; /* no time passes */
	return err;
}

int Rig::grow(uint64_t len)
{
	struct devrx_memory_info like = {};
	struct devrx_backing *backing;

	like.size = sizeof(like);
	EXPECT_EQ(devrx_memory_info(mem, &like), 0);
	struct devrx_memory *one = fake_memory(
		like.dmabuf_fd >= 0, len, drx_memory_provider(mem, &backing));
	const int area = devrx_receiver_add_area(rx, one);

	if (area < 0)
		EXPECT_EQ(devrx_memory_free(one), 0) << "not kept";
	else
		more.push_back(one);
	return area;
}

int Rig::read(const struct devrx_fragment &frag, void *buf, size_t len)
{
	const unsigned int area = devrx_fragment_area(&frag);

	if (area > more.size())
		return -ERANGE;
	return devrx_memory_read(area ? more[area - 1] : mem,
				 devrx_fragment_offset(&frag), buf, len);
}

void Rig::must_open()
{
	ASSERT_EQ(open(), 0) << cause.id << ": " << cause.text;
	ASSERT_NE(rx, nullptr);
}

int Rig::close(uint32_t flags)
{
	const int err = devrx_receiver_close(rx, flags);

	if (!err)
		rx = nullptr;
	return err;
}

int Rig::socket()
{
	const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);

	EXPECT_GE(fd, 0);
	fds.push_back(fd);
	return fd;
}

int Rig::add(int fd)
{
	const int err = devrx_receiver_add(rx, fd, user_of(fd));

	if (!err) {
		const uint64_t base = streams[fd].base + streams[fd].got;

		streams[fd] = Stream();
		streams[fd].base = base;
	}
	return err;
}

int Rig::added()
{
	const int fd = socket();

	EXPECT_EQ(add(fd), 0);
	return fd;
}

void Rig::expect_lost(const struct devrx_fragment &frag, int error)
{
	lost.push_back(frag);
	lost.back().token = 0;
	lost.back().flags = DEVRX_FRAGMENT_LOST;
	lost.back().error = static_cast<int16_t>(error);
}

void Rig::check_lost(const struct devrx_fragment &frag)
{
	const auto same = [&](const struct devrx_fragment &other) {
		return !memcmp(&frag, &other, sizeof(frag));
	};
	const auto it = std::find_if(lost.begin(), lost.end(), same);

	ASSERT_NE(it, lost.end()) << "position " << frag.position << " of "
				  << frag.user << " is not lost";
	lost.erase(it);
}

void Rig::check(const struct devrx_fragment &frag)
{
	const int fd = fd_of(frag);
	const auto it = streams.find(fd);

	if (frag.flags & DEVRX_FRAGMENT_LOST)
		return check_lost(frag);
	if (frag.flags & DEVRX_FRAGMENT_EVENT) {
		EXPECT_EQ(frag.flags, DEVRX_FRAGMENT_EVENT);
		EXPECT_EQ(frag.length > 0, frag.user == DEVRX_EVENT_WRITTEN);
		EXPECT_EQ(frag.token, 0u);
		events.emplace_back(frag.user, frag.error);
		return;
	}
	ASSERT_NE(it, streams.end())
		<< "a fragment of nobody, user " << frag.user;
	Stream &stream = it->second;
	ASSERT_FALSE(stream.ended) << "socket " << fd << ": after its last";
	EXPECT_EQ(frag.position, stream.got) << "socket " << fd;
	if (frag.flags & ~DEVRX_FRAGMENT_COPIED) {
		EXPECT_TRUE(frag.flags == DEVRX_FRAGMENT_EOF ||
			    frag.flags == DEVRX_FRAGMENT_ERROR);
		EXPECT_EQ(frag.length, 0u);
		EXPECT_EQ(frag.token, 0u);
		EXPECT_EQ(frag.error < 0, frag.flags == DEVRX_FRAGMENT_ERROR);
		stream.ended = true;
		stream.error = frag.error;
		stream.eof = frag.flags == DEVRX_FRAGMENT_EOF;
		lasts.push_back(frag);
		return;
	}
	if (copied || !rx->recover.provider) {
		EXPECT_EQ(frag.flags, copied ? DEVRX_FRAGMENT_COPIED : 0u);
	}
	EXPECT_EQ(frag.error, 0);
	stream.copied += frag.flags ? frag.length : 0;
	EXPECT_NE(frag.token, 0u);
	EXPECT_GT(frag.length, 0u);
	copy.resize(frag.length);
	ASSERT_EQ(read(frag, copy.data(), frag.length), 0);
	for (uint32_t i = 0; i < frag.length; i++)
		ASSERT_EQ(copy[i], fake_byte(fd, stream.base + stream.got + i))
			<< "socket " << fd << ", byte " << stream.got + i;
	stream.got += frag.length;
}

int Rig::wait(std::vector<struct devrx_fragment> *ret, unsigned int n,
	      int64_t timeout_ns)
{
	std::vector<struct devrx_fragment> frags(n);
	const int got = devrx_receiver_wait(rx, frags.data(), n, timeout_ns);

	if (ret)
		ret->clear();
	if (got <= 0)
		return got;
	EXPECT_LE(static_cast<unsigned int>(got), n);
	frags.resize(static_cast<size_t>(got));
	for (const auto &frag : frags)
		check(frag);
	if (ret)
		*ret = frags;
	return got;
}

int Rig::release(const struct devrx_fragment &frag)
{
	return devrx_receiver_release(rx, &frag, 1);
}

int Rig::release(const std::vector<struct devrx_fragment> &frags)
{
	return devrx_receiver_release(rx, frags.data(),
				      static_cast<unsigned int>(frags.size()));
}

int Rig::drain(unsigned int n)
{
	std::vector<struct devrx_fragment> frags;
	int got, idle = 0, rounds = 0;

	/* An empty round proves little: the fake may have been slow. */
	while (idle < 20) {
		got = wait(&frags, n, 0);
		if (got < 0)
			return got;
		if (!got) {
			idle++;
			continue;
		}
		idle = 0;
		EXPECT_EQ(release(frags), 0);
		if (testing::Test::HasFatalFailure())
			return -EPROTO;
		if (++rounds > 1000000) {
			ADD_FAILURE() << "no end";
			return -EPROTO;
		}
	}
	return 0;
}

struct devrx_receiver_stats Rig::stats() const
{
	struct devrx_receiver_stats ret = {};

	ret.size = sizeof(ret);
	EXPECT_EQ(devrx_receiver_stats(rx, &ret), 0);
	return ret;
}

struct devrx_receiver_info Rig::info() const
{
	struct devrx_receiver_info ret = {};

	ret.size = sizeof(ret);
	EXPECT_EQ(devrx_receiver_info(rx, &ret), 0);
	return ret;
}

std::string Rig::why() const
{
	struct devrx_cause ret = {};

	return devrx_receiver_cause(rx, &ret) ? "" : ret.id;
}

void Rig::expect_all_returned()
{
	EXPECT_EQ(stats().fragments_out, 0u);
	fake.nic_refills(UINT32_MAX);
	EXPECT_EQ(rx->recover.first, nullptr);
	EXPECT_LE(rx->recover.nr_spares, rx->recover.reserve);
	EXPECT_EQ(fake.refs_out(), rx->recover.nr_spares)
		<< "chunks that nobody gave back";
}
