// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" on a fake driver: what is made of it, which device and memory it
 * takes, copies, fences, a lost device, a fork.
 */
#include "memory_vulkan_support.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

extern "C" {
#include "memory/vulkan_memory.h"
}

using namespace memory_support;

namespace
{

/* The whole program has the fake: a real driver is not for its sanitizers. */
const FakeVulkan everywhere = [] {
	FakeVulkan fake;

	if (!getenv("DEVRX_TEST_NO_FAKE") &&
	    !fake.load(DEVRX_FAKE_VULKAN_DIR "/libvulkan.so.1"))
		abort();
	return fake;
}();

TEST_F(Vulkan, IsADmabufWithAnAddress)
{
	Memory mem = Alloc(3 * PageLen() + 1);
	ASSERT_TRUE(mem);
	const auto info = Info(mem.get());
	const auto h = Handles(mem);

	EXPECT_STREQ(info.kind, "vulkan");
	EXPECT_EQ(info.len, 4 * PageLen());
	EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END), off_t(info.len));
	EXPECT_TRUE(fcntl(info.dmabuf_fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_NE(info.device_addr, 0u);
	EXPECT_EQ(info.host_addr, nullptr);
	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_UNKNOWN));
	EXPECT_EQ(strncmp(info.proof, "devrx fake Vulkan 0, a discrete GPU",
			  35),
		  0)
		<< info.proof;
	EXPECT_EQ(h.address, info.device_addr);
	EXPECT_NE(h.buffer, 0u);
	EXPECT_NE(h.memory, 0u);
	EXPECT_NE(h.queue, nullptr);
	EXPECT_EQ(h.queue_family, 1u);
	EXPECT_EQ(h.queue_index, 0u);
	EXPECT_EQ(h.external_family, VK_QUEUE_FAMILY_FOREIGN_EXT);
	EXPECT_EQ(h.memory_flags,
		  uint32_t(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT));
	EXPECT_EQ(h.get_instance_proc_addr,
		  reinterpret_cast<devrx_vulkan_get_proc>(
			  fake.GetInstanceProcAddr));
}

