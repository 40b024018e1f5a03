// SPDX-License-Identifier: MIT
/*
 * kernel/vulkan on a Vulkan device, against the reference, byte by byte, with
 * the validation layer silent. On a machine without a GPU the device is Mesa's
 * lavapipe, which runs shaders on the CPU.
 */
#include <memory>

#include <gtest/gtest.h>

#include "kernels/vulkan_device.h"

namespace
{

class Shaders : public testing::Test
{
      protected:
	static void SetUpTestSuite()
	{
		device = std::make_unique<kernels::VulkanDevice>();
		missing = device->open(DEVRX_TEST_SPIRV);
		if (missing.empty())
			printf("on %s\n", device->name.c_str());
	}

	static void TearDownTestSuite()
	{
		device.reset();
	}

	void SetUp() override
	{
		if (!missing.empty())
			GTEST_SKIP() << missing;
	}

	void TearDown() override
	{
		EXPECT_EQ(device->complaints, "");
		device->complaints.clear();
	}

	static std::unique_ptr<kernels::VulkanDevice> device;
	static std::string missing;
};

std::unique_ptr<kernels::VulkanDevice> Shaders::device;
std::string Shaders::missing;

class ShadersOn : public Shaders,
		  public testing::WithParamInterface<kernels::Stream>
{
};

TEST_P(ShadersOn, EqualTheReference)
{
	const kernels::Setup setups[] = {
		{ 0, 0, 1 },
		{ 1, 0, 3 },
		{ 8, 4, 2 },
		{ 13, 7, 1 },
	};

	for (const kernels::Setup &setup : setups)
		ASSERT_EQ(kernels::check_all(*device, GetParam(), setup), "")
			<< "source at " << setup.source_misalign
			<< ", result at " << setup.out_misalign << ", blocks "
			<< setup.blocks;
}

INSTANTIATE_TEST_SUITE_P(Kernels, ShadersOn,
			 testing::ValuesIn(kernels::streams()),
			 [](const auto &i) { return i.param.name; });

class CastShader : public Shaders, public testing::WithParamInterface<unsigned>
{
};

TEST_P(CastShader, OfEveryNumberEqualsTheReference)
{
	const kernels::Stream s = kernels::numbers(GetParam());

	for (uint32_t to = DEVRX_NUMBER_BF16; to <= DEVRX_NUMBER_F32; to++)
		for (const kernels::Affine &a : kernels::affine)
			ASSERT_EQ(kernels::check_cast(*device, s, { 0, 0, 4 },
						      GetParam(), to, a.scale,
						      a.bias),
				  "");
}

INSTANTIATE_TEST_SUITE_P(Kernels, CastShader, testing::Range(0u, 5u));

} // namespace
