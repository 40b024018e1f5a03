// SPDX-License-Identifier: MIT
/*
 * What the NIC brought into a dumb buffer, processed there: the buffer's dmabuf is
 * imported into a Vulkan device, whose shaders make the CRC-32C of each stream and
 * the sum of all bytes.
 */
#include <cerrno>
#include <cstring>

#include "support_drm.h"
#include "support_vulkan_vm.h"

namespace
{

using namespace vm;

struct CardCase {
	const char *name;
	const Card &card;
};

void PrintTo(const CardCase &c, std::ostream *out)
{
	*out << c.name;
}

class DrmShaders : public VulkanVm, public testing::WithParamInterface<CardCase>
{
};

TEST_P(DrmShaders, ProcessADumbBuffer)
{
	Memory buffer;
	const Outcome got = make_drm(&buffer, GetParam().card, 16 * MiB);

	SKIP_WITHOUT_CARD(got);
	ASSERT_EQ(got, outcome(0));
	ASSERT_EQ(import(memory_info(buffer).dmabuf_fd), outcome(0));
	EXPECT_EQ(memory_info(mem).len, 16 * MiB);
	ASSERT_EQ(open(), outcome(0));
	stream(4, 4, 4 * MiB);
	/* It is the same memory, for whoever looks at it. */
	char there[4096], here[4096] = "";
	ASSERT_EQ(devrx_memory_read(mem.get(), 0, here, sizeof(here)), 0);
	ASSERT_EQ(devrx_memory_read(buffer.get(), 0, there, sizeof(there)), 0);
	EXPECT_EQ(memcmp(here, there, sizeof(here)), 0);
}

const CardCase cards[] = {
	{ "vgem", vgem },
	{ "virtio_gpu", virtio_gpu },
};

INSTANTIATE_TEST_SUITE_P(All, DrmShaders, testing::ValuesIn(cards),
			 [](const testing::TestParamInfo<CardCase> &info) {
				 return std::string(info.param.name);
			 });

} /* namespace */