/* What a user would think of: each is refused, with the struct as it was. */
TEST_F(Vulkan, HandlesOfAnotherKindOrTooSmall)
{
	devrx_memory_opts opts = Good("host", &cause);
	struct devrx_vulkan_handles h = {};
	devrx_memory *raw = nullptr;
	Memory mem = Alloc();

	ASSERT_EQ(devrx_memory_alloc(&raw, &opts), 0);
	Memory host(raw);
	h.size = sizeof(h);
	EXPECT_EQ(devrx_vulkan_handles(raw, &h), -EINVAL);
	EXPECT_EQ(devrx_vulkan_acquire(raw, nullptr, 0, 0), -EINVAL);
	EXPECT_EQ(devrx_vulkan_release(raw, nullptr, 0, 0), -EINVAL);
	EXPECT_EQ(devrx_vulkan_check(raw, &cause), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	h.size = sizeof(h) - 8;
	EXPECT_EQ(devrx_vulkan_handles(mem.get(), &h), -EINVAL);
	EXPECT_EQ(h.device, nullptr);
}

struct NameCase {
	const char *name;
	const char *script;
	const char *device;
	int want; /* the fake's index, or -1 */
};

const NameCase names[] = {
	{ "FirstThatIsNoCpu", "type0=4", nullptr, 1 },
	{ "FirstWhereAllAreCpus", "type0=4 type1=4", nullptr, 0 },
	{ "Index", "", "1", 1 },
	{ "IndexOfACpu", "type0=4", "0", 0 },
	{ "IndexTooHigh", "", "2", -1 },
	{ "IndexWithMore", "", "1x", -1 },
	{ "NegativeIndex", "", "-1", -1 },
	{ "Nothing", "", "", -1 },
	{ "Uuid", "", "11111111-1111-1111-1111-111111111111", 1 },
	{ "UuidAsNvidiaWritesIt", "",
	  "GPU-11111111-1111-1111-1111-111111111111", 1 },
	{ "UuidOfNobody", "", "GPU-12111111-1111-1111-1111-111111111111", -1 },
	{ "PciAddress", "", "0000:3c:00.0", 1 },
	{ "PciAddressOfNobody", "", "0000:3d:00.0", -1 },
	{ "PciAddressWithMore", "", "0000:3c:00.0.1", -1 },
};

class VulkanName : public Vulkan, public testing::WithParamInterface<NameCase>
{
};

TEST_P(VulkanName, FindsItsDevice)
{
	devrx_memory_opts opts = Opts();

	fake.script(GetParam().script);
	opts.device = GetParam().device;
	if (GetParam().want < 0) {
		ExpectRefused(opts, -ENODEV, "vulkan-no-device");
		return;
	}
	Memory mem = Alloc(PageLen(), GetParam().device);
	ASSERT_TRUE(mem);
	EXPECT_EQ(Info(mem.get()).proof[18], '0' + GetParam().want)
		<< Info(mem.get()).proof;
}

INSTANTIATE_TEST_SUITE_P(All, VulkanName, testing::ValuesIn(names),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

constexpr uint32_t own = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr uint32_t seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
			  VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

struct TypeCase {
	const char *name;
	const char *script;
	uint64_t len;
	uint32_t want;
};

const TypeCase types[] = {
	{ "OwnAndSeenFirst", "visible=1", 4096, own | seen },
	{ "OwnWhereNoneIsSeen", "visible=0", 4096, own },
	{ "OwnWhereTheBarIsTooSmall", "visible=1 bar=1", 2 << 20, own },
	{ "OwnWhereTheBarIsFull", "visible=1 vkAllocateMemory@1=-2", 4096,
	  own },
	{ "OwnWhereTheBarCannotBeBound", "visible=1 vkBindBufferMemory@1=-2",
	  4096, own },
	{ "HostsWhereTheDeviceHasNone", "local=0 visible=1", 4096, seen },
};

class VulkanType : public Vulkan, public testing::WithParamInterface<TypeCase>
{
};

TEST_P(VulkanType, IsTheBestThatThereIs)
{
	fake.script(GetParam().script);
	Memory mem = Alloc(GetParam().len);
	ASSERT_TRUE(mem);
	EXPECT_EQ(Handles(mem).memory_flags &
			  ~uint32_t(VK_MEMORY_PROPERTY_HOST_CACHED_BIT),
		  GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanType, testing::ValuesIn(types),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* A full device is not quietly host memory. */
TEST_F(Vulkan, FullDeviceIsOutOfMemory)
{
	fake.script("visible=1 vkAllocateMemory@1=-2 vkAllocateMemory@2=-2");
	ExpectRefused(Opts(), -ENOMEM, "out-of-memory");
}

/* A driver that rounds: the buffer is as long as what the NIC may write. */
TEST_F(Vulkan, BufferIsAsLongAsTheDmabuf)
{
	fake.script("unit=65536");
	Memory mem = Alloc(3 * 65536 + 1);
	ASSERT_TRUE(mem);
	std::vector<char> in(4 * 65536, 'x'), out(in.size());

	EXPECT_EQ(Info(mem.get()).len, in.size());
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, in.data(), in.size()), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, out.data(), out.size()), 0);
	EXPECT_EQ(in, out);
}

TEST_F(Vulkan, DedicatedWhereTheDriverWantsIt)
{
	/* The fake takes it in no other way. */
	fake.script("dedicated=1");
	Memory mem = Alloc();
	EXPECT_TRUE(mem);
}

/* The host cannot map it: through the staging buffer, and around its end. */
TEST_F(Vulkan, CopiesThroughAStagingBuffer)
{
	const uint64_t len = 1 << 20, off = 1234, nr = (600 << 10) + 7;
	std::vector<char> in(nr), out(nr), all(len);
	Memory mem = Alloc(len);
	ASSERT_TRUE(mem);

	for (size_t i = 0; i < nr; i++)
		in[i] = char(i * 31 + i / 4096 + 1);
	ASSERT_EQ(devrx_memory_write(mem.get(), off, in.data(), nr), 0);
	ASSERT_EQ(devrx_memory_read(mem.get(), off, out.data(), nr), 0);
	EXPECT_EQ(in, out);
	/* And not a byte beside it. */
	ASSERT_EQ(devrx_memory_read(mem.get(), 0, all.data(), len), 0);
	EXPECT_EQ(all[off - 1], 0);
	EXPECT_EQ(all[off + nr], 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), len - 1, out.data(), 2),
		  -ERANGE);
}

