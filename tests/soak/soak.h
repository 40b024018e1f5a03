/* SPDX-License-Identifier: MIT */
/*
 * A series of cycles: some to warm up, a look at what the kernel has, as many
 * as asked for ($DEVRX_CYCLES, else 1000), and another look.
 *
 * Two static keys of the kernel are on as long as somebody uses what they are
 * for: a memory provider, an io_uring with an index array. Each first and last
 * user has the kernel change its own code under traffic, and QEMU before 8.1
 * with a thread for each CPU may run code that was translated from the bytes
 * in between: an int3 oops, after some hundred cycles (tests/suites.sh). One
 * thread for all CPUs would avoid that, and with it most of the races that
 * this is after. So the keys stay on: a ring of the test's own, and an anchor,
 * a provider that is bound during all cycles. The code changes twice in a
 * series, without traffic.
 */
#ifndef DEVRX_SOAK_SOAK_H
#define DEVRX_SOAK_SOAK_H

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernel.h"
#include "provider.h"

namespace soak
{

class Soak : public testing::Test
{
      protected:
	void SetUp() override;
	void TearDown() override;

	/* Does @n cycles, or says what went wrong in one. */
	using Cycles = std::function<std::string(int n)>;
	/* @where: namespaces in which no page pool may be left over. */
	void series(const std::vector<const Netns *> &where,
		    const Cycles &cycles);

	/* Tell whoever waits, every 100 cycles. */
	static void progress(int done, int of);

      private:
	vm::Fd ring_;
};

/* A pair of its own with a provider that does nothing: see above. */
struct Anchor {
	Anchor();
	Netns a, b;
	std::string error;
	std::unique_ptr<Provider> provider;
};

} /* namespace soak */

#endif /* DEVRX_SOAK_SOAK_H */
