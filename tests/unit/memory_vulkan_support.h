/* SPDX-License-Identifier: MIT */
/*
 * For the tests of kind "vulkan": the fake driver as new, a caller's device, and
 * a check that each test leaves nothing behind.
 */
#ifndef MEMORY_VULKAN_SUPPORT_H
#define MEMORY_VULKAN_SUPPORT_H

#include "memory_support.h"

#include <devrx/vulkan.h>

#include "fakes/fake_vulkan.h"

namespace memory_support
{

class Vulkan : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(fake.load(DEVRX_FAKE_VULKAN_DIR "/libvulkan.so.1"))
			<< fake.why();
		fake.script("");
		fds_ = OpenFds();
	}

	/* Whatever the script said, in the end nothing may be left. */
	void TearDown() override
	{
		if (vk.device)
			Call<PFN_vkDestroyDevice>("vkDestroyDevice")(
				static_cast<VkDevice>(vk.device), nullptr);
		if (vk.instance)
			Call<PFN_vkDestroyInstance>("vkDestroyInstance")(
				static_cast<VkInstance>(vk.instance), nullptr);
		for (const char *what :
		     { "instances", "devices", "buffers", "memories", "fences",
		       "pools", "semaphores" })
			EXPECT_EQ(fake.count(what), 0) << what << " leaked";
		EXPECT_EQ(OpenFds(), fds_);
	}

	template <typename T> T Call(const char *name)
	{
		T ret;

		fake.call(&ret, name);
		return ret;
	}

	/* Be a caller with a device of its own; @vk says it. */
	void MakeDevice(bool with_extension = true)
	{
		const char *const extension = "VK_KHR_external_memory_fd";
		VkInstanceCreateInfo ii = {};
		VkDeviceCreateInfo di = {};
		VkInstance instance;
		VkPhysicalDevice physical;
		VkDevice device;
		VkQueue queue;
		uint32_t nr = 1;

		ASSERT_EQ(Call<PFN_vkCreateInstance>(
				  "vkCreateInstance")(&ii, nullptr, &instance),
			  VK_SUCCESS);
		vk.size = sizeof(vk);
		vk.instance = instance;
		ASSERT_EQ(Call<PFN_vkEnumeratePhysicalDevices>(
				  "vkEnumeratePhysicalDevices")(instance, &nr,
								&physical),
			  VK_SUCCESS);
		di.enabledExtensionCount = with_extension;
		di.ppEnabledExtensionNames = &extension;
		ASSERT_EQ(Call<PFN_vkCreateDevice>("vkCreateDevice")(
				  physical, &di, nullptr, &device),
			  VK_SUCCESS);
		Call<PFN_vkGetDeviceQueue>("vkGetDeviceQueue")(device, 1, 0,
							       &queue);
		vk.physical_device = physical;
		vk.device = device;
		vk.queue = queue;
		vk.queue_family = 1;
		vk.get_instance_proc_addr =
			reinterpret_cast<devrx_vulkan_get_proc>(
				fake.GetInstanceProcAddr);
	}

	devrx_memory_opts Opts()
	{
		cause = {};
		return Good("vulkan", &cause);
	}

	Memory Alloc(uint64_t len = PageLen(), const char *device = nullptr)
	{
		devrx_memory_opts opts = Opts();
		devrx_memory *mem = nullptr;

		opts.len = len;
		opts.device = device;
		EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
		return Memory(mem);
	}

	/* On the caller's device. */
	Memory AllocThere(uint64_t len = PageLen())
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		opts.len = len;
		opts.cause = &cause;
		EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, &opts), 0)
			<< cause.text;
		return Memory(mem);
	}

	void ExpectThereRefused(int want, const char *id)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = Untouched();

		cause = {};
		opts.len = PageLen();
		opts.cause = &cause;
		EXPECT_EQ(devrx_vulkan_alloc(&mem, &vk, &opts), want);
		EXPECT_EQ(mem, Untouched());
		EXPECT_STREQ(cause.id, id) << cause.text;
	}

	struct devrx_vulkan_handles Handles(const Memory &mem)
	{
		struct devrx_vulkan_handles h = {};

		h.size = sizeof(h);
		EXPECT_EQ(devrx_vulkan_handles(mem.get(), &h), 0);
		return h;
	}

	FakeVulkan fake;
	devrx_cause cause = {};
	devrx_vulkan_device vk = {};

      private:
	int fds_ = 0;
};

} // namespace memory_support

#endif /* MEMORY_VULKAN_SUPPORT_H */
