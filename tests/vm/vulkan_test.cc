// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" against real zcrx, on Mesa's lavapipe, a Vulkan device on the CPU:
 * what the NIC brings, shaders process where it lies. The validation layer
 * watches, and has nothing to say.
 */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "support_vulkan_vm.h"

namespace
{

using namespace vm;

TEST_F(VulkanVm, OfItsOwnDeviceIsHostMemoryAndSaysSo)
{
	ASSERT_EQ(make_memory(&mem, "vulkan", 4 * MiB + 1), outcome(0));
	const MemoryInfo info = memory_info(mem);

	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_NE(strstr(info.proof, "llvmpipe"), nullptr) << info.proof;
	EXPECT_NE(strstr(info.proof,
			 "a CPU: exporter udmabuf, which has only host memory"),
		  nullptr)
		<< info.proof;
	EXPECT_EQ(off_t(info.len), lseek(info.dmabuf_fd, 0, SEEK_END));
	EXPECT_GE(info.len, 4 * MiB + 1);
	EXPECT_NE(info.device_addr, 0u);
	EXPECT_NE(info.host_addr, nullptr);
	EXPECT_EQ(devrx_vulkan_check(mem.get(), nullptr), 0);
}

/* The library's own instance and device, under the validation layer too. */
TEST_F(VulkanVm, InfoPrintsItAndTheLayerIsSilent)
{
	std::string out(16384, '\0');
	FILE *pipe = popen("VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation "
			   "devrx info --memory vulkan 2>&1",
			   "r");

	ASSERT_NE(pipe, nullptr);
	out.resize(fread(out.data(), 1, out.size(), pipe));
	EXPECT_EQ(pclose(pipe), 0) << out;
	EXPECT_NE(out.find("placement   host: llvmpipe"), out.npos) << out;
	EXPECT_NE(out.find("yes vulkan"), out.npos) << out;
	EXPECT_EQ(out.find("Validation"), out.npos) << out;
	EXPECT_EQ(out.find("VUID"), out.npos) << out;
}

TEST_F(VulkanVm, SixtyFourConnectionsEveryByteInOrder)
{
	ASSERT_EQ(make_memory(&mem, "vulkan", 32 * MiB), outcome(0));
	ASSERT_EQ(open(), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));
	EXPECT_EQ(transfer(rx, mem, MiB, 64), "");
}

TEST_F(VulkanVm, ShadersProcess256MiBInAnAreaOf16)
{
	ASSERT_EQ(alloc(16 * MiB), outcome(0));
	ASSERT_EQ(open(), outcome(0));
	stream(4, 4, 16 * MiB);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

/* A system heap's dmabuf, and a udmabuf whose pages do not touch each other. */
TEST_F(VulkanVm, ShadersProcessAnImportedDmabuf)
{
	Fd heap(::open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC));
	dma_heap_allocation_data data = {};

	ASSERT_GE(heap.get(), 0);
	data.len = 8 * MiB;
	data.fd_flags = O_RDWR | O_CLOEXEC;
	ASSERT_EQ(ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &data), 0);
	const Fd from(int(data.fd));
	const Fd scattered(raw_udmabuf(8 * MiB));
	ASSERT_GE(scattered.get(), 0);

	for (const Fd *fd : { &from, &scattered }) {
		ASSERT_EQ(import(fd->get()), outcome(0));
		EXPECT_EQ(memory_info(mem).placement,
			  uint32_t(DEVRX_PLACEMENT_HOST));
		EXPECT_EQ(memory_info(mem).len, 8 * MiB);
		ASSERT_EQ(open(), outcome(0));
		stream(1, 2, 8 * MiB);
		rx.reset();
		q.reset();
		device->clear();
		ASSERT_TRUE(queue_is_free());
	}
}

/* An address reaches what no descriptor does: no windows are needed. */
TEST_F(VulkanVm, ShaderReachesBeyondTheRangeOfADescriptor)
{
	constexpr uint64_t len = 160 * MiB, at = 150 * MiB + 13;
	devrx_kernel_args args = {};
	char bytes[1000];
	uint64_t sum = 0, want = 0;
	devrx_desc desc = {};

	const char *series = getenv("DEVRX_KERNEL_SERIES");
	const Outcome got = alloc(len);
	if (got.err && series && !strcmp(series, "7.2"))
		GTEST_SKIP() << "Linux 7.2 has a limit of 64 MiB for a "
				"udmabuf: "
			     << got.text;
	ASSERT_EQ(got, outcome(0));
	for (size_t i = 0; i < sizeof(bytes); i++)
		want += uint8_t(bytes[i] = char(i * 7 + 1));
	ASSERT_EQ(devrx_memory_write(mem.get(), at, bytes, sizeof(bytes)), 0);
	desc.source = at;
	desc.length = sizeof(bytes);
	args.records = device->put(&desc, sizeof(desc), 0);
	args.nr_records = 1;
	args.source = memory_info(mem).device_addr;
	args.out = device->put(&sum, sizeof(sum), 0);
	const uint64_t value = device->submit(
		{ { kernels::SUM, args, 1 } },
		[&](void *to) {
			EXPECT_EQ(devrx_vulkan_acquire(mem.get(), to, at,
						       sizeof(bytes)),
				  0);
		},
		[&](void *to) {
			EXPECT_EQ(devrx_vulkan_release(mem.get(), to, at,
						       sizeof(bytes)),
				  0);
		});
	ASSERT_NE(value, 0u);
	ASSERT_TRUE(device->wait(value));
	device->get(args.out, &sum, sizeof(sum));
	EXPECT_EQ(sum, want);
}

/* lavapipe exports by /dev/udmabuf: without it there is a cause. */
TEST_F(VulkanVm, WithoutUdmabufThereIsNoExport)
{
	ASSERT_EQ(rename("/dev/udmabuf", "/dev/udmabuf.away"), 0);
	const Defer back([] { rename("/dev/udmabuf.away", "/dev/udmabuf"); });
	const Outcome got = make_memory(&mem, "vulkan", MiB);

	EXPECT_EQ(got, outcome(-EOPNOTSUPP, "vulkan-no-export"));
	EXPECT_NE(strstr(got.text, "/dev/udmabuf"), nullptr) << got.text;
}

} /* namespace */
