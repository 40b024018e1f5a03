// SPDX-License-Identifier: MIT
/*
 * devrx_http_get() from servers and networks that are not as they should be: all of it
 * in its place, or an error; never a wrong byte, and never a hang.
 */
#include "http_support.h"

#include <algorithm>
#include <chrono>

#include <devrx/provider.h>

using namespace http_test;

namespace
{

const std::string file = content(500009);
const std::string other = content(600000).substr(99991);

TEST_F(Http, ConnectionsThatBreakAreContinued)
{
	/* Each response is cut, the first 40 of them elsewhere. */
	const Server server([](const Peer &peer, const Request &r) {
		const std::string all = partial(r, file);

		if (r.number >= 40)
			return peer.send(all);
		peer.send(all.substr(0, all.size() * (r.number % 7) / 7 + 200));
		if (r.number % 3 == 0)
			peer.reset();
		return false;
	});

	opts.retries = 40;
	HTTP_OPEN();
	fetches(server, file);
	EXPECT_GE(result.retries, 20u);
	EXPECT_GE(result.connects, 20u);
}

TEST_F(Http, AServerThatClosesKeptConnections)
{
	const Server server([](const Peer &peer, const Request &r) {
		if (r.on_connection)
			return false; /* without a word */
		return peer.send(partial(r, file));
	});

	/* No failure of anybody's, so it may go on as often as it wants. */
	opts.retries = 1;
	HTTP_OPEN();
	fetches(server, file);
	fetches(server, file);
}

TEST_F(Http, AServerThatNeverAnswers)
{
	const Server server(
		[](const Peer &, const Request &) { return false; });

	opts.retries = 2;
	HTTP_OPEN();
	fails(server, -EPIPE, "http-broken");
	EXPECT_EQ(result.retries, 3u);
	EXPECT_EQ(server.connections, 3u);
}

TEST_F(Http, AServerThatClosesInTheBodyAgainAndAgain)
{
	const Server server([](const Peer &peer, const Request &r) {
		peer.send(partial_head(r, file.size()));
		return false;
	});

	opts.retries = 2;
	HTTP_OPEN();
	fails(server, -EPIPE, "http-broken", file);
}

TEST_F(Http, ASilentServer)
{
	const Server server([](const Peer &peer, const Request &r) {
		if (r.number)
			peer.send(partial(r, file).substr(0, 300));
		peer.hold(10000);
		return false;
	});

	opts.retries = 1;
	opts.idle_timeout_ms = 100;
	HTTP_OPEN();
	/* It made progress once, so it may be silent twice more. */
	fails(server, -ETIMEDOUT, "http-silent", file);
}

/* It is we who do not look for longer than a server may be silent. */
TEST_F(Http, ASlowCallerIsNoSilentServer)
{
	static unsigned calls;
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});

	opts.idle_timeout_ms = 100;
	opts.retries = 1;
	calls = 0;
	get.progress = [](void *, uint64_t, uint64_t) {
		if (++calls <= 3)
			std::this_thread::sleep_for(
				std::chrono::milliseconds(300));
		return 0;
	};
	HTTP_OPEN();
	fetches(server, file);
	EXPECT_GE(calls, 3u);
	EXPECT_EQ(result.retries, 0u);
}

TEST_F(Http, ASlowDripEndsAtTheDeadline)
{
	const Server server([](const Peer &peer, const Request &r) {
		const std::string all = partial(r, file);

		for (const char c : all) {
			if (!peer.send(std::string(1, c)))
				break;
			peer.hold(5);
		}
		return false;
	});

	get.deadline_ms = 400;
	HTTP_OPEN();
	fails(server, -ETIMEDOUT, "http-deadline", file);
}

TEST_F(Http, NobodyThere)
{
	uint16_t port;

	ASSERT_EQ(devrx_http_ports(&port, 1, &cause), 0);
	opts.retries = 1;
	HTTP_OPEN();
	const std::string url = "http://127.0.0.1:" + std::to_string(port);
	EXPECT_EQ(fetch(url + "/"), -ECONNREFUSED) << cause.text;
	EXPECT_STREQ(cause.id, "http-connect");
	EXPECT_EQ(fetch("http://name.invalid/"), -EHOSTUNREACH);
	EXPECT_STREQ(cause.id, "http-resolve");
	/* After that another server is as good as ever. */
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});
	fetches(server, file);
}

