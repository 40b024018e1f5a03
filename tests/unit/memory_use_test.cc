// SPDX-License-Identifier: MIT
/* A memory in use: looked at, copied, bound, freed, forked. */
#include "memory_support.h"

#include <atomic>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "memory/memory.h"
}

using namespace memory_support;

namespace
{

class MemoryUse : public testing::Test
{
      protected:
	MemoryUse()
	{
		devrx_cause cause = {};
		devrx_memory_opts opts = Good("host", &cause);
		devrx_memory *mem = nullptr;

		opts.len = 2 * PageLen();
		EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
		mem_.reset(mem);
	}

	Memory mem_;
};

TEST_F(MemoryUse, InfoRefusesAShortStruct)
{
	for (size_t size : { size_t{ 0 }, sizeof(size_t),
			     sizeof(struct devrx_memory_info) - 1 }) {
		struct devrx_memory_info info = {};

		info.size = size;
		info.len = 42;
		EXPECT_EQ(devrx_memory_info(mem_.get(), &info), -EINVAL);
		EXPECT_EQ(info.size, size);
		EXPECT_EQ(info.len, 42u);
	}
}

TEST_F(MemoryUse, InfoFillsInWhatItKnowsOfANewerStruct)
{
	struct {
		struct devrx_memory_info info;
		uint64_t later;
	} newer = {};

	newer.info.size = sizeof(newer);
	newer.later = 42;
	EXPECT_EQ(devrx_memory_info(mem_.get(), &newer.info), 0);
	EXPECT_EQ(newer.info.size, sizeof(newer));
	EXPECT_EQ(newer.info.len, 2 * PageLen());
	EXPECT_EQ(newer.later, 42u);
}

/* Offsets and lengths as multiples of a page, so that the table is constant. */
struct RangeCase {
	const char *name;
	uint64_t off_pages;
	int64_t off_bytes;
	uint64_t len_pages;
	int64_t len_bytes;
	int want;
};

const RangeCase ranges[] = {
	{ "NothingAtTheStart", 0, 0, 0, 0, 0 },
	{ "NothingAtTheEnd", 2, 0, 0, 0, 0 },
	{ "NothingBehindTheEnd", 2, 1, 0, 0, -ERANGE },
	{ "All", 0, 0, 2, 0, 0 },
	{ "AllAndAByte", 0, 0, 2, 1, -ERANGE },
	{ "AcrossThePage", 1, -1, 0, 2, 0 },
	{ "LastByte", 2, -1, 0, 1, 0 },
	{ "LastByteAndOneMore", 2, -1, 0, 2, -ERANGE },
	{ "FirstByteBehind", 2, 0, 0, 1, -ERANGE },
	{ "OffsetWraps", 0, -1, 0, 1, -ERANGE },
	{ "LengthWraps", 0, 1, 0, -1, -ERANGE },
	{ "BothWrapToASmallSum", 0, -1, 0, -1, -ERANGE },
};

class MemoryRange : public MemoryUse,
		    public testing::WithParamInterface<RangeCase>
{
};

TEST_P(MemoryRange, IsCheckedWithoutWrapping)
{
	const RangeCase &c = GetParam();
	uint64_t off =
		c.off_pages * PageLen() + static_cast<uint64_t>(c.off_bytes);
	size_t len =
		c.len_pages * PageLen() + static_cast<uint64_t>(c.len_bytes);
	std::vector<char> buf(3 * PageLen(), 'b');
	std::vector<char> want(buf);
	auto *bytes = static_cast<char *>(Info(mem_.get()).host_addr);

	memset(bytes, 'm', 2 * PageLen());
	EXPECT_EQ(devrx_memory_read(mem_.get(), off, buf.data(), len), c.want);
	if (!c.want)
		std::fill_n(want.begin(), len, 'm');
	EXPECT_EQ(buf, want);

	std::fill(buf.begin(), buf.end(), 'w');
	EXPECT_EQ(devrx_memory_write(mem_.get(), off, buf.data(), len), c.want);
	for (uint64_t i = 0; i < 2 * PageLen(); i++) {
		bool inside = !c.want && i >= off && i - off < len;

		ASSERT_EQ(bytes[i], inside ? 'w' : 'm') << "byte " << i;
	}
}

INSTANTIATE_TEST_SUITE_P(All, MemoryRange, testing::ValuesIn(ranges),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(MemoryFree, TakesNull)
{
	EXPECT_EQ(devrx_memory_free(nullptr), 0);
}

TEST_F(MemoryUse, FreeWhileBoundIsBusyAndFreesNothing)
{
	char byte = 'x';

	ASSERT_EQ(drx_memory_bind(mem_.get(), nullptr), 0);
	EXPECT_EQ(devrx_memory_free(mem_.get()), -EBUSY);
	EXPECT_EQ(devrx_memory_free(mem_.get()), -EBUSY);
	EXPECT_EQ(devrx_memory_write(mem_.get(), 0, &byte, 1), 0);
	drx_memory_unbind(mem_.get());
}

TEST_F(MemoryUse, SecondBindIsBusyUntilTheFirstEnds)
{
	devrx_cause cause = {};

	ASSERT_EQ(drx_memory_bind(mem_.get(), &cause), 0);
	EXPECT_STREQ(cause.id, "");
	EXPECT_EQ(drx_memory_bind(mem_.get(), &cause), -EBUSY);
	EXPECT_STREQ(cause.id, "memory-bound");
	EXPECT_EQ(drx_memory_bind(mem_.get(), nullptr), -EBUSY);
	drx_memory_unbind(mem_.get());
	EXPECT_EQ(drx_memory_bind(mem_.get(), &cause), 0);
	drx_memory_unbind(mem_.get());
}

TEST_F(MemoryUse, OfTwoThreadsThatBindOneWins)
{
	for (int round = 0; round < 200; round++) {
		std::atomic<int> ready{ 0 }, won{ 0 }, lost{ 0 };
		auto racer = [&] {
			ready++;
			while (ready < 2)
				std::this_thread::yield();
			if (drx_memory_bind(mem_.get(), nullptr))
				lost++;
			else
				won++;
		};
		std::thread a(racer), b(racer);

		a.join();
		b.join();
		ASSERT_EQ(won, 1);
		ASSERT_EQ(lost, 1);
		drx_memory_unbind(mem_.get());
	}
}

/* Under TSAN this also shows that a bind sees what came before the unbind. */
TEST_F(MemoryUse, BindOrdersOneReceiverAfterTheOther)
{
	constexpr int rounds = 2000;
	int plain = 0;
	auto receiver = [&] {
		for (int i = 0; i < rounds; i++) {
			while (drx_memory_bind(mem_.get(), nullptr))
				std::this_thread::yield();
			plain++;
			drx_memory_unbind(mem_.get());
		}
	};
	std::thread a(receiver), b(receiver);

	a.join();
	b.join();
	EXPECT_EQ(plain, 2 * rounds);
}

/* Framing looks at some bytes of each fragment, on the data path. */
TEST(MemoryCopy, EntersNoKernel)
{
#if defined(__SANITIZE_THREAD__)
	GTEST_SKIP() << "this sanitizer has a thread of its own";
#endif
	constexpr int no_seccomp = 77;
	int status = 0;
	const pid_t child = fork();

	if (!child) {
		devrx_cause cause = {};
		devrx_memory_opts opts = Good("host", &cause);
		devrx_memory *mem = nullptr;
		char byte = 'x';
		int rc = devrx_memory_alloc(&mem, &opts);

		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(no_seccomp);
		/* From here on any call but read, write and exit kills. */
		if (!rc)
			rc = devrx_memory_write(mem, 5, &byte, 1);
		byte = 0;
		if (!rc)
			rc = devrx_memory_read(mem, 5, &byte, 1);
		(void)syscall(SYS_exit, rc || byte != 'x');
	}
	ASSERT_GT(child, 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == no_seccomp)
		GTEST_SKIP() << "this kernel has no seccomp";
	EXPECT_TRUE(WIFEXITED(status)) << "killed: it made a system call";
	EXPECT_EQ(status, 0);
}

TEST_F(MemoryUse, ForkedChildHasNoPartInIt)
{
	void *addr = Info(mem_.get()).host_addr;
	char byte = 'p';

	ASSERT_EQ(devrx_memory_write(mem_.get(), 0, &byte, 1), 0);
	ASSERT_EQ(drx_memory_bind(mem_.get(), nullptr), 0);
	Outcome out = InChild([&](Outcome &o) {
		unsigned char there;
		char mine = 'c';

		/* Not mapped: nothing of the NIC's can be read or written. */
		if (!mincore(addr, PageLen(), &there) || errno != ENOMEM)
			o.extra |= 1;
		if (devrx_memory_read(mem_.get(), 0, &mine, 1) != -EPERM)
			o.extra |= 2;
		if (devrx_memory_write(mem_.get(), 0, &mine, 1) != -EPERM)
			o.extra |= 4;
		if (drx_memory_bind(mem_.get(), &o.cause) != -EPERM)
			o.extra |= 8;
		/* Somebody else's page where the memory was stays. */
		void *other =
			mmap(addr, PageLen(), PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		o.rc = devrx_memory_free(mem_.get());
		if (mincore(other, PageLen(), &there))
			o.extra |= 16;
	});
	EXPECT_EQ(out.rc, 0);
	EXPECT_EQ(out.extra, 0);
	EXPECT_STREQ(out.cause.id, "forked");

	byte = 0;
	EXPECT_EQ(devrx_memory_read(mem_.get(), 0, &byte, 1), 0);
	EXPECT_EQ(byte, 'p');
	drx_memory_unbind(mem_.get());
}

} // namespace