/* One queue is the caller's: then devrx has none, and says so. */
TEST_F(Vulkan, NoQueueNoCopies)
{
	char byte = 0;

	fake.script("queues=1");
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EOPNOTSUPP);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -EOPNOTSUPP);
	EXPECT_EQ(fake.count("vkQueueSubmit"), 0);
}

TEST_F(Vulkan, OnTheCallersDevice)
{
	char in = 'x', out = 0;

	MakeDevice();
	Memory mem = AllocThere();
	ASSERT_TRUE(mem);
	Memory second = AllocThere();
	const auto h = Handles(mem);

	EXPECT_EQ(h.device, vk.device);
	EXPECT_EQ(h.queue, nullptr);
	EXPECT_EQ(h.external_family, VK_QUEUE_FAMILY_EXTERNAL);
	EXPECT_EQ(fake.count("devices"), 1);
	EXPECT_EQ(fake.count("instances"), 1);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &in, 1), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &out, 1), 0);
	EXPECT_EQ(out, in);
	mem.reset();
	EXPECT_EQ(fake.count("devices"), 1);
	second.reset();
	EXPECT_EQ(fake.count("devices"), 1);
	vk.flags = DEVRX_VULKAN_F_FOREIGN;
	vk.queue = nullptr;
	mem = AllocThere();
	EXPECT_EQ(Handles(mem).external_family, VK_QUEUE_FAMILY_FOREIGN_EXT);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &out, 1), -EOPNOTSUPP);
}

TEST_F(Vulkan, RangesOfBarriers)
{
	Memory mem = Alloc(2 * PageLen());
	ASSERT_TRUE(mem);
	const uint64_t len = 2 * PageLen();

	/* Refused before anything is recorded, so no command buffer is needed. */
	EXPECT_EQ(devrx_vulkan_acquire(mem.get(), nullptr, len, 0), -ERANGE);
	EXPECT_EQ(devrx_vulkan_acquire(mem.get(), nullptr, 1, len), -ERANGE);
	EXPECT_EQ(devrx_vulkan_release(mem.get(), nullptr, UINT64_MAX, 2),
		  -ERANGE);
	EXPECT_EQ(fake.count("vkCmdPipelineBarrier"), 0);
}

TEST_F(Vulkan, DeviceLostUnderIt)
{
	char byte = 0;
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	EXPECT_EQ(devrx_vulkan_check(mem.get(), &cause), 0) << cause.text;
	fake.add("lost@1=-4");
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EIO);
	EXPECT_EQ(devrx_vulkan_check(mem.get(), &cause), -EIO);
	EXPECT_STREQ(cause.id, "vulkan-device-lost");
	EXPECT_EQ(devrx_vulkan_check(mem.get(), nullptr), -EIO);
}

/* Each step of a copy can be the one that finds out. */
TEST_F(Vulkan, DeviceLostInACopy)
{
	for (const char *call :
	     { "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkQueueSubmit",
	       "vkWaitForFences", "vkResetFences" }) {
		char byte = 0;

		SCOPED_TRACE(call);
		fake.script("");
		Memory mem = Alloc();
		ASSERT_TRUE(mem);
		fake.add((std::string(call) + "=-4").c_str());
		EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EIO);
	}
}

class VulkanPoint : public Vulkan
{
      protected:
	void SetUp() override
	{
		VkSemaphoreCreateInfo info = {};
		VkSemaphore semaphore;

		Vulkan::SetUp();
		MakeDevice();
		ASSERT_EQ(Call<PFN_vkCreateSemaphore>("vkCreateSemaphore")(
				  Device(), &info, nullptr, &semaphore),
			  VK_SUCCESS);
		point.device = vk.device;
		point.semaphore = uint64_t(semaphore);
		point.value = 5;
		point.get_semaphore_counter_value = Call<devrx_vulkan_function>(
			"vkGetSemaphoreCounterValue");
	}

