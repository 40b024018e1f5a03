// SPDX-License-Identifier: MIT
#include "rig.h"

#include <cerrno>
#include <cstring>

using namespace vm;

namespace faults
{

std::string Rig::open(uint64_t area_len, devrx_receiver_opts opts)
{
	Outcome o;

	if (has_queue() && !queue_is_free())
		return "the queue does not get free";
	opts.tier = tier_.tier;
	/* A busy machine is no fault. */
	opts.recovery_timeout_ms = uint32_t(patience * 1000);
	o = make_memory(&mem_, tier_.kind, area_len);
	if (!o.err && has_queue())
		o = reserve(&q_);
	if (!o.err)
		o = open_receiver(&rx_, mem_, q_, opts);
	if (o.err)
		return std::string(o.id) + ": " + o.text;
	follower_ = std::make_unique<Follower>(mem_, streams);
	return "";
}

std::string Rig::start()
{
	Listener listener(steered_port);
	std::vector<Stream> plan;

	if (!listener.ok())
		return std::string("listen: ") + strerror(errno);
	for (unsigned int i = 0; i < streams; i++)
		plan.push_back({ stream_len, i % 2 == 1 });
	sender_ = std::make_unique<Sender>(steered_port, std::move(plan));
	return add_all(rx_, &listener, sender_.get(), streams, &fds_);
}

void Rig::look()
{
	if (over_ < 0 || recovered_ >= 0 || bytes() == bytes_when_over_)
		return;
	recovered_ = now() - over_;
}

void Rig::over()
{
	over_ = now();
	bytes_when_over_ = follower_ ? bytes() : 0;
	recovered_ = -1;
}

std::string Rig::pump(const std::function<bool()> &until)
{
	return drain(rx_, follower_.get(), patience, [&] {
		look();
		return until();
	});
}

std::string Rig::hold(double quiet)
{
	double deadline = now() + patience, last = now();
	devrx_fragment frags[64];

	while (now() - last < quiet) {
		/* All are out, or every connection waits: that is the fault. */
		const int n = wait_for_some(rx_, frags, 64, quiet / 8);

		if (n < 0 && n != -ENOBUFS)
			return std::string("wait: ") + strerror(-n);
		for (int i = 0; i < n; i++) {
			if (!follower_->take(frags[i]))
				return follower_->error();
			held_.push_back(frags[i]);
		}
		if (n > 0)
			last = now();
		if (now() > deadline)
			return "it never stops, although nothing is released";
	}
	if (bytes() == streams * stream_len)
		return "all has come before anything was released";
	return "";
}

std::string Rig::release_held()
{
	const int err = devrx_receiver_release(rx_.get(), held_.data(),
					       unsigned(held_.size()));

	held_.clear();
	return err ? std::string("release: ") + strerror(-err) : "";
}

std::string Rig::finish()
{
	std::string error = pump([] { return false; });

	if (!error.empty())
		return error;
	for (unsigned int i = 0; i < streams; i++) {
		if (follower_->end(i) != DEVRX_FRAGMENT_EOF)
			return "stream " + std::to_string(i) + " ended at " +
			       std::to_string(follower_->position(i)) + ": " +
			       strerror(-follower_->end_error(i)) + ", " +
			       cause_id(rx_);
		if (follower_->position(i) != stream_len)
			return "stream " + std::to_string(i) + " has " +
			       std::to_string(follower_->position(i)) +
			       " bytes";
	}
	error = sender_->join();
	if (error.empty() && stats(rx_).fragments_out)
		error = "fragments are out";
	if (error.empty() && stats(rx_).bytes != streams * stream_len)
		error = "the counters tell of other bytes";
	return error;
}

std::string Rig::finish_without_nic()
{
	const std::string error =
		drain(rx_, follower_.get(), patience, [] { return false; });
	unsigned int cut = 0;

	recovered_ = now() - over_;
	sender_->stop();
	if (!error.empty())
		return error;
	for (unsigned int i = 0; i < streams; i++) {
		/* All of it may have been in the machine by then. */
		if (follower_->end(i) == DEVRX_FRAGMENT_EOF &&
		    follower_->position(i) == stream_len)
			continue;
		if (follower_->end_error(i) != -ENODEV)
			return "stream " + std::to_string(i) + " ended with: " +
			       strerror(-follower_->end_error(i));
		cut++;
	}
	if (stats(rx_).fragments_out)
		return "fragments are out";
	if (!stats(rx_).nic_gone || (cut && cause_id(rx_) != "nic-missing"))
		return "that the NIC has gone is not told";
	if (devrx_receiver_close(rx_.release(), 0))
		return "the receiver does not close";
	return "";
}

} /* namespace faults */
