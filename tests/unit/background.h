/* SPDX-License-Identifier: MIT */
/*
 * Uploads in the background for a test's provider: each copy is made as late as a
 * device may, when its batch is waited for, out of what its buffer has then. So
 * who tells of bytes, or gives a buffer back, too early shows other bytes.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include <devrx/provider.h>

namespace background
{

struct Copy {
	uint64_t off;
	const void *buf;
	size_t len;
};

struct Batch {
	unsigned int nr;
	std::vector<Copy> copies;
};

/* Of the receiver that was opened last. */
struct State {
	/* What a test may set before; by the number of the call, from 0. */
	int begin_error = 0;
	std::function<int(unsigned int)> upload_error, mark_error, wait_error;
	unsigned int late = 1; /* asked so often without waiting, it is done */
	/* What it may look at. */
	unsigned int begins = 0, ends = 0, uploads = 0, marks = 0, waits = 0;
	size_t at_once = 0; /* the most batches that were under way */
	size_t copies = 0, copies_at_once = 0; /* ... and copies */
	unsigned int asked = 0;
	unsigned int batches = 0;
	const char *buf = nullptr;
	size_t len = 0;
	std::vector<Copy> open;
	std::deque<Batch> marked;
	int (*write)(struct devrx_backing *, uint64_t, const void *,
		     size_t) = nullptr;
};
inline State state;

inline int answer(const std::function<int(unsigned int)> &fn, unsigned int nr)
{
	return fn ? fn(nr) : 0;
}

inline int begin(struct devrx_backing *, const void *buf, size_t len,
		 unsigned int batches)
{
	if (state.begin_error)
		return state.begin_error;
	EXPECT_EQ(state.begins, state.ends);
	state.begins++;
	state.buf = static_cast<const char *>(buf);
	state.len = len;
	state.batches = batches;
	return 0;
}

inline void end(struct devrx_backing *)
{
	state.ends++;
	EXPECT_TRUE(state.open.empty());
	EXPECT_TRUE(state.marked.empty()) << "a batch was not waited for";
}

inline int upload(struct devrx_backing *, uint64_t off, const void *buf,
		  size_t len)
{
	const int error = answer(state.upload_error, state.uploads++);
	const char *at = static_cast<const char *>(buf);

	EXPECT_GE(at, state.buf);
	EXPECT_LE(at + len, state.buf + state.len);
	if (error)
		return error;
	state.open.push_back({ off, buf, len });
	if (++state.copies > state.copies_at_once)
		state.copies_at_once = state.copies;
	return 0;
}

inline int mark(struct devrx_backing *, unsigned int batch)
{
	const int error = answer(state.mark_error, state.marks++);

	EXPECT_LT(batch, state.batches);
	for (const Batch &other : state.marked)
		EXPECT_NE(other.nr, batch) << "it is not free";
	if (error)
		state.copies -= state.open.size();
	else
		state.marked.push_back({ batch, state.open });
	state.open.clear();
	if (state.marked.size() > state.at_once)
		state.at_once = state.marked.size();
	return error;
}

inline int wait(struct devrx_backing *backing, unsigned int batch, int wait)
{
	int error;

	if (state.marked.empty() || state.marked.front().nr != batch) {
		ADD_FAILURE() << "batch " << batch << " is not the oldest";
		return -EINVAL;
	}
	if (!wait && ++state.asked < state.late)
		return -EAGAIN;
	state.asked = 0;
	error = answer(state.wait_error, state.waits++);
	for (const Copy &copy : state.marked.front().copies)
		EXPECT_EQ(error ? 0 :
				  state.write(backing, copy.off, copy.buf,
					      copy.len),
			  0);
	state.copies -= state.marked.front().copies.size();
	state.marked.pop_front();
	return error;
}

/* @provider, which can write, does so in the background as well. */
inline void add_to(struct devrx_provider *provider)
{
	state = State();
	state.write = provider->write;
	provider->upload_begin = begin;
	provider->upload_end = end;
	provider->upload = upload;
	provider->upload_mark = mark;
	provider->upload_wait = wait;
}

} /* namespace background */

#endif /* BACKGROUND_H */
