// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" on a fake driver: each call that can fail, and each thing that a
 * device can lack, with its cause. Nothing is left behind.
 */
#include "memory_vulkan_support.h"

#include <cstring>

using namespace memory_support;

namespace
{

struct FailCase {
	const char *name;
	const char *script;
	int want;
	const char *id;
};

const FailCase fails[] = {
	{ "NoDriver", "vkCreateInstance=-9", -ENODEV, "vulkan-no-device" },
	{ "NoMemoryForAnInstance", "vkCreateInstance=-1", -ENOMEM,
	  "out-of-memory" },
	{ "InstanceOfAnOlderVulkan",
	  "without=vkGetPhysicalDeviceExternalBufferProperties", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "NoDevice", "devices=0", -ENODEV, "vulkan-no-device" },
	{ "EveryDriverRefused", "vkEnumeratePhysicalDevices=-3", -ENODEV,
	  "vulkan-no-device" },
	{ "EnumerationShortOfMemory", "vkEnumeratePhysicalDevices=-1", -ENOMEM,
	  "out-of-memory" },
	{ "OlderVulkan", "minor=1", -EOPNOTSUPP, "vulkan-unsupported" },
	{ "NoAddresses", "without=bufferDeviceAddress", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "NoTimelines", "without=timelineSemaphore", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "NoInt64", "without=shaderInt64", -EOPNOTSUPP, "vulkan-unsupported" },
	{ "NoMemoryFd", "without=VK_KHR_external_memory_fd", -EOPNOTSUPP,
	  "vulkan-no-export" },
	{ "NoDmabuf", "without=VK_EXT_external_memory_dma_buf", -EOPNOTSUPP,
	  "vulkan-no-export" },
	{ "NoBufferToExport", "without=export", -EOPNOTSUPP,
	  "vulkan-no-export" },
	{ "NoComputeQueue", "without=compute", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "NoDeviceToMake", "vkCreateDevice=-3", -EIO, "vulkan-error" },
	{ "DeviceWithoutExtension", "vkCreateDevice=-7", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "LostAtOnce", "lost@1=-4", -EIO, "vulkan-device-lost" },
	{ "DeviceWithoutACall", "without=vkGetMemoryFdKHR", -EOPNOTSUPP,
	  "vulkan-unsupported" },
	{ "NoBuffer", "vkCreateBuffer=-2", -ENOMEM, "out-of-memory" },
	{ "LongerThanItAllocates", "limit=4095", -EFBIG, "vulkan-limit" },
	{ "NoMemory", "vkAllocateMemory=-2", -ENOMEM, "out-of-memory" },
	{ "TooManyAllocations", "vkAllocateMemory=-10", -ENOMEM,
	  "out-of-memory" },
	{ "NoBind", "vkBindBufferMemory=-2", -ENOMEM, "out-of-memory" },
	{ "ExportRefused", "vkGetMemoryFdKHR=-10", -ENOMEM, "out-of-memory" },
	{ "ExportLost", "vkGetMemoryFdKHR=-4", -EIO, "vulkan-device-lost" },
	{ "UnknownResult", "vkGetMemoryFdKHR=-12345", -EIO, "vulkan-error" },
	{ "DmabufAlwaysLonger", "extra=4096", -EOPNOTSUPP, "vulkan-no-export" },
	{ "NoFence", "vkCreateFence=-1", -ENOMEM, "out-of-memory" },
	{ "NoStagingBuffer", "vkCreateBuffer@2=-2", -ENOMEM, "out-of-memory" },
	{ "NoStagingMemory", "vkAllocateMemory@2=-2", -ENOMEM,
	  "out-of-memory" },
	{ "NoStagingBind", "vkBindBufferMemory@2=-2", -ENOMEM,
	  "out-of-memory" },
	{ "NoStagingMap", "vkMapMemory=-5", -EIO, "vulkan-error" },
	{ "NoPool", "vkCreateCommandPool=-1", -ENOMEM, "out-of-memory" },
	{ "NoCommands", "vkAllocateCommandBuffers=-1", -ENOMEM,
	  "out-of-memory" },
};

class VulkanFails : public Vulkan, public testing::WithParamInterface<FailCase>
{
};

TEST_P(VulkanFails, SaysWhyAndLeavesNothing)
{
	fake.script(GetParam().script);
	ExpectRefused(Opts(), GetParam().want, GetParam().id);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanFails, testing::ValuesIn(fails),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* The same on a device of the caller's, which stays as it was. */
const FailCase borrowed[] = {
	{ "OlderVulkan", "minor=1", -EOPNOTSUPP, "vulkan-unsupported" },
	{ "NoInt64", "without=shaderInt64", -EOPNOTSUPP, "vulkan-unsupported" },
	{ "NoDmabuf", "without=VK_EXT_external_memory_dma_buf", -EOPNOTSUPP,
	  "vulkan-no-export" },
	{ "NoBufferToExport", "without=export", -EOPNOTSUPP,
	  "vulkan-no-export" },
	{ "InstanceOfAnOlderVulkan", "without=vkGetPhysicalDeviceFeatures2",
	  -EOPNOTSUPP, "vulkan-unsupported" },
	{ "NoMemory", "vkAllocateMemory=-2", -ENOMEM, "out-of-memory" },
	{ "Lost", "lost@1=-4", -EIO, "vulkan-device-lost" },
	{ "NoPool", "vkCreateCommandPool=-1", -ENOMEM, "out-of-memory" },
};

class VulkanThereFails : public Vulkan,
			 public testing::WithParamInterface<FailCase>
{
};

TEST_P(VulkanThereFails, SaysWhyAndLeavesTheCallersDevice)
{
	MakeDevice();
	fake.add(GetParam().script);
	ExpectThereRefused(GetParam().want, GetParam().id);
	EXPECT_EQ(fake.count("devices"), 1);
	EXPECT_EQ(fake.count("instances"), 1);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanThereFails, testing::ValuesIn(borrowed),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Vulkan, CallersDeviceWithoutTheExtension)
{
	MakeDevice(false);
	ExpectThereRefused(-EOPNOTSUPP, "vulkan-unsupported");
	EXPECT_NE(strstr(cause.text, "VK_KHR_external_memory_fd"), nullptr)
		<< cause.text;
}

struct BadDevice {
	const char *name;
	void (*spoil)(devrx_vulkan_device &);
};

const BadDevice bad_devices[] = {
	{ "Size", [](devrx_vulkan_device &vk) { vk.size = 8; } },
	{ "Instance", [](devrx_vulkan_device &vk) { vk.instance = nullptr; } },
	{ "PhysicalDevice",
	  [](devrx_vulkan_device &vk) { vk.physical_device = nullptr; } },
	{ "Device", [](devrx_vulkan_device &vk) { vk.device = nullptr; } },
	{ "GetInstanceProcAddr",
	  [](devrx_vulkan_device &vk) {
		  vk.get_instance_proc_addr = nullptr;
	  } },
	{ "QueueFamily", [](devrx_vulkan_device &vk) { vk.queue_family = 2; } },
	{ "Flags", [](devrx_vulkan_device &vk) { vk.flags = 2; } },
};

class VulkanBadDevice : public Vulkan,
			public testing::WithParamInterface<BadDevice>
{
};

TEST_P(VulkanBadDevice, IsRefused)
{
	MakeDevice();
	const devrx_vulkan_device good = vk;

	GetParam().spoil(vk);
	ExpectThereRefused(-EINVAL, "opts-invalid");
	vk = good;
}

INSTANTIATE_TEST_SUITE_P(All, VulkanBadDevice, testing::ValuesIn(bad_devices),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Vulkan, ThereTakesNoDeviceNoFlagsAndNoNull)
{
	devrx_memory_opts opts = Opts();
	devrx_memory *mem = Untouched();

	MakeDevice();
	opts.kind = nullptr;
	opts.device = "0";
	EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	opts.device = nullptr;
	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, &opts), -EINVAL);
	opts.flags = 0;
	opts.len = 0;
	EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "memory-len");
	EXPECT_EQ(devrx_vulkan_alloc(&mem, nullptr, &opts), -EINVAL);
	EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, nullptr), -EINVAL);
	EXPECT_EQ(mem, Untouched());
}

