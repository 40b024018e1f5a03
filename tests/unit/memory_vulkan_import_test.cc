// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" on a fake driver: somebody else's dmabuf. What needs a real one is
 * skipped where /dev/udmabuf is missing; it runs in the VM.
 */
#include "memory_vulkan_support.h"

#include <cstring>
#include <vector>

using namespace memory_support;

namespace
{

class VulkanImport : public Vulkan
{
      protected:
	void ExpectImportRefused(int fd, const devrx_vulkan_device *from,
				 uint64_t len, int want, const char *id)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = Untouched();
		const int fds = OpenFds();

		cause = {};
		opts.len = len;
		opts.cause = &cause;
		EXPECT_EQ(devrx_vulkan_import(&mem, fd, from, &opts), want);
		EXPECT_EQ(mem, Untouched());
		EXPECT_STREQ(cause.id, id) << cause.text;
		EXPECT_EQ(OpenFds(), fds);
	}

	/* A udmabuf of 4 pages; false, with a skip, where there is none. */
	bool MakeDmabuf(Memory *ret)
	{
		devrx_memory_opts opts = Good("udmabuf", &cause);
		devrx_memory *mem = nullptr;

		opts.len = 4 * PageLen();
		if (devrx_memory_alloc(&mem, &opts))
			return false;
		ret->reset(mem);
		return true;
	}
};

TEST_F(VulkanImport, IsNoDmabuf)
{
	int pipe_fds[2];

	ASSERT_EQ(pipe(pipe_fds), 0);
	ExpectImportRefused(pipe_fds[0], nullptr, 0, -EINVAL, "not-a-dmabuf");
	MakeDevice();
	ExpectImportRefused(pipe_fds[0], &vk, 0, -EINVAL, "not-a-dmabuf");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ExpectImportRefused(pipe_fds[0], nullptr, 0, -EBADF, "not-a-dmabuf");
	ExpectImportRefused(-1, nullptr, 0, -EBADF, "not-a-dmabuf");
	EXPECT_EQ(fake.count("vkAllocateMemory"), 0);
}

TEST_F(VulkanImport, IsThatDmabuf)
{
	Memory from;
	if (!MakeDmabuf(&from))
		GTEST_SKIP() << cause.text;
	devrx_memory *raw = nullptr;
	char in[] = "through one, from the other", out[sizeof(in)] = "";

	ASSERT_EQ(devrx_vulkan_import(&raw, Info(from.get()).dmabuf_fd, nullptr,
				      nullptr),
		  0);
	Memory mem(raw);
	const auto info = Info(raw);

	EXPECT_STREQ(info.kind, "vulkan");
	EXPECT_EQ(info.len, 4 * PageLen());
	EXPECT_NE(info.device_addr, 0u);
	EXPECT_NE(info.dmabuf_fd, Info(from.get()).dmabuf_fd);
	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_NE(strstr(info.proof, "udmabuf"), nullptr) << info.proof;
	EXPECT_EQ(devrx_memory_write(raw, PageLen(), in, sizeof(in)), 0);
	EXPECT_EQ(devrx_memory_read(from.get(), PageLen(), out, sizeof(out)),
		  0);
	EXPECT_STREQ(out, in);
	/* The other half of its life is its own. */
	from.reset();
	EXPECT_EQ(devrx_memory_read(raw, PageLen(), out, sizeof(out)), 0);
	EXPECT_STREQ(out, in);
}

TEST_F(VulkanImport, OnTheCallersDevice)
{
	Memory from;
	if (!MakeDmabuf(&from))
		GTEST_SKIP() << cause.text;
	devrx_memory *raw = nullptr;

	MakeDevice();
	ASSERT_EQ(devrx_vulkan_import(&raw, Info(from.get()).dmabuf_fd, &vk,
				      nullptr),
		  0);
	Memory mem(raw);
	EXPECT_EQ(Handles(mem).device, vk.device);
	EXPECT_EQ(fake.count("devices"), 1);
}

struct ImportFail {
	const char *name;
	const char *script;
	uint64_t len;
	int want;
	const char *id;
};

const ImportFail fails[] = {
	{ "Partial", "", 4096, -EINVAL, "dmabuf-partial" },
	{ "ImportNotOffered", "without=import", 0, -EOPNOTSUPP,
	  "vulkan-no-import" },
	{ "NoTypeForIt", "without=fd-types", 0, -EOPNOTSUPP,
	  "vulkan-no-import" },
	{ "NotThisOne", "vkAllocateMemory=-1000072003", 0, -EOPNOTSUPP,
	  "vulkan-no-import" },
	{ "WantsMoreThanThereIs", "unit=65536", 0, -EOPNOTSUPP,
	  "vulkan-no-import" },
	{ "PropertiesFail", "vkGetMemoryFdPropertiesKHR=-1", 0, -ENOMEM,
	  "out-of-memory" },
	{ "NoBuffer", "vkCreateBuffer=-1", 0, -ENOMEM, "out-of-memory" },
	{ "NoBind", "vkBindBufferMemory=-2", 0, -ENOMEM, "out-of-memory" },
	{ "Lost", "vkAllocateMemory=-4", 0, -EIO, "vulkan-device-lost" },
	{ "NoFence", "vkCreateFence=-1", 0, -ENOMEM, "out-of-memory" },
};

class VulkanImportFails : public VulkanImport,
			  public testing::WithParamInterface<ImportFail>
{
};

TEST_P(VulkanImportFails, SaysWhyAndLeavesNothing)
{
	Memory from;
	if (!MakeDmabuf(&from))
		GTEST_SKIP() << cause.text;
	fake.script(GetParam().script);
	ExpectImportRefused(Info(from.get()).dmabuf_fd, nullptr, GetParam().len,
			    GetParam().want, GetParam().id);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanImportFails, testing::ValuesIn(fails),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* An export that the host sees is mapped, as lavapipe's are. */
TEST_F(VulkanImport, VisibleExportIsMapped)
{
	std::vector<char> in(3 * PageLen(), 'v'), out(in.size());
	Memory probe;

	if (!MakeDmabuf(&probe))
		GTEST_SKIP() << cause.text;
	fake.script("udmabuf=1 visible=1");
	Memory mem = Alloc(in.size());
	ASSERT_TRUE(mem);
	ASSERT_NE(Info(mem.get()).host_addr, nullptr);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, in.data(), in.size()), 0);
	EXPECT_EQ(memcmp(Info(mem.get()).host_addr, in.data(), in.size()), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, out.data(), out.size()), 0);
	EXPECT_EQ(in, out);
	/* No queue was needed, and none is taken. */
	EXPECT_EQ(fake.count("vkQueueSubmit"), 0);
	EXPECT_EQ(fake.count("pools"), 0);
}

} // namespace