TEST_F(Http, AHostThatDoesNotAnswerASyn)
{
	/* A listener whose queue is full drops what else comes. */
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
	std::vector<int> fds;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&addr), len), 0);
	ASSERT_EQ(listen(fd, 0), 0);
	ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr *>(&addr), &len),
		  0);
	for (int i = 0; i < 4; i++) {
		fds.push_back(socket(AF_INET,
				     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				     0));
		(void)connect(fds.back(), reinterpret_cast<sockaddr *>(&addr),
			      len);
	}
	opts.retries = 1;
	opts.connect_timeout_ms = 100;
	HTTP_OPEN();
	EXPECT_EQ(fetch("http://127.0.0.1:" +
			std::to_string(ntohs(addr.sin_port)) + "/"),
		  -ETIMEDOUT);
	EXPECT_STREQ(cause.id, "http-connect") << cause.text;
	for (const int other_fd : fds)
		close(other_fd);
	close(fd);
}

struct Bad {
	const char *name;
	int err;
	const char *id;
	/* The second response, after a good one. */
	std::string (*response)(const Request &r);
};

std::string ranged(const Request &r, uint64_t first, uint64_t last,
		   const std::string &total, uint64_t len,
		   const std::string &body)
{
	(void)r;
	return "HTTP/1.1 206 Partial Content\r\nContent-Length: " +
	       std::to_string(len) + "\r\nContent-Range: bytes " +
	       std::to_string(first) + "-" + std::to_string(last) + "/" +
	       total + "\r\nETag: \"v1\"\r\n\r\n" + body;
}

std::string of(const std::string &from, const Request &r)
{
	return from.substr(r.first, r.last - r.first + 1);
}

