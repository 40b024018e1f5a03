// SPDX-License-Identifier: MIT
#include "faults.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "nic.h"

using namespace vm;

namespace faults
{

/* Most of what is sent: what is left shows that it goes on afterwards. */
constexpr uint64_t most = streams * stream_len * 3 / 4;

/* Open, start, and do @begin before the first byte or @after so many bytes. */
static std::string running(Rig &rig, uint64_t bytes)
{
	std::string error = rig.open();

	if (error.empty())
		error = rig.start();
	if (error.empty())
		error = rig.pump([&] { return rig.bytes() >= bytes; });
	return error;
}

/* A fault is as long as it is said to be. */
static void pass(double seconds)
{
	std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

static std::string unsteered_at_first(Rig &rig)
{
	const uint64_t before = counter("rx_paged_bytes");
	const Steering steering;
	std::string error;

	if (!steering.ok() || !steering.to(0))
		return "the flow rules cannot be changed";
	error = rig.open();
	if (error.empty())
		error = rig.start();
	if (error.empty())
		error = rig.pump([&] {
			return counter("rx_paged_bytes") - before >= MiB;
		});
	if (!error.empty())
		return error;
	if (!steering.to(queue))
		return "the flow rules cannot be changed back";
	rig.over();
	return rig.finish();
}

static std::string steering_toggled(Rig &rig)
{
	std::atomic<bool> stop{ false };
	const Steering steering;
	std::string error;

	if (!steering.ok())
		return "the flow rules are not there";
	std::thread toggler([&] {
		for (uint32_t i = 0; !stop; i++) {
			(void)steering.to(i % 2 ? 0 : queue);
			pass(0.01);
		}
	});
	error = running(rig, most);
	stop = true;
	toggler.join();
	if (!error.empty())
		return error;
	(void)steering.to(queue);
	rig.over();
	return rig.finish();
}

static std::string linear_heads(Rig &rig)
{
	const Defer undo([] {
		(void)fault("linear_head", 0);
		(void)nic_gro(true);
	});
	const uint64_t before = counter("rx_linear_bytes");
	std::string error;

	/* Merged, such packets are beyond recovery. */
	if (!nic_gro(false))
		return "the NIC's GRO cannot be turned off";
	if (!fault("linear_head", 100))
		return "the NIC has no such fault";
	error = running(rig, most);
	if (!error.empty())
		return error;
	if (counter("rx_linear_bytes") == before)
		return "no byte was left in a head";
	(void)fault("linear_head", 0);
	rig.over();
	return rig.finish();
}

static std::string with_netem(Rig &rig, const std::vector<std::string> &model)
{
	Defer undo([] { (void)netem({}); });
	std::string error;

	if (!netem(model))
		return "the kernel has no such link model";
	error = running(rig, most);
	if (!error.empty())
		return error;
	undo.now();
	rig.over();
	return rig.finish();
}

static std::string loss(Rig &rig)
{
	return with_netem(rig, { "loss", "2%" });
}

static std::string reordering(Rig &rig)
{
	return with_netem(rig, { "delay", "2ms", "reorder", "25%", "50%" });
}

static std::string down_and_up(Rig &rig)
{
	std::string error = running(rig, MiB);

	if (!error.empty())
		return error;
	if (!nic_down() || !nic_up())
		return "the NIC does not go down and up";
	rig.over();
	return rig.finish();
}

static std::string queue_stops(Rig &rig)
{
	const Defer undo([] { (void)fault("stopped_queues", 0); });
	std::string error = running(rig, MiB);

	if (!error.empty())
		return error;
	if (!fault("stopped_queues", 1u << queue))
		return "the NIC has no such fault";
	pass(0.5);
	(void)fault("stopped_queues", 0);
	rig.over();
	return rig.finish();
}

/* As a driver that resets it: its pool is exchanged, and what was in it comes back
 * later. */
static std::string queue_restarts(Rig &rig)
{
	std::atomic<bool> stop{ false };
	unsigned int restarts = 0;
	std::string error;

	std::thread restarter([&] {
		while (!stop) {
			restarts += fault("restart_queue", queue);
			pass(0.02);
		}
	});
	error = running(rig, most);
	stop = true;
	restarter.join();
	if (!error.empty())
		return error;
	if (!restarts)
		return "the queue was not restarted";
	rig.over();
	return rig.finish();
}

static std::string small_queue(Rig &rig)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	std::string error;

	opts.cq_entries = 16;
	error = rig.open(16 * MiB, opts);
	if (error.empty())
		error = rig.start();
	return error.empty() ? rig.finish() : error;
}

/* As large as the receive buffer of one of the two sockets. */
static std::string small_area(Rig &rig)
{
	std::string error = rig.open(256 << 10);

	if (error.empty())
		error = rig.start();
	return error.empty() ? rig.finish() : error;
}

static std::string user_holds_all(Rig &rig)
{
	std::string error = rig.open(2 * MiB);

	if (error.empty())
		error = rig.start();
	if (error.empty())
		error = rig.hold(2);
	if (error.empty())
		error = rig.release_held();
	rig.over();
	return error.empty() ? rig.finish() : error;
}

static std::string thread_stops(Rig &rig)
{
	std::string error = running(rig, MiB);

	if (!error.empty())
		return error;
	pass(0.5);
	rig.over();
	return rig.finish();
}

static std::string killed(Rig &rig)
{
	int ready[2], status;
	std::string error;
	char byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return strerror(errno);
	pid = fork();
	if (!pid) {
		const bool ok = running(rig, MiB).empty();

		/* In the midst of it. */
		_exit(write(ready[1], ok ? "y" : "n", 1) != 1 || pause());
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1 || byte != 'y')
		error = "the first receiver never got so far";
	(void)close(ready[0]);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	rig.over();
	if (error.empty())
		error = rig.open();
	if (error.empty())
		error = rig.start();
	return error.empty() ? rig.finish() : error;
}

/* What had come of it is delivered, and each connection ends; then a new one. */
static std::string removed(Rig &rig)
{
	const Defer undo([] { (void)nic_renew(); });
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	std::string error;

	opts.flags = DEVRX_RECEIVER_F_EVENTS;
	error = rig.open(16 * MiB, opts);
	if (error.empty())
		error = rig.start();
	if (error.empty())
		error = rig.pump([&] { return rig.bytes() >= MiB; });
	if (!error.empty())
		return error;
	if (!nic_remove())
		return "the NIC cannot be removed";
	rig.over();
	return rig.finish_without_nic();
}

const std::vector<Fault> all = {
	{ "UnsteeredAtFirst", "first 1 MiB unsteered", unsteered_at_first },
	{ "SteeringToggled", "steering toggled each 10 ms", steering_toggled },
	{ "LinearHeads", "linear heads of 100 bytes", linear_heads },
	{ "Loss", "2 % loss", loss },
	{ "Reordering", "reordering", reordering },
	{ "DownAndUp", "NIC down and up", down_and_up },
	{ "QueueRestarts", "queue restarts each 20 ms", queue_restarts },
	{ "QueueStops", "queue stops for 500 ms", queue_stops },
	{ "SmallQueue", "completion queue of 16", small_queue },
	{ "SmallArea", "area of one socket buffer", small_area },
	{ "UserHoldsAll", "user holds all for 2 s", user_holds_all },
	{ "ThreadStops", "ring thread stops for 500 ms", thread_stops },
	{ "Killed", "receiver killed, started again", killed },
	{ "Removed", "NIC removed", removed, true },
};

} /* namespace faults */
