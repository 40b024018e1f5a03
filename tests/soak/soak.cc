// SPDX-License-Identifier: MIT
#include "soak.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support_vram.h"

namespace soak
{

constexpr int WARM_UP = 50;

void Soak::SetUp()
{
	struct io_uring_params params = {};

	ring_ = vm::Fd(int(syscall(SYS_io_uring_setup, 4, &params)));
	ASSERT_GE(ring_.get(), 0);
	hurry_rcu();
	for (const char *module : { "devrx_softnic", "devrx_vram" }) {
		const int err = load(module);

		ASSERT_TRUE(!err || err == -EEXIST) << module << " " << err;
	}
}

void Soak::TearDown()
{
	for (const char *module : { "devrx_softnic", "devrx_vram" }) {
		int err = 0;

		EXPECT_TRUE(vm::poll_until(vm::patience,
					   [&] {
						   err = unload(module);
						   return !err;
					   }))
			<< module << " " << err;
	}
}

void Soak::progress(int done, int of)
{
	static double since = vm::now();

	if (done % 100 && done != of)
		return;
	fprintf(stderr, "  %s %d of %d, %.1f s\n",
		testing::UnitTest::GetInstance()->current_test_info()->name(),
		done, of, vm::now() - since);
	since = vm::now();
}

/* The kernel frees some things late: page pools are asked once a second whether
 * the last buffer has come back.
 */
static Kernel settled()
{
	Kernel k = Kernel::look(), last;

	(void)vm::poll_until(30, [&] {
		last = std::move(k);
		(void)usleep(1500000);
		k = Kernel::look();
		return last.bytes - k.bytes < (64 << 10);
	});
	return k;
}

static std::vector<std::string>
pools_in(const std::vector<const Netns *> &where)
{
	std::vector<std::string> all;

	for (const Netns *ns : where)
		for (std::string &pool : page_pools(*ns))
			all.push_back(std::move(pool));
	return all;
}

void Soak::series(const std::vector<const Netns *> &where, const Cycles &cycles)
{
	const char *asked = getenv("DEVRX_CYCLES");
	const int n = asked ? atoi(asked) : 1000;
	std::string grown;

	ASSERT_EQ(cycles(std::min(n, WARM_UP)), "");
	const Kernel before = settled();
	const size_t pools = pools_in(where).size();

	ASSERT_EQ(cycles(n), "");
	EXPECT_TRUE(vm::poll_until(vm::patience, [&] {
		vm::stir_every_cpu();
		return pools_in(where).size() <= pools;
	})) << testing::PrintToString(pools_in(where));
	EXPECT_TRUE(vm::poll_until(vm::patience,
				   [&] {
					   grown = Kernel::look().grown_since(
						   before, n);
					   return grown.empty();
				   }))
		<< "after " << n << " cycles there is more than before:\n"
		<< grown;
	fputs(Kernel::look().difference(before).c_str(), stderr);
}

Anchor::Anchor() : error(make_pair(a, b))
{
	if (error.empty())
		provider.reset(new Provider(b, By::Zcrx, "udmabuf"));
	if (provider)
		error = provider->error;
}

} /* namespace soak */
