// SPDX-License-Identifier: MIT
/*
 * kernel/vram on the real kernel: each fault, the ends of a life, and many
 * streams into it.
 */
#include <atomic>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "support_vram.h"

namespace
{

using namespace vm;

/* ---- Faults ---- */

const int attach_errnos[] = { EIO, ENXIO, EACCES, EBUSY };

TEST_F(Vram, AttachFailsWithTheErrnoThatWasChosen)
{
	for (int err : attach_errnos) {
		const Fd fd =
			alloc(MiB, DEVRX_VRAM_LAYOUT_64K, 0, 0, uint32_t(err));

		ASSERT_EQ(import_memory(&mem, fd.get()), outcome(0));
		EXPECT_EQ(open_on(), outcome(-err, "attach-refused"));
		EXPECT_EQ(info(fd.get()).attached, 0u);
		mem.reset();
	}
}

TEST_F(Vram, MapFailsWithTheErrnoThatWasChosen)
{
	for (int err : attach_errnos) {
		const Fd fd = alloc(MiB, DEVRX_VRAM_LAYOUT_64K, 0, 0, 0,
				    uint32_t(err));

		ASSERT_EQ(import_memory(&mem, fd.get()), outcome(0));
		EXPECT_EQ(open_on(), outcome(-err, "attach-refused"));
		EXPECT_EQ(info(fd.get()).attached, 0u);
		EXPECT_EQ(info(fd.get()).mapped, 0u);
		mem.reset();
	}
}

TEST_F(Vram, FaultsForAllComeFromDebugfsAndGo)
{
	const int64_t before = vram_stats()["injected_faults"];

	ASSERT_EQ(make_vram(&mem, "64k", 8 * MiB), outcome(0));
	for (const char *name : { "fail_attach", "fail_map" }) {
		ASSERT_EQ(set_knob(name, EIO), 0);
		EXPECT_EQ(open_on(0, DEVRX_TIER_ZCRX_DEVICE),
			  outcome(-EIO, "attach-refused"))
			<< name;
		ASSERT_EQ(set_knob(name, 0), 0);
	}
	EXPECT_EQ(vram_stats()["injected_faults"], before + 2);
	EXPECT_EQ(set_knob("fail_map", 512), -EINVAL);
	ASSERT_EQ(open_on(), outcome(0));
	EXPECT_EQ(transfer(rx, mem, MiB, 2), "");
}

TEST_F(Vram, MemoryRunsOut)
{
	ASSERT_EQ(set_knob("fail_alloc", ENOMEM), 0);
	EXPECT_EQ(make_vram(&mem, "64k", MiB),
		  outcome(-ENOMEM, "out-of-memory"));
	ASSERT_EQ(set_knob("fail_alloc", ENOSPC), 0);
	EXPECT_EQ(make_vram(&mem, "64k", MiB), outcome(-ENOSPC, "os-error"));
	ASSERT_EQ(set_knob("fail_alloc", 0), 0);
	EXPECT_EQ(make_vram(&mem, "64k", UINT64_C(1) << 40),
		  outcome(-ENOMEM, "out-of-memory"));
	EXPECT_EQ(make_vram(&mem, "64k", MiB), outcome(0));
}

/* No more than the device has, and all of it again afterwards. */
TEST_F(Vram, TheDevicesOwnMemoryIsTheLimit)
{
	ASSERT_EQ(reload("size_mib=32"), 0);
	for (int round = 0; round < 2; round++) {
		std::vector<Fd> fds;
		devrx_vram_alloc args = {};

		for (int i = 0; i < 8; i++)
			fds.push_back(alloc(4 * MiB, uint32_t(i % 4)));
		args.len = page;
		EXPECT_EQ(call(DEVRX_VRAM_IOC_ALLOC, &args), -ENOMEM);
		EXPECT_EQ(vram_stats()["bytes"], int64_t(32 * MiB));
		EXPECT_EQ(vram_stats()["buffers"], 8);
		fds.pop_back();
		fds.push_back(alloc(4 * MiB));
		fds.clear();
		ASSERT_TRUE(poll_until(patience, is_idle));
	}
	ASSERT_EQ(reload(""), 0);
}

TEST_F(Vram, RevokedItIsGoneForEverybody)
{
	const Fd fd = alloc(8 * MiB);
	char byte = 0;

	ASSERT_EQ(import_memory(&mem, fd.get()), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	EXPECT_EQ(write(fd.get(), 0, &byte, 1), 0);
	EXPECT_EQ(revoke(fd.get()), 0);
	EXPECT_EQ(info(fd.get()).flags, uint32_t(DEVRX_VRAM_INFO_REVOKED));
	EXPECT_EQ(read(fd.get(), 0, &byte, 1), -ENODEV);
	EXPECT_EQ(write(fd.get(), 0, &byte, 1), -ENODEV);
	EXPECT_EQ(fill(fd.get(), 0, 1, 0), -ENODEV);
	EXPECT_EQ(revoke(fd.get()), 0);
	/* A device keeps what it has mapped until it lets go. */
	EXPECT_EQ(info(fd.get()).mapped, 1u);
	rx.reset();
	ASSERT_TRUE(queue_is_free());
	EXPECT_TRUE(
		poll_until(patience, [] { return !vram_stats()["mapped"]; }));
	EXPECT_EQ(open_on(), outcome(-ENODEV, "attach-refused"));
}

TEST_F(Vram, DevrxReadsNothingOfWhatIsRevoked)
{
	char byte = 0;

	ASSERT_EQ(make_vram(&mem, "64k", MiB), outcome(0));
	EXPECT_EQ(devrx_memory_write(mem.get(), 1, "v", 1), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 1, &byte, 1), 0);
	EXPECT_EQ(byte, 'v');
	EXPECT_EQ(devrx_memory_read(mem.get(), MiB, &byte, 1), -ERANGE);
	ASSERT_EQ(revoke(memory_info(mem).dmabuf_fd), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ENODEV);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -ENODEV);
}

