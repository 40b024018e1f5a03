// SPDX-License-Identifier: MIT
/* Kind "cuda" on a fake driver: copies in the background. */
#include "memory_cuda_support.h"

#include <vector>

extern "C" {
#include "memory/memory.h"
}

using namespace memory_support;

namespace
{

constexpr size_t Piece = 4096;

class CudaUpload : public Cuda
{
      protected:
	void SetUp() override
	{
		Cuda::SetUp();
		ctx = Context(0);
		mem = Alloc();
		ASSERT_TRUE(mem);
		provider = drx_memory_provider(mem.get(), &backing);
		ASSERT_TRUE(provider->upload);
		for (size_t i = 0; i < buf.size(); i++)
			buf[i] = static_cast<unsigned char>(i * 7 + i / 251);
	}

	void TearDown() override
	{
		mem.reset();
		EXPECT_EQ(fake.count("pinned"), 0);
		Cuda::TearDown();
	}

	int Begin()
	{
		return provider->upload_begin(backing, buf.data(), buf.size(),
					      4);
	}

	int Upload(size_t piece)
	{
		return provider->upload(backing, piece * Piece,
					buf.data() + piece * Piece, Piece);
	}

	bool IsThere(size_t piece)
	{
		std::vector<unsigned char> got(Piece);

		EXPECT_EQ(provider->read(backing, piece * Piece, got.data(),
					 Piece),
			  0);
		return !memcmp(got.data(), buf.data() + piece * Piece, Piece);
	}

	void *ctx = nullptr;
	Memory mem;
	const devrx_provider *provider = nullptr;
	devrx_backing *backing = nullptr;
	std::vector<unsigned char> buf = std::vector<unsigned char>(64 * Piece);
};

TEST_F(CudaUpload, ABatchIsDoneWhenItsCopiesAre)
{
	fake.add("late=3");
	ASSERT_EQ(Begin(), 0);
	EXPECT_EQ(fake.count("pinned"), 1);
	EXPECT_EQ(fake.count("events"), 4);
	ASSERT_EQ(Upload(0), 0);
	ASSERT_EQ(Upload(1), 0);
	ASSERT_EQ(provider->upload_mark(backing, 0), 0);
	EXPECT_EQ(provider->upload_wait(backing, 0, 0), -EAGAIN);
	EXPECT_EQ(provider->upload_wait(backing, 0, 0), -EAGAIN);
	/* It is not there yet, so what is written now is what comes. */
	buf[0] = 77;
	EXPECT_EQ(provider->upload_wait(backing, 0, 0), 0);
	EXPECT_TRUE(IsThere(0));
	EXPECT_TRUE(IsThere(1));
	provider->upload_end(backing);
	EXPECT_EQ(fake.count("events"), 0);
}

TEST_F(CudaUpload, WaitsForOneBatchAndNotTheNext)
{
	fake.add("late=1000");
	ASSERT_EQ(Begin(), 0);
	for (unsigned int batch = 0; batch < 4; batch++) {
		ASSERT_EQ(Upload(batch), 0);
		ASSERT_EQ(provider->upload_mark(backing, batch), 0);
	}
	EXPECT_EQ(provider->upload_wait(backing, 0, 1), 0);
	EXPECT_EQ(provider->upload_wait(backing, 1, 0), -EAGAIN);
	EXPECT_EQ(fake.count("cuStreamSynchronize"), 0);
	EXPECT_EQ(provider->upload_wait(backing, 1, 1), 0);
	/* The other two are given up, and done before the buffers go. */
	provider->upload_end(backing);
	for (size_t piece = 0; piece < 4; piece++)
		EXPECT_TRUE(IsThere(piece)) << piece;
}

/* A batch's number is used again. */
TEST_F(CudaUpload, AgainAndAgain)
{
	fake.add("late=1000");
	ASSERT_EQ(Begin(), 0);
	for (unsigned int i = 0; i < 64; i++) {
		ASSERT_EQ(Upload(i), 0);
		ASSERT_EQ(provider->upload_mark(backing, i % 4), 0);
		EXPECT_EQ(provider->upload_wait(backing, i % 4, 1), 0);
		EXPECT_TRUE(IsThere(i));
	}
	provider->upload_end(backing);
}

/* Pinning is for speed: without it the driver copies first. */
TEST_F(CudaUpload, PinningRefused)
{
	fake.add("cuMemHostRegister=801");
	ASSERT_EQ(Begin(), 0);
	EXPECT_EQ(fake.count("pinned"), 0);
	ASSERT_EQ(Upload(3), 0);
	ASSERT_EQ(provider->upload_mark(backing, 0), 0);
	EXPECT_EQ(provider->upload_wait(backing, 0, 1), 0);
	EXPECT_TRUE(IsThere(3));
	provider->upload_end(backing);
	EXPECT_EQ(fake.count("cuMemHostUnregister"), 0);
}

TEST_F(CudaUpload, NoEvent)
{
	fake.add("cuEventCreate=2@3");
	EXPECT_EQ(Begin(), -ENOMEM);
	EXPECT_EQ(fake.count("events"), 0);
	EXPECT_EQ(fake.count("pinned"), 0);
}

TEST_F(CudaUpload, CopyRefused)
{
	ASSERT_EQ(Begin(), 0);
	fake.add("cuMemcpyHtoDAsync=1");
	EXPECT_EQ(Upload(0), -EINVAL);
	provider->upload_end(backing);
}

/* Nothing is at work after a mark that was refused. */
TEST_F(CudaUpload, MarkRefused)
{
	ASSERT_EQ(Begin(), 0);
	ASSERT_EQ(Upload(0), 0);
	fake.add("late=1000 cuEventRecord=2");
	EXPECT_EQ(provider->upload_mark(backing, 0), -ENOMEM);
	EXPECT_EQ(fake.count("cuStreamSynchronize"), 1);
	provider->upload_end(backing);
}

/* Beside a capture in the default mode, as devrx_cuda_event_poll(). */
TEST_F(CudaUpload, WhileAGraphIsCaptured)
{
	fake.add("capture=1 late=1");
	ASSERT_EQ(Begin(), 0);
	ASSERT_EQ(Upload(0), 0);
	ASSERT_EQ(provider->upload_mark(backing, 0), 0);
	EXPECT_EQ(provider->upload_wait(backing, 0, 0), 0);
	provider->upload_end(backing);
}

TEST_F(CudaUpload, DeviceIsLost)
{
	ASSERT_EQ(Begin(), 0);
	ASSERT_EQ(Upload(0), 0);
	ASSERT_EQ(provider->upload_mark(backing, 0), 0);
	fake.add("lost=214");
	EXPECT_EQ(provider->upload_wait(backing, 0, 1), -EIO);
	EXPECT_LT(Upload(1), 0);
	EXPECT_LT(provider->upload_mark(backing, 1), 0);
	provider->upload_end(backing);
	fake.script("backing=memfd");
	ForgetContext();
}

} // namespace
