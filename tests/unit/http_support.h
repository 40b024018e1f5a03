/* SPDX-License-Identifier: MIT */
/* A client on tier recv, a memory to fetch into, and what is to hold in any case. */
#ifndef HTTP_SUPPORT_H
#define HTTP_SUPPORT_H

#include <cerrno>
#include <cstring>
#include <memory>

#include <devrx/devrx.h>

#include "http_server.h"
#include "memory_support.h"

namespace http_test
{

using memory_support::Memory;

inline Memory host_memory(uint64_t len)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	mo.kind = "host";
	mo.len = len;
	EXPECT_EQ(devrx_memory_alloc(&mem, &mo), 0);
	return Memory(mem);
}

class Http : public testing::Test
{
      protected:
	static constexpr uint64_t ROOM = 2 << 20;

	void SetUp() override
	{
		area = host_memory(1 << 20);
		to = host_memory(ROOM);
		before.assign(ROOM, '\x5a');
		ASSERT_EQ(devrx_memory_write(to.get(), 0, before.data(), ROOM),
			  0);
		opts.cause = get.cause = &cause;
		opts.request_len = 64 << 10;
		get.to = to.get();
		get.deadline_ms = 20000;
	}

	/* With opts as they are; false where this machine has no io_uring. */
	bool open()
	{
		struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;

		ro.cause = &cause;
		if (devrx_receiver_open(&rx, area.get(), nullptr, &ro)) {
			EXPECT_TRUE(!strcmp(cause.id, "io-uring-missing") ||
				    !strcmp(cause.id, "io-uring-disabled"))
				<< cause.text;
			return false;
		}
		EXPECT_EQ(devrx_http_open(&http, rx, area.get(), &opts), 0)
			<< cause.text;
		return true;
	}

	void TearDown() override
	{
		struct devrx_receiver_stats stats = {};

		devrx_http_close(http);
		if (!rx)
			return;
		/* Nothing of it stays: no connection, no fragment. */
		stats.size = sizeof(stats);
		EXPECT_EQ(devrx_receiver_stats(rx, &stats), 0);
		EXPECT_EQ(stats.connections, 0u);
		EXPECT_EQ(stats.fragments_out, kept);
		EXPECT_EQ(devrx_receiver_close(
				  rx, kept ? DEVRX_CLOSE_F_ABANDON : 0u),
			  0);
	}

	int fetch(const std::string &url)
	{
		cause = {};
		result = {};
		result.size = sizeof(result);
		return devrx_http_get(http, url.c_str(), &get, &result);
	}

	std::string bytes(uint64_t at, uint64_t len) const
	{
		std::string s(len, '\0');

		EXPECT_EQ(devrx_memory_read(to.get(), at, s.data(), len), 0);
		return s;
	}

	/* All of it is there, and nothing beside it. */
	void expect_there(const std::string &want, uint64_t at = 0)
	{
		EXPECT_TRUE(bytes(at, want.size()) == want);
		EXPECT_TRUE(bytes(0, at) == before.substr(0, at));
		EXPECT_TRUE(bytes(at + want.size(), ROOM - at - want.size()) ==
			    before.substr(at + want.size()));
		EXPECT_EQ(result.done, want.size());
	}

	void fetches(const Server &server, const std::string &want)
	{
		ASSERT_EQ(fetch(server.url()), 0)
			<< cause.id << ": " << cause.text;
		expect_there(want);
	}

	/* Fails so; and whatever is in the memory is of @file, or was there before. */
	void fails(const Server &server, int err, const char *id,
		   const std::string &file = "")
	{
		EXPECT_EQ(fetch(server.url()), err)
			<< cause.id << ": " << cause.text;
		EXPECT_STREQ(cause.id, id) << cause.text;
		EXPECT_NE(cause.text[0], '\0');
		const std::string got = bytes(0, ROOM);
		for (size_t i = 0; i < ROOM; i++)
			if (got[i] != before[i]) {
				ASSERT_LT(i, file.size()) << i;
				ASSERT_EQ(got[i], file[i]) << i;
			}
	}

	Memory area, to;
	std::string before;
	struct devrx_receiver *rx = nullptr;
	struct devrx_http *http = nullptr;
	struct devrx_http_opts opts = DEVRX_HTTP_OPTS_INIT;
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	struct devrx_http_result result = {};
	struct devrx_cause cause = {};
	uint64_t kept = 0;
};

#define HTTP_OPEN()                                                            \
	do {                                                                   \
		if (!open())                                                   \
			GTEST_SKIP() << "no io_uring here";                    \
	} while (0)

} // namespace http_test

#endif /* HTTP_SUPPORT_H */