/* Copies that run while the memory is revoked end, and none comes after. */
TEST_F(Vram, RevokedWhileCopying)
{
	for (int round = 0; round < 20; round++) {
		const Fd fd = alloc(MiB);
		std::atomic<int> last{ 0 };
		std::atomic<bool> running{ false };
		std::thread copier([&] {
			std::vector<char> data(MiB);

			while (!last) {
				last = write(fd.get(), 0, data.data(), MiB);
				running = true;
			}
		});

		EXPECT_TRUE(
			poll_until(patience, [&] { return running.load(); }));
		EXPECT_EQ(revoke(fd.get()), 0);
		copier.join();
		EXPECT_EQ(last, -ENODEV);
	}
}

/* Everything at once on a few buffers; the kernel's log is the judge. */
TEST_F(Vram, ManyThreadsDoAsTheyLike)
{
	constexpr int slots = 4;
	std::atomic<int> fds[slots];
	std::vector<std::thread> threads;
	std::atomic<int> odd{ 0 };
	const double end = now() + 2;

	for (std::atomic<int> &fd : fds)
		fd = -1;
	for (unsigned int seed = 0; seed < 6; seed++) {
		threads.emplace_back([&, seed] {
			std::vector<char> data(100000);
			std::mt19937 rnd(seed);

			while (now() < end) {
				std::atomic<int> &slot = fds[rnd() % slots];
				const int fd = slot;
				int err = 0;

				switch (rnd() % 6) {
				case 0:
					(void)Fd(slot.exchange(
						alloc(MiB, rnd() % 4,
						      DEVRX_VRAM_F_SHUFFLE,
						      rnd())
							.take()));
					break;
				case 1:
					if (!(rnd() % 8))
						err = revoke(fd);
					break;
				case 2:
					err = fill(fd, rnd() % 900000, 100000,
						   seed);
					break;
				case 3:
					err = write(fd, rnd() % 900000,
						    data.data(), data.size());
					break;
				default:
					err = read(fd, rnd() % 900000,
						   data.data(), data.size());
				}
				/* Revoked, or closed by another thread. */
				if (err && err != -ENODEV && err != -EBADF)
					odd = err;
			}
		});
	}
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(odd, 0);
	for (std::atomic<int> &fd : fds)
		(void)Fd(fd.load());
}

/* ---- Lives and ends ---- */

TEST_F(Vram, FreedWhileADeviceIsAttached)
{
	for (bool traffic : { false, true }) {
		ASSERT_EQ(make_vram(&mem, "64k", 8 * MiB), outcome(0));
		ASSERT_EQ(open_on(), outcome(0));
		EXPECT_EQ(devrx_memory_free(mem.get()), -EBUSY);
		if (traffic) {
			EXPECT_EQ(transfer(rx, mem, MiB, 2), "");
		}
		/* The kernel lets go of it later than devrx does. */
		EXPECT_EQ(devrx_receiver_close(rx.release(),
					       DEVRX_CLOSE_F_ABANDON),
			  0);
		mem.reset();
		EXPECT_TRUE(poll_until(patience, is_idle));
		ASSERT_TRUE(queue_is_free());
	}
}

TEST_F(Vram, OwnerDiesWhileADeviceIsAttached)
{
	const Outcome o = in_child([] {
		Outcome got;
		Memory mem;
		Queue q;
		Receiver rx;

		got = make_vram(&mem, "page", 8 * MiB);
		if (!got.err)
			got = reserve(&q);
		if (!got.err)
			got = open_receiver(&rx, mem, q);
		if (!got.err && vram_stats()["mapped"] != 1)
			got = outcome(-EPROTO, "not-mapped");
		/* No destructor runs in a process that is killed. */
		(void)mem.release();
		(void)q.release();
		(void)rx.release();
		return got;
	});

	EXPECT_EQ(o, outcome(0));
	EXPECT_TRUE(poll_until(patience, is_idle));
}