const Bad bads[] = {
	{ "AnotherRange", -EPROTO, "http-range",
	  [](const Request &r) {
		  return ranged(r, r.first + 1, r.last + 1, "500009",
				r.last - r.first + 1, of(other, r));
	  } },
	{ "AnEarlierRange", -EPROTO, "http-range",
	  [](const Request &r) {
		  return ranged(r, 0, r.last - r.first, "500009",
				r.last - r.first + 1, of(other, r));
	  } },
	{ "ALongerRange", -EPROTO, "http-range",
	  [](const Request &r) {
		  return ranged(r, r.first, r.last + 1, "500009",
				r.last - r.first + 2, of(other, r) + "x");
	  } },
	{ "NoRangeInA206", -EPROTO, "http-range",
	  [](const Request &r) {
		  return "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
			 "ETag: \"v1\"\r\n\r\n" +
			 of(other, r).substr(0, 5);
	  } },
	{ "MorePartsThanOne", -EPROTO, "http-range",
	  [](const Request &r) {
		  return "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
			 "Content-Type: multipart/byteranges; boundary=x\r\n"
			 "\r\n" +
			 of(other, r).substr(0, 5);
	  } },
	{ "ALengthThatIsNotTheRanges", -EPROTO, "http-length",
	  [](const Request &r) {
		  return ranged(r, r.first, r.last, "500009", r.last - r.first,
				of(other, r));
	  } },
	{ "AnotherTotal", -ESTALE, "http-changed",
	  [](const Request &r) {
		  return ranged(r, r.first, r.last, "500010",
				r.last - r.first + 1, of(other, r));
	  } },
	{ "AnotherEtag", -ESTALE, "http-changed",
	  [](const Request &r) {
		  return partial(r, other.substr(0, file.size()),
				 "ETag: \"v2\"\r\n");
	  } },
	/* The answer to If-Range. */
	{ "AllOfAnother", -ESTALE, "http-changed",
	  [](const Request &) { return whole(other, "ETag: \"v2\"\r\n"); } },
	{ "Compressed", -EPROTO, "http-encoded",
	  [](const Request &r) {
		  return partial(r, other.substr(0, file.size()),
				 "Content-Encoding: gzip\r\n");
	  } },
	{ "InChunksAndTooLong", -EPROTO, "http-length",
	  [](const Request &r) {
		  return "HTTP/1.1 206 Partial Content\r\nContent-Range: "
			 "bytes " +
			 std::to_string(r.first) + "-" +
			 std::to_string(r.first) + "/500009\r\n" +
			 "Transfer-Encoding: chunked\r\n\r\n2\r\n" +
			 file.substr(r.first, 1) + char(~file[r.first + 1]) +
			 "\r\n0\r\n\r\n";
	  } },
	{ "InChunksAndTooShort", -EPROTO, "http-length",
	  [](const Request &r) {
		  return "HTTP/1.1 206 Partial Content\r\nContent-Range: "
			 "bytes " +
			 std::to_string(r.first) + "-" +
			 std::to_string(r.last) + "/500009\r\n" +
			 "Transfer-Encoding: chunked\r\n\r\n2\r\n" +
			 file.substr(r.first, 2) + "\r\n0\r\n\r\n";
	  } },
	{ "ChunksOfBadSizes", -EPROTO, "http-response",
	  [](const Request &r) {
		  return "HTTP/1.1 206 Partial Content\r\nContent-Range: "
			 "bytes " +
			 std::to_string(r.first) + "-" +
			 std::to_string(r.last) + "/500009\r\n" +
			 "Transfer-Encoding: chunked\r\n\r\n"
			 "fffffffffffffffff\r\nhello";
	  } },
	{ "AGiantHead", -EPROTO, "http-response",
	  [](const Request &) {
		  return "HTTP/1.1 206 Partial Content\r\nX: " +
			 std::string(100000, 'x');
	  } },
	{ "Tls", -EPROTO, "http-response",
	  [](const Request &) {
		  return std::string("\x15\x03\x01\x00\x02\x02\x46", 7);
	  } },
	{ "TwoLengths", -EPROTO, "http-response",
	  [](const Request &r) {
		  return ranged(r, r.first, r.last, "500009",
				r.last - r.first + 1, "")
			  .insert(30, "Content-Length: 7\r\n");
	  } },
	{ "NotFound", -ENOENT, "http-status",
	  [](const Request &) {
		  return std::string("HTTP/1.1 404 Not Found\r\n"
				     "Content-Length: 4\r\n\r\ngone");
	  } },
	{ "Forbidden", -EACCES, "http-status",
	  [](const Request &) {
		  return std::string("HTTP/1.1 403 Forbidden\r\n\r\n");
	  } },
	{ "NoContent", -EPROTO, "http-status",
	  [](const Request &) {
		  return std::string("HTTP/1.1 204 No Content\r\n\r\n");
	  } },
	{ "NotThatMuch", -ERANGE, "http-range",
	  [](const Request &) {
		  return std::string("HTTP/1.1 416 Range\r\nContent-Range: "
				     "bytes */10\r\n\r\n");
	  } },
	{ "NotThatMuchAndNotHowMuch", -EPROTO, "http-status",
	  [](const Request &) {
		  return std::string("HTTP/1.1 416 Range\r\n\r\n");
	  } },
	{ "NotImplemented", -EREMOTEIO, "http-status",
	  [](const Request &) {
		  return std::string("HTTP/1.1 501 Not Implemented\r\n\r\n");
	  } },
	{ "ARedirectToNowhere", -ELOOP, "http-redirects",
	  [](const Request &) {
		  return std::string("HTTP/1.1 302 Found\r\n\r\n");
	  } },
	{ "ARedirectToTls", -EPROTONOSUPPORT, "http-tls",
	  [](const Request &) {
		  return std::string("HTTP/1.1 302 Found\r\nLocation: "
				     "https://x/\r\n\r\n");
	  } },
	{ "ARedirectToAFile", -EINVAL, "http-url",
	  [](const Request &) {
		  return std::string("HTTP/1.1 302 Found\r\nLocation: "
				     "file:///etc/passwd\r\n\r\n");
	  } },
};

class HttpBad : public Http, public testing::WithParamInterface<Bad>
{
};

/* As the first response, and after good ones. */
TEST_P(HttpBad, IsAnError)
{
	const Bad &bad = GetParam();

	opts.retries = 2;
	HTTP_OPEN();
	for (const unsigned from : { 0u, 1u, 3u }) {
		const Server server([&](const Peer &peer, const Request &r) {
			if (r.number < from)
				return peer.send(partial(r, file));
			peer.send(bad.response(r));
			return false;
		});

		SCOPED_TRACE(from);
		/* What is only wrong beside others is right as the first one. */
		if (!from &&
		    (bad.err == -ESTALE || !strcmp(bad.name, "AnEarlierRange")))
			continue;
		fails(server, bad.err, bad.id, file);
	}
	/* And the client is as good as before. */
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});
	fetches(server, file);
}

INSTANTIATE_TEST_SUITE_P(Servers, HttpBad, testing::ValuesIn(bads),
			 [](const auto &info) {
				 return std::string(info.param.name);
			 });

TEST_F(Http, ATotalThatNobodyTells)
{
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(ranged(r, r.first, r.last, "*",
					r.last - r.first + 1, of(file, r)));
	});

	HTTP_OPEN();
	fails(server, -EPROTO, "http-range", file);
}

