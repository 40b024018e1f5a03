// SPDX-License-Identifier: MIT
/*
 * Each fault on each tier: every byte compared, in order, none lost, none twice.
 * What a cell took is appended to the file that DEVRX_FAULTS_TABLE names, for
 * tests/faults/suite.sh to print.
 */
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <tuple>

#include <gtest/gtest.h>

#include "faults.h"

using namespace faults;

namespace faults
{

static void PrintTo(const Fault &fault, std::ostream *out)
{
	*out << fault.text;
}

static void PrintTo(const Tier &tier, std::ostream *out)
{
	*out << tier.name;
}

} /* namespace faults */

namespace
{

const Tier tiers[] = {
	{ "DeviceUdmabuf", "udmabuf", DEVRX_TIER_ZCRX_DEVICE },
	{ "DeviceVram", "vram", DEVRX_TIER_ZCRX_DEVICE },
	{ "Host", "host", DEVRX_TIER_ZCRX_HOST },
	{ "HostVram", "vram", DEVRX_TIER_ZCRX_HOST },
	{ "Recv", "udmabuf", DEVRX_TIER_RECV },
};

class Faults : public testing::TestWithParam<std::tuple<Fault, Tier>>
{
};

void note(const Fault &fault, const Tier &tier, bool ok, double seconds)
{
	const char *path = getenv("DEVRX_FAULTS_TABLE");
	char cell[32];

	if (!path)
		return;
	if (!ok)
		(void)snprintf(cell, sizeof(cell), "FAILED");
	else if (seconds < 0)
		(void)snprintf(cell, sizeof(cell), "ok");
	else
		(void)snprintf(cell, sizeof(cell), "ok, %.2f s", seconds);
	std::ofstream(path, std::ios::app)
		<< fault.text << "\t" << tier.name << "\t" << cell << "\n";
}

TEST_P(Faults, EveryByteInOrder)
{
	const Fault &fault = std::get<0>(GetParam());
	const Tier &tier = std::get<1>(GetParam());
	Rig rig(tier);

	if (fault.needs_queue && !rig.has_queue())
		GTEST_SKIP() << "tier recv knows of no NIC";
	const std::string error = fault.run(rig);

	EXPECT_EQ(error, "");
	note(fault, tier, error.empty(), rig.recovered());
}

INSTANTIATE_TEST_SUITE_P(
	All, Faults,
	testing::Combine(testing::ValuesIn(faults::all),
			 testing::ValuesIn(tiers)),
	[](const testing::TestParamInfo<std::tuple<Fault, Tier>> &info) {
		return std::string(std::get<0>(info.param).name) +
		       std::get<1>(info.param).name;
	});

} /* namespace */
