// SPDX-License-Identifier: MIT
/*
 * The device ring on a GPU. The lanes are streams that do not wait for the
 * default one, for a kernel that keeps running would hold up whatever does.
 */
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "gpu/gpu.h"
#include "gpu/ring.h"

namespace
{

struct Event {
	const CudaDriver *cu;
	CUevent event;
};

int poll_event(void *object)
{
	const auto *e = static_cast<Event *>(object);
	const CUresult rc = e->cu->cuEventQuery(e->event);

	if (rc == CUDA_ERROR_NOT_READY)
		return -EAGAIN;
	return rc ? -EIO : 0;
}

class GpuRing : public RingDevice
{
      public:
	explicit GpuRing(Gpu &g) : gpu(g)
	{
		for (CUstream &lane : lanes)
			gpu.must(gpu.cu.cuStreamCreate(&lane,
						       CU_STREAM_NON_BLOCKING),
				 "cuStreamCreate");
	}

	void *share(size_t len, uint64_t *device) override
	{
		CUdeviceptr at;
		void *host;

		gpu.must(gpu.cu.cuMemHostAlloc(&host, len,
					       CU_MEMHOSTALLOC_DEVICEMAP),
			 "cuMemHostAlloc");
		gpu.must(gpu.cu.cuMemHostGetDevicePointer(&at, host, 0),
			 "cuMemHostGetDevicePointer");
		pinned.push_back(host);
		*device = at;
		return host;
	}

	uint64_t new_result() override
	{
		const consumer_result zeros = {};

		return gpu.put(&zeros, sizeof(zeros), 0);
	}

	consumer_result result(uint64_t at) override
	{
		consumer_result r;

		gpu.get(at, &r, sizeof(r));
		return r;
	}

	void consume(const consumer_args &args) override
	{
		launch(gpu.consume, args, 1, 0);
	}

	void consume_batch(const consumer_args &args, unsigned lane) override
	{
		launch(gpu.consume_batch, args, 2, lane);
	}

	devrx_fence fence(unsigned lane) override
	{
		CUevent event;

		gpu.must(gpu.cu.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING),
			 "cuEventCreate");
		gpu.must(gpu.cu.cuEventRecord(event, lanes[lane]),
			 "cuEventRecord");
		events.push_back({ &gpu.cu, event });
		return devrx_fence_poll(poll_event, &events.back(),
					lanes[lane]);
	}

	bool store(uint64_t word, uint32_t value, unsigned lane) override
	{
		if (!gpu.cu.cuStreamWriteValue32)
			return false;
		gpu.must(gpu.cu.cuStreamWriteValue32(lanes[lane], word, value,
						     0),
			 "cuStreamWriteValue32");
		return true;
	}

	void wait() override
	{
		for (CUstream lane : lanes)
			gpu.must(gpu.cu.cuStreamSynchronize(lane),
				 "consumers of the ring");
	}

	void clear() override
	{
		for (const Event &e : events)
			gpu.must(gpu.cu.cuEventDestroy(e.event),
				 "cuEventDestroy");
		for (void *host : pinned)
			gpu.must(gpu.cu.cuMemFreeHost(host), "cuMemFreeHost");
		events.clear();
		pinned.clear();
		gpu.clear();
	}

      private:
	void launch(CUfunction f, const consumer_args &args, unsigned blocks,
		    unsigned lane)
	{
		void *parameters[] = { (void *)&args };

		gpu.must(gpu.cu.cuLaunchKernel(
				 f, blocks, 1, 1, CONSUMER_THREADS, 1, 1, 0,
				 lanes[lane], parameters, nullptr),
			 "cuLaunchKernel");
	}

	Gpu &gpu;
	CUstream lanes[2];
	std::vector<void *> pinned;
	std::deque<Event> events; /* their addresses stay */
};

} // namespace

int check_ring(Gpu &gpu, bool everything)
{
	const struct {
		const char *name;
		Release how;
		bool beside; /* the host works beside a kernel that runs */
	} releases[] = {
		{ "gpu/ring-release-by-head", Release::HEAD, true },
		{ "gpu/ring-release-by-event", Release::EVENT, false },
		{ "gpu/ring-release-by-stream-word", Release::WORD, false },
	};
	const uint64_t total = everything ? 500000 : 2000;
	GpuRing device(gpu);
	int failed = 0;
	double rate;

	failed |= result_of("gpu/ring-full-before-the-launch",
			    check_rate(device, { ring_records, true, true },
				       &rate));
	if (everything) {
		failed |= result_of(
			"gpu/ring-full-rate",
			check_rate(device, { 50000000, false, false }, &rate));
		failed |= result_of(
			"gpu/ring-full-rate-windows",
			check_rate(device, { 50000000, true, false }, &rate));
	}
	for (const auto &r : releases) {
		std::string error;

		/* A tool may let the host wait for each launch's end. */
		if (r.beside && !everything)
			continue;
		error = check_release(device, r.how, total, false);
		if (error == "-")
			printf("skip %s: the driver has no "
			       "cuStreamWriteValue32_v2 (CUDA 11.7)\n",
			       r.name);
		else
			failed |= result_of(r.name, error);
	}
	return failed;
}

double ring_rate(Gpu &gpu)
{
	std::vector<double> rates;
	GpuRing device(gpu);

	for (int i = 0; i < 6; i++) {
		double rate;
		const std::string error =
			check_rate(device, { 40000000, false, false }, &rate);

		if (!error.empty()) {
			printf("not ok bench: the ring: %s\n", error.c_str());
			exit(1);
		}
		if (i) /* the first one warms up */
			rates.push_back(rate);
	}
	std::sort(rates.begin(), rates.end());
	return rates[rates.size() / 2];
}