TEST_F(Vram, ForkedChildHasNoPartInIt)
{
	ASSERT_EQ(make_vram(&mem, "64k", MiB), outcome(0));
	ASSERT_EQ(devrx_memory_write(mem.get(), 7, "p", 1), 0);
	EXPECT_EQ(in_child([&] {
			  char byte = 0;
			  const int fd = memory_info(mem).dmabuf_fd;

			  if (devrx_memory_read(mem.get(), 0, &byte, 1) !=
				      -EPERM ||
			      devrx_memory_write(mem.get(), 0, &byte, 1) !=
				      -EPERM)
				  return outcome(-EPROTO, "not-refused");
			  if (devrx_memory_free(mem.release()) ||
			      fcntl(fd, F_GETFD) >= 0)
				  return outcome(-EPROTO, "not-freed");
			  return outcome(0);
		  }),
		  outcome(0));
	char byte = 0;

	EXPECT_EQ(devrx_memory_read(mem.get(), 7, &byte, 1), 0);
	EXPECT_EQ(byte, 'p');
	EXPECT_EQ(vram_stats()["buffers"], 1);
}

TEST_F(Vram, ModuleStaysWhileItIsInUse)
{
	/* The device is open. */
	EXPECT_EQ(unload(), -EWOULDBLOCK);

	/* Only a dmabuf is. */
	Fd fd = alloc(8 * MiB);
	node.reset();
	EXPECT_EQ(unload(), -EWOULDBLOCK);

	/* Only a device's attachment is. */
	ASSERT_EQ(import_memory(&mem, fd.get()), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	fd.reset();
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	EXPECT_EQ(vram_stats()["mapped"], 1);
	rx.reset();
	q.reset();
	mem.reset();
	ASSERT_TRUE(poll_until(patience, is_idle));

	/* Nothing is. */
	EXPECT_TRUE(poll_until(patience, [] { return unload() == 0; }));
	EXPECT_EQ(make_vram(&mem, nullptr, page),
		  outcome(-ENOENT, "vram-missing"));
	ASSERT_EQ(load(""), 0);
	node = Fd(::open(vram_node, O_RDWR | O_CLOEXEC));
	ASSERT_GE(node.get(), 0) << strerror(errno);
}

TEST_F(Vram, LoadedAndUnloadedManyTimes)
{
	for (int i = 0; i < 20; i++) {
		Fd fd = alloc(MiB, uint32_t(i % 4));

		ASSERT_EQ(fill(fd.get(), 1, MiB - 1, 0xdeadbeef), 0);
		fd.reset();
		ASSERT_EQ(reload(""), 0);
	}
}

/* ---- All of it ---- */

struct StreamCase {
	const char *name;
	const char *layout;
	uint32_t chunk;
	uint64_t len; /* of all streams */
};

const StreamCase streams[] = {
	{ "Pages", "page", page, 64 * MiB },
	{ "Pieces", "64k", 65536, 256 * MiB },
	{ "Block", "block", 16384, 64 * MiB },
};

class VramStreams : public Vram, public testing::WithParamInterface<StreamCase>
{
};

TEST_P(VramStreams, SixtyFourConnectionsEveryByteInOrder)
{
	constexpr unsigned int connections = 64;
	const uint64_t each = GetParam().len / connections;
	const int64_t before = vram_stats()["read_bytes"];

	ASSERT_EQ(make_vram(&mem, GetParam().layout, 32 * MiB), outcome(0));
	ASSERT_EQ(open_on(GetParam().chunk), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));

	Listener listener(steered_port, int(32 * MiB / connections / 2));
	Follower follower(mem, connections);
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < connections; i++)
		plan.push_back({ each, i % 2 == 1 });
	Sender sender(steered_port, plan);
	const double begin = now();

	ASSERT_EQ(add_all(rx, &listener, &sender, connections, &fds), "");
	ASSERT_EQ(drain(rx, &follower), "");
	ASSERT_EQ(sender.join(), "");
	for (unsigned int i = 0; i < connections; i++) {
		EXPECT_EQ(follower.position(i), each) << "stream " << i;
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF)
			<< "stream " << i;
	}
	EXPECT_EQ(stats(rx).bytes, GetParam().len);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	/* Every byte was seen through the device, and none in another way. */
	EXPECT_EQ(vram_stats()["read_bytes"] - before, int64_t(GetParam().len));
	printf("  vram %-6s chunk %5u %4u MiB %5.1f s\n", GetParam().layout,
	       GetParam().chunk, unsigned(GetParam().len / MiB), now() - begin);
}

INSTANTIATE_TEST_SUITE_P(All, VramStreams, testing::ValuesIn(streams),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} /* namespace */
