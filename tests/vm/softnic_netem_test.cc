// SPDX-License-Identifier: MIT
/* The link model is the kernel's own: tc qdisc netem on an end. */
#include "support_softnic.h"

using namespace softnic;

namespace
{

struct Model {
	const char *name;
	const char *netem;
};

class SoftnicNetem : public OnPair, public testing::WithParamInterface<Model>
{
};

TEST_P(SoftnicNetem, KeepsTheStreamWhole)
{
	if (sh("modprobe sch_netem"))
		GTEST_SKIP() << "this kernel has no sch_netem";
	ASSERT_EQ(sh(std::string("tc qdisc replace dev sna root netem ") +
			     GetParam().netem,
		     "sna"),
		  0);
	{
		Connection c;

		EXPECT_GE(c.receiver, 0);
		EXPECT_TRUE(stream(c, 1 << 20));
	}
	EXPECT_EQ(sh("tc qdisc del dev sna root", "sna"), 0);
	EXPECT_EQ(counted("rx_q3_linear_bytes"), 0u);
}

const Model models[] = {
	{ "Rate", "rate 100mbit" },
	{ "Delay", "delay 5ms 2ms" },
	{ "Loss", "loss 2%" },
	{ "Reorder", "delay 2ms reorder 25% 50%" },
	{ "Duplicate", "duplicate 5%" },
};

INSTANTIATE_TEST_SUITE_P(All, SoftnicNetem, testing::ValuesIn(models),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
