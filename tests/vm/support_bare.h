/* SPDX-License-Identifier: MIT */
/*
 * A softnic pair of which nothing is configured: end "ba" in namespace "barea" sends,
 * end "bb" in namespace "bareb" receives, where the tests run.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_BARE_H
#define DEVRX_TESTS_VM_SUPPORT_BARE_H

#include <cstddef>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "support_cli.h"
#include "support_net.h"
#include "support_softnic.h"

namespace vm
{

/* Files below /run/devrx: none where nothing is left to undo. */
size_t journals();
/* Processes "devrx guard". */
size_t guards();

/* After each test the NIC is as it was before it, and nothing is left to undo. */
class OnBarePair : public testing::Test
{
      protected:
	static void SetUpTestSuite();
	static void TearDownTestSuite();
	void SetUp() override;
	void TearDown() override;

	/* All that ethtool and ip tell of the NIC's configuration, and what an
	 * older ethtool cannot. */
	static std::string dump();
	/* What a reservation could change, read in no time. */
	static std::string quick_dump();

	/* "devrx @args" in the NIC's namespace: exit code, all that it says. */
	static int devrx(const std::string &args, std::string *out = nullptr);
	/* From the other end, by "devrx send --pattern 7". */
	static int send(unsigned port, const char *bytes = "4M");

	std::string dir, before;
	std::unique_ptr<softnic::Inside> inside;
	std::unique_ptr<Tool> tool;

      private:
	static bool made;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_BARE_H */