TEST_F(Http, APartThatIsShorterThanAskedFor)
{
	const Server server([](const Peer &peer, const Request &r) {
		Request less = r;

		less.last = std::min(r.last, r.first + 9999);
		return peer.send(partial(less, file));
	});

	HTTP_OPEN();
	fetches(server, file);
	EXPECT_GT(result.requests, 50u);
}

TEST_F(Http, WithoutNamesTheDateCounts)
{
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(partial(
			r, r.number < 2 ? file : other.substr(0, file.size()),
			r.number < 2 ?
				"Last-Modified: Sat, 28 Nov 2026 06:00:00 "
				"GMT\r\n" :
				"Last-Modified: Sat, 28 Nov 2026 06:00:01 "
				"GMT\r\n"));
	});

	HTTP_OPEN();
	fails(server, -ESTALE, "http-changed", file);
}

TEST_F(Http, RedirectsWithoutEnd)
{
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send("HTTP/1.1 301 Moved\r\nLocation: " + r.path +
				 "x\r\nContent-Length: 0\r\n\r\n");
	});

	opts.redirects = 3;
	HTTP_OPEN();
	fails(server, -ELOOP, "http-redirects");
	EXPECT_EQ(result.redirects, 3u);
	EXPECT_EQ(server.requests, 4u);
}

TEST_F(Http, AServerThatIsOverloadedIsAskedAgain)
{
	const Server server([](const Peer &peer, const Request &r) {
		if (r.number % 3 != 2)
			return peer.send(
				r.number % 2 ?
					"HTTP/1.1 503 Busy\r\nContent-Length: "
					"0\r\n\r\n" :
					"HTTP/1.1 429 Slow\r\nContent-Length: "
					"4\r\n\r\nwait");
		return peer.send(partial(r, file));
	});
	const Server never([](const Peer &peer, const Request &) {
		return peer.send("HTTP/1.1 500 Broken\r\nContent-Length: "
				 "0\r\n\r\n");
	});

	opts.connections = 1;
	opts.retries = 2;
	opts.request_len = 200000;
	HTTP_OPEN();
	fetches(server, file);
	EXPECT_EQ(result.retries, 6u);
	fails(never, -EREMOTEIO, "http-status", file);
	EXPECT_NE(std::string(cause.text).find("500"), std::string::npos);
	EXPECT_EQ(never.requests, 3u);
	/* What will be the same later is not asked again. */
	const Server cannot([](const Peer &peer, const Request &) {
		return peer.send("HTTP/1.1 501 No\r\nContent-Length: 0\r\n"
				 "\r\n");
	});
	fails(cannot, -EREMOTEIO, "http-status", file);
	EXPECT_EQ(cannot.requests, 1u);
}

TEST_F(Http, RetryAfterIsWaitedFor)
{
	const Server server([](const Peer &peer, const Request &r) {
		if (!r.number)
			return peer.send("HTTP/1.1 503 Busy\r\nRetry-After: 60"
					 "\r\nContent-Length: 0\r\n\r\n");
		return peer.send(partial(r, file));
	});

	get.deadline_ms = 300;
	HTTP_OPEN();
	fails(server, -ETIMEDOUT, "http-deadline");
	EXPECT_EQ(server.requests, 1u);
}

/* What follows a response and answers nothing is of no use, and does no harm. */
TEST_F(Http, MoreThanWasAskedFor)
{
	const Server server([](const Peer &peer, const Request &r) {
		Request fake = r;

		fake.first = r.last + 1;
		fake.last = r.last + 1000;
		peer.send(partial(r, file) +
			  partial(fake, std::string(file.size(), 'X')));
		return true;
	});

	opts.retries = 20;
	HTTP_OPEN();
	fetches(server, file);
	fetches(server, file);
}

TEST_F(Http, NoRoom)
{
	const Server ranges([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});
	const Server all([](const Peer &peer, const Request &) {
		return peer.send(whole(file));
	});
	const Server endless([](const Peer &peer, const Request &) {
		peer.send("HTTP/1.1 200 OK\r\n\r\n");
		while (peer.send(std::string(4096, 'y')))
			;
		return false;
	});

	HTTP_OPEN();
	get.to_offset = ROOM - file.size() + 1;
	for (const Server *server : { &ranges, &all }) {
		EXPECT_EQ(fetch(server->url()), -ENOSPC);
		EXPECT_STREQ(cause.id, "http-no-room");
		EXPECT_TRUE(bytes(0, ROOM) == before);
	}
	get.to_offset = ROOM + 1;
	EXPECT_EQ(fetch(ranges.url()), -ENOSPC);
	get.to_offset = ROOM - 10000;
	EXPECT_EQ(fetch(endless.url()), -ENOSPC);
	EXPECT_STREQ(cause.id, "http-no-room");
	EXPECT_TRUE(bytes(0, ROOM - 10000) == before.substr(0, ROOM - 10000));
}