	void TearDown() override
	{
		Call<PFN_vkDestroySemaphore>("vkDestroySemaphore")(
			Device(), VkSemaphore(point.semaphore), nullptr);
		Vulkan::TearDown();
	}

	VkDevice Device()
	{
		return static_cast<VkDevice>(vk.device);
	}

	void Signal(uint64_t value)
	{
		VkSemaphoreSignalInfo info = {};

		info.semaphore = VkSemaphore(point.semaphore);
		info.value = value;
		ASSERT_EQ(Call<PFN_vkSignalSemaphore>(
				  "vkSignalSemaphore")(Device(), &info),
			  VK_SUCCESS);
	}

	devrx_vulkan_point point = {};
};

TEST_F(VulkanPoint, PassesWhenTheCounterReachesIt)
{
	const devrx_fence fence = devrx_vulkan_fence(&point);

	EXPECT_EQ(fence.kind, uint32_t(DEVRX_FENCE_POLL));
	EXPECT_EQ(fence.timeline,
		  reinterpret_cast<const void *>(point.semaphore));
	EXPECT_EQ(fence.poll(fence.object), -EAGAIN);
	Signal(4);
	EXPECT_EQ(fence.poll(fence.object), -EAGAIN);
	Signal(5);
	EXPECT_EQ(fence.poll(fence.object), 0);
	Signal(6);
	EXPECT_EQ(fence.poll(fence.object), 0);
}

TEST_F(VulkanPoint, FailsWithItsDevice)
{
	fake.add("lost@1=-4");
	EXPECT_EQ(devrx_vulkan_point_poll(&point), -EIO);
	fake.script("vkGetSemaphoreCounterValue=-1");
	EXPECT_EQ(devrx_vulkan_point_poll(&point), -ENOMEM);
	fake.script("");
	/* The counter that a lost device leaves is no value that was reached. */
	Signal(UINT64_MAX);
	EXPECT_EQ(devrx_vulkan_point_poll(&point), -EIO);
	point.value = UINT64_MAX;
	EXPECT_EQ(devrx_vulkan_point_poll(&point), 0);
}

TEST_F(Vulkan, ChildHasNoPartInIt)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	Outcome out = InChild([&](Outcome &o) {
		struct devrx_vulkan_handles h = {};
		char byte;

		h.size = sizeof(h);
		o.rc = devrx_vulkan_handles(mem.get(), &h) == -EPERM &&
		       devrx_vulkan_acquire(mem.get(), nullptr, 0, 0) ==
			       -EPERM &&
		       devrx_vulkan_release(mem.get(), nullptr, 0, 0) ==
			       -EPERM &&
		       devrx_memory_read(mem.get(), 0, &byte, 1) == -EPERM &&
		       devrx_vulkan_check(mem.get(), &o.cause) == -EPERM;
		o.extra = devrx_memory_free(mem.get());
		/* The parent's are counted here too: nothing was called. */
		o.rc = o.rc && fake.count("vkFreeMemory") == 0;
	});

	EXPECT_TRUE(out.rc);
	EXPECT_EQ(out.extra, 0);
	EXPECT_STREQ(out.cause.id, "opts-invalid");
	EXPECT_EQ(devrx_vulkan_check(mem.get(), nullptr), 0);
}

/* Two memories share nothing: their owners need no lock. */
TEST_F(Vulkan, ThreadsWithAMemoryEach)
{
	std::vector<std::thread> threads;
	std::atomic<int> good{ 0 };

	for (int t = 0; t < 4; t++)
		threads.emplace_back([&good] {
			devrx_memory_opts opts = Good("vulkan", nullptr);
			devrx_memory *mem = nullptr;
			char byte = 7;

			for (int i = 0; i < 8; i++) {
				const bool ok =
					!devrx_memory_alloc(&mem, &opts) &&
					!devrx_memory_write(mem, 5, &byte, 1) &&
					!devrx_vulkan_check(mem, nullptr) &&
					!devrx_memory_free(mem);
				good += ok;
			}
		});
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(good, 32);
}

