// SPDX-License-Identifier: MIT
/*
 * When memory of kind "cuda" counts as device memory: only where CUDA and the
 * kernel both say so. The exporter's name is the test's; no fake may have it.
 */
#include "memory_cuda_support.h"

#include <cstring>

extern "C" {
#include "memory/cuda_memory.h"
}

using namespace memory_support;

namespace
{

struct PlaceCase {
	const char *name;
	const char *exporter;
	bool managed;
	uint32_t want;
	const char *proof; /* a part of it */
};

const PlaceCase places[] = {
	{ "Nvidia", "nv_dmabuf", false, DEVRX_PLACEMENT_DEVICE,
	  "registered: device memory to CUDA, exporter nv_dmabuf" },
	{ "NvidiaButManaged", "nv_dmabuf", true, DEVRX_PLACEMENT_UNKNOWN,
	  "CUDA does not call it device memory" },
	{ "NvidiasModule", "nvidia", false, DEVRX_PLACEMENT_UNKNOWN,
	  "not NVIDIA's" },
	{ "NvidiasDrm", "nvidia_drm", false, DEVRX_PLACEMENT_UNKNOWN,
	  "not NVIDIA's" },
	{ "AnotherDrm", "drm", false, DEVRX_PLACEMENT_UNKNOWN, "not NVIDIA's" },
	{ "Vram", "devrx_vram", false, DEVRX_PLACEMENT_HOST,
	  "only host memory" },
	{ "Udmabuf", "udmabuf", false, DEVRX_PLACEMENT_HOST,
	  "only host memory" },
	{ "Nobody", nullptr, false, DEVRX_PLACEMENT_UNKNOWN, "cannot be read" },
	{ "NameAsLongAsTheyGet", "a-name-of-forty-characters-less-the-end",
	  false, DEVRX_PLACEMENT_UNKNOWN, "not NVIDIA's" },
};

class CudaPlace : public Cuda, public testing::WithParamInterface<PlaceCase>
{
};

TEST_P(CudaPlace, NeedsTheWordOfBoth)
{
	struct drx_cuda_memory m = {};
	devrx_backing backing = {};

	(void)Context(0);
	ASSERT_EQ(drx_cuda_load(&m.cu, &cause), 0);
	ASSERT_EQ(GetParam().managed ? fake.MemAllocManaged(&m.addr, Unit, 1) :
				       fake.MemAlloc(&m.addr, Unit),
		  0);
	/* As long as CUDA's names get: the proof must still have its end. */
	memset(m.name, 'N', sizeof(m.name) - 1);
	drx_cuda_place(&m, GetParam().exporter, &backing);
	EXPECT_EQ(backing.placement, GetParam().want) << backing.proof;
	EXPECT_NE(strstr(backing.proof, GetParam().proof), nullptr)
		<< backing.proof;
	drx_cuda_unload(&m.cu);
}

INSTANTIATE_TEST_SUITE_P(All, CudaPlace, testing::ValuesIn(places),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