TEST_F(Http, MoreThanThereIs)
{
	const Server ranges([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});
	const Server all([](const Peer &peer, const Request &) {
		return peer.send(whole(file));
	});
	const Server chunks([](const Peer &peer, const Request &) {
		return peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				 "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
	});

	HTTP_OPEN();
	get.first = file.size() - 10;
	get.len = 11;
	EXPECT_EQ(fetch(ranges.url()), -ERANGE);
	EXPECT_STREQ(cause.id, "http-range");
	EXPECT_EQ(fetch(all.url()), -ERANGE);
	get.first = 3;
	get.len = 3;
	EXPECT_EQ(fetch(chunks.url()), -ERANGE);
	get.first = 6;
	get.len = 0;
	EXPECT_EQ(fetch(chunks.url()), -ERANGE);
	get.first = 5;
	EXPECT_EQ(fetch(chunks.url()), 0) << cause.text;
	EXPECT_EQ(result.done, 0u);
}

/* Without ranges it goes on from the start; with a name over what is there already. */
TEST_F(Http, WithoutRangesAndBroken)
{
	for (const char *etag :
	     { "ETag: \"v1\"\r\n", "ETag: W/\"v1\"\r\n", "" }) {
		const Server server([&](const Peer &peer, const Request &r) {
			const std::string all = whole(file, etag);

			if (r.number >= 3)
				return peer.send(all);
			peer.send(all.substr(0, 100000 * (r.number + 1)));
			return false;
		});

		SCOPED_TRACE(etag);
		if (!http)
			HTTP_OPEN();
		fetches(server, file);
		EXPECT_EQ(server.requests, 4u);
		ASSERT_EQ(devrx_memory_write(to.get(), 0, before.data(), ROOM),
			  0);
	}
}

/* Of what has no name nobody can say that it is the same: it is all of one response. */
TEST_F(Http, WithoutRangesAndNamesItIsAllOfOneResponse)
{
	const std::string second = other.substr(0, file.size());
	const Server server([&](const Peer &peer, const Request &r) {
		if (r.number)
			return peer.send(whole(second, ""));
		peer.send(whole(file, "").substr(0, 300000));
		return false;
	});

	HTTP_OPEN();
	fetches(server, second);
}

TEST_F(Http, WithoutRangesAndBrokenBytesCannotBeKept)
{
	const Server server([](const Peer &peer, const Request &) {
		peer.send(whole(file, "").substr(0, 100000));
		return false;
	});

	HTTP_OPEN();
	get.to = nullptr;
	get.keep = [](void *, const devrx_fragment *, const devrx_piece *,
		      unsigned) { return 0; };
	EXPECT_EQ(fetch(server.url()), -EPIPE);
	EXPECT_STREQ(cause.id, "http-broken");
}

/* A memory that takes some bytes, and then no more. */
int writes_left;

TEST_F(Http, AMemoryThatFails)
{
	static struct devrx_provider provider;
	const struct devrx_provider *host = devrx_provider_find("host");
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;
	const Server server([](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	});

	provider = *host;
	provider.alloc = [](const devrx_memory_opts *o, devrx_backing *ret,
			    devrx_cause *why) {
		const int err = devrx_provider_find("host")->alloc(o, ret, why);

		if (!err) {
			ret->priv = ret->host_addr;
			ret->host_addr = nullptr;
		}
		return err;
	};
	provider.free = [](devrx_backing *b) {
		b->host_addr = b->priv;
		devrx_provider_find("host")->free(b);
	};
	provider.write = [](devrx_backing *, uint64_t, const void *, size_t) {
		return writes_left-- > 0 ? 0 : -EIO;
	};
	mo.provider = &provider;
	mo.len = ROOM;
	ASSERT_EQ(devrx_memory_alloc(&mem, &mo), 0);
	HTTP_OPEN();
	writes_left = 3;
	get.to = mem;
	EXPECT_EQ(fetch(server.url()), -EIO);
	EXPECT_STREQ(cause.id, "http-gather") << cause.text;
	get.to = to.get();
	fetches(server, file);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

} // namespace