TEST_F(Vulkan, ProbeMakesNoDevice)
{
	const devrx_provider *vulkan = devrx_provider_find("vulkan");

	EXPECT_EQ(vulkan->probe(&cause), 0) << cause.text;
	EXPECT_EQ(fake.count("vkCreateDevice"), 0);
	fake.script("without=export");
	EXPECT_EQ(vulkan->probe(&cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "vulkan-no-export");
	EXPECT_EQ(vulkan->probe(nullptr), -EOPNOTSUPP);
}

struct PlaceCase {
	const char *name;
	const char *exporter;
	VkPhysicalDeviceType type;
	uint32_t flags;
	uint32_t want;
	const char *proof; /* a part of it */
};

const PlaceCase places[] = {
	{ "Lavapipe", "udmabuf", VK_PHYSICAL_DEVICE_TYPE_CPU, own | seen,
	  DEVRX_PLACEMENT_HOST, "only host memory" },
	{ "DiscreteGpuByDrm", "drm", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, own,
	  DEVRX_PLACEMENT_UNKNOWN, "may move it to host memory" },
	{ "IntegratedGpu", "i915", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, own,
	  DEVRX_PLACEMENT_UNKNOWN, "an integrated GPU" },
	{ "Nvidia", "nv_dmabuf", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, own,
	  DEVRX_PLACEMENT_UNKNOWN, "exporter nv_dmabuf" },
	{ "NotItsOwn", "drm", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, seen,
	  DEVRX_PLACEMENT_UNKNOWN, "not the device's own" },
	{ "Nobody", nullptr, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, own,
	  DEVRX_PLACEMENT_UNKNOWN, "cannot be read" },
};

class VulkanPlace : public testing::TestWithParam<PlaceCase>
{
};

TEST_P(VulkanPlace, IsWhatTheExporterProves)
{
	struct drx_vulkan_memory m = {};
	devrx_backing backing = {};

	/* As long as names get: the proof must still say why. */
	memset(m.dev.name, 'N', sizeof(m.dev.name) - 1);
	m.dev.type = GetParam().type;
	m.flags = GetParam().flags;
	drx_vulkan_place(&m, GetParam().exporter, &backing);
	EXPECT_EQ(backing.placement, GetParam().want) << backing.proof;
	EXPECT_NE(strstr(backing.proof, GetParam().proof), nullptr)
		<< backing.proof;
}

INSTANTIATE_TEST_SUITE_P(All, VulkanPlace, testing::ValuesIn(places),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* ---- No loader: in a fresh process ---- */

TEST(VulkanAlone, DISABLED_NoLoader)
{
	devrx_cause cause = {};

	ExpectRefused(Good("vulkan", &cause), -ENOENT, "vulkan-missing");
	EXPECT_EQ(devrx_provider_find("vulkan")->probe(&cause), -ENOENT);
	EXPECT_EQ(devrx_vulkan_import(nullptr, -1, nullptr, nullptr), -EBADF);
}

TEST(VulkanMachine, NoLoader)
{
	char dir[] = "/tmp/devrx-vulkan-XXXXXX";
	int status = -1;

	ASSERT_NE(mkdtemp(dir), nullptr);
	const std::string lib = std::string(dir) + "/libvulkan.so.1";
	/* A file that is no library is in front of any that is one. */
	ASSERT_TRUE(WriteFile(lib.c_str(), ""));
	const pid_t pid = fork();

	if (!pid) {
		(void)freopen("/dev/null", "w", stdout);
		(void)setenv("LD_LIBRARY_PATH", dir, 1);
		(void)setenv("DEVRX_TEST_NO_FAKE", "1", 1);
		execl("/proc/self/exe", "memory_test",
		      "--gtest_filter=VulkanAlone.DISABLED_NoLoader",
		      "--gtest_also_run_disabled_tests", nullptr);
		_exit(125);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
	EXPECT_EQ(unlink(lib.c_str()), 0);
	EXPECT_EQ(rmdir(dir), 0);
}

} // namespace