TEST_F(Vulkan, HugePagesAreTheDrivers)
{
	devrx_memory_opts opts = Opts();

	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	ExpectRefused(opts, -EOPNOTSUPP, "hugetlb-unsupported");
}

/* lavapipe's way to make dmabufs is not there: the cause says so. */
TEST_F(Vulkan, CpuDeviceWithoutUdmabuf)
{
	fake.script("type0=4 type1=4 without=export");
	Outcome out = InChild([&](Outcome &o) {
		devrx_memory_opts opts = Good("vulkan", &o.cause);
		devrx_memory *mem = nullptr;

		if (PrivateDev(o))
			o.rc = devrx_memory_alloc(&mem, &opts);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EOPNOTSUPP);
	EXPECT_STREQ(out.cause.id, "vulkan-no-export");
	EXPECT_NE(strstr(out.cause.text, "no /dev/udmabuf"), nullptr)
		<< out.cause.text;
	EXPECT_EQ(strncmp(out.cause.next, "modprobe udmabuf", 16), 0);
}

TEST_F(Vulkan, RenderNodeThatMayNotBeOpened)
{
	fake.script("devices=1");
	Outcome out = InChild([&](Outcome &o) {
		devrx_memory_opts opts = Good("vulkan", &o.cause);
		devrx_memory *mem = nullptr;

		if (!PrivateDev(o) || mkdir("/dev/dri", 0755) ||
		    !WriteFile("/dev/dri/renderD128", "") ||
		    chmod("/dev/dri/renderD128", 0) || !ObeyFileModes(o))
			return;
		opts.device = "1";
		o.rc = devrx_memory_alloc(&mem, &opts);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EACCES);
	EXPECT_STREQ(out.cause.id, "vulkan-access");
	EXPECT_NE(strstr(out.cause.text, "renderD128"), nullptr);
}

} // namespace
