/* SPDX-License-Identifier: MIT */
/*
 * A program that computes with CUDA on what it receives: batches of fragments become
 * launches of devrx_crc32c on one stream, and go back behind events.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_CUDA_STREAM_H
#define DEVRX_TESTS_VM_SUPPORT_CUDA_STREAM_H

#include <vector>

#include <devrx/desc.h>
#include <devrx/kernels.h>

#include "support_cuda.h"

namespace vm
{

class FakeCudaStream : public FakeCudaVm
{
      protected:
	static constexpr unsigned int batch_max = 512, nr_batches = 8;
	static constexpr unsigned int connections_max = 4;

	/* A context, current; and in it what launches need. */
	void start_device()
	{
		static const uint32_t image = 0xba55ed50;
		void *module = nullptr, *host = nullptr;

		if (!ctx) {
			ASSERT_EQ(fake.Init(0), 0);
			ASSERT_EQ(fake.CtxCreate(&ctx, 0, 0), 0);
		}
		ASSERT_EQ(fake.StreamCreate(&stream, 1), 0);
		ASSERT_EQ(fake.ModuleLoadData(&module, &image), 0);
		ASSERT_EQ(fake.ModuleGetFunction(&crc32c, module,
						 "devrx_crc32c"),
			  0);
		ASSERT_EQ(fake.MemAlloc(&crcs,
					2 * connections_max * sizeof(uint32_t)),
			  0);
		ASSERT_EQ(fake.MemHostAlloc(&host,
					    nr_batches * batch_max *
						    sizeof(devrx_desc),
					    0),
			  0);
		records = static_cast<devrx_desc *>(host);
		for (devrx_cuda_event &event : events) {
			ASSERT_EQ(fake.EventCreate(&event.event, 2), 0);
			event.stream = stream;
		}
	}

	/*
	 * The CRC of connection @conn's stream goes on over these fragments, at most
	 * batch_max. What CUDA said: 0, and then @ret passes when it is done.
	 */
	int launch(unsigned int conn, const std::vector<devrx_fragment> &frags,
		   devrx_fence *ret)
	{
		const unsigned int i = launches % nr_batches;
		devrx_desc *to = &records[i * batch_max];
		devrx_kernel_args args = {};
		void *params[] = { &args };
		int result = fake.EventSynchronize(events[i].event);

		if (result)
			return result;
		EXPECT_GE(devrx_receiver_poll_fences(rx.get()), 0);
		for (const devrx_fragment &frag : frags)
			to[args.nr_records++] = { uint32_t(frag.offset),
						  frag.length, frag.position };
		args.records = reinterpret_cast<uint64_t>(to);
		args.source = memory_info(mem).device_addr;
		args.out = crc_at(conn, ++turns[conn]);
		args.before =
			turns[conn] > 1 ? crc_at(conn, turns[conn] - 1) : 0;
		events[i].mem = mem.get();
		result = fake.MemsetD32Async(args.out, 0, 1, stream);
		if (!result)
			result = fake.LaunchKernel(crc32c, 1, 1, 1,
						   DEVRX_KERNEL_BLOCK, 1, 1, 0,
						   stream, params, nullptr);
		if (!result)
			result = fake.EventRecord(events[i].event, stream);
		*ret = devrx_cuda_fence(&events[i]);
		launches += !result;
		return result;
	}

	/* The CRC of all that was launched for a connection. */
	uint32_t crc_of(unsigned int conn)
	{
		uint32_t crc = 0;

		EXPECT_EQ(fake.StreamSynchronize(stream), 0);
		EXPECT_EQ(fake.MemcpyDtoH(&crc, crc_at(conn, turns[conn]),
					  sizeof(crc)),
			  0);
		return crc;
	}

	/* The next stream of a connection begins. */
	void begin(unsigned int conn)
	{
		turns[conn] = 0;
	}

	unsigned int launches = 0;
	void *stream = nullptr;

      private:
	uint64_t crc_at(unsigned int conn, unsigned int turn) const
	{
		return crcs + (2 * conn + turn % 2) * sizeof(uint32_t);
	}

	void *crc32c = nullptr;
	uint64_t crcs = 0;
	devrx_desc *records = nullptr;
	devrx_cuda_event events[nr_batches] = {};
	unsigned int turns[connections_max] = {};
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_CUDA_STREAM_H */
