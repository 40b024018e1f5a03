// SPDX-License-Identifier: MIT
/* devrx_http_get() from servers that are as they should be. */
#include "http_support.h"

using namespace http_test;

namespace
{

const std::string file = content(700001);

Handler good()
{
	return [](const Peer &peer, const Request &r) {
		return peer.send(partial(r, file));
	};
}

TEST_F(Http, AFileOverSeveralConnections)
{
	std::atomic<const Server *> self{ nullptr };
	/* The second request is answered when all are connected. */
	const Server server([&](const Peer &peer, const Request &r) {
		while (r.number && (!self || self.load()->connections < 4))
			std::this_thread::yield();
		return peer.send(partial(r, file));
	});

	self = &server;
	HTTP_OPEN();
	fetches(server, file);
	EXPECT_EQ(result.total, file.size());
	EXPECT_EQ(result.status, 206u);
	EXPECT_EQ(result.requests, 11u);
	EXPECT_EQ(result.retries, 0u);
	EXPECT_EQ(result.connects, 4u);
	EXPECT_EQ(result.connections, 4u);
	EXPECT_EQ(result.flags, DEVRX_HTTP_RESULT_RANGES);
	EXPECT_STREQ(result.etag, "\"v1\"");
	EXPECT_EQ(result.url, server.url());
	EXPECT_STREQ(result.gathered_by, "the CPU");
}

TEST_F(Http, ConnectionsAreKept)
{
	const Server server(good());

	HTTP_OPEN();
	fetches(server, file);
	const unsigned made = server.connections;
	for (int i = 0; i < 5; i++) {
		fetches(server, file);
		EXPECT_LE(result.connects, 4u - made);
		EXPECT_GE(result.connections, 1u);
		EXPECT_LE(result.connections, 4u);
	}
	EXPECT_LE(server.connections, 4u);
	EXPECT_EQ(server.requests, 66u);
}

TEST_F(Http, ARangeToWhereItBelongs)
{
	const Server server(good());

	HTTP_OPEN();
	get.first = 1234;
	get.len = 200000;
	get.to_offset = 4321;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	expect_there(file.substr(1234, 200000), 4321);
	get.first = file.size() - 5;
	get.len = 0;
	get.to_offset = ROOM - 5;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_EQ(bytes(ROOM - 5, 5), file.substr(file.size() - 5));
	get.len = 5;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
}

TEST_F(Http, OnlyALook)
{
	const Server server(good());

	HTTP_OPEN();
	get.to = nullptr;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_EQ(result.total, file.size());
	EXPECT_EQ(result.done, 0u);
	EXPECT_EQ(result.flags, DEVRX_HTTP_RESULT_RANGES);
	get.to = to.get();
	fetches(server, file);
	/* On the connection that had looked, too. */
	EXPECT_LE(server.connections, 4u);
}

TEST_F(Http, AServerWithoutRanges)
{
	const Server server([](const Peer &peer, const Request &) {
		return peer.send(whole(file));
	});

	HTTP_OPEN();
	fetches(server, file);
	EXPECT_EQ(result.requests, 1u);
	EXPECT_EQ(result.flags, 0u);
	get.to = nullptr;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_EQ(result.total, file.size());
	/* A part of it is what is taken, the rest nobody waits for. */
	get.to = to.get();
	get.first = 100000;
	get.len = 50;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_EQ(bytes(0, 50), file.substr(100000, 50));
}

TEST_F(Http, InChunksOfUnknownLength)
{
	const Server server([](const Peer &peer, const Request &) {
		std::string text = "HTTP/1.1 200 OK\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
		char size[32];

		for (size_t at = 0, nr = 1; at < file.size();
		     at += nr, nr = nr * 3 % 10007 + 1) {
			const std::string part = file.substr(at, nr);

			(void)snprintf(size, sizeof(size), "%zx\r\n",
				       part.size());
			text += size + part + "\r\n";
		}
		return peer.send(text + "0\r\n\r\n");
	});

	HTTP_OPEN();
	fetches(server, file);
	EXPECT_EQ(result.total, file.size());
	fetches(server, file);
	get.to = nullptr;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_EQ(result.total, DEVRX_HTTP_UNKNOWN);
}

/* More pieces than a batch has spans. */
TEST_F(Http, InChunksOfOneByte)
{
	const std::string small = file.substr(0, 30000);
	const Server server([&small](const Peer &peer, const Request &) {
		std::string text = "HTTP/1.1 200 OK\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";

		for (const char c : small)
			text += std::string("1\r\n") + c + "\r\n";
		return peer.send(text + "0\r\n\r\n");
	});

	HTTP_OPEN();
	fetches(server, small);
}

TEST_F(Http, ToTheEndOfTheConnection)
{
	const Server server([](const Peer &peer, const Request &) {
		peer.send("HTTP/1.1 200 OK\r\n\r\n" + file);
		return false;
	});

	HTTP_OPEN();
	fetches(server, file);
	EXPECT_EQ(result.total, file.size());
}

TEST_F(Http, NothingAtAll)
{
	const Server with_ranges([](const Peer &peer, const Request &) {
		return peer.send("HTTP/1.1 416 Range Not Satisfiable\r\n"
				 "Content-Range: bytes */0\r\n"
				 "Content-Length: 0\r\n\r\n");
	});
	const Server without([](const Peer &peer, const Request &) {
		return peer.send(
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	});

	HTTP_OPEN();
	fetches(with_ranges, "");
	EXPECT_EQ(result.total, 0u);
	fetches(without, "");
	EXPECT_EQ(result.total, 0u);
	get.to = nullptr;
	EXPECT_EQ(fetch(with_ranges.url()), 0);
	EXPECT_EQ(fetch(without.url()), 0) << cause.text;
}

TEST_F(Http, RedirectsAreFollowed)
{
	const Server last(good());
	std::atomic<unsigned> secrets{ 0 };
	const Server first([&](const Peer &peer, const Request &r) {
		secrets += r.has("X-Secret: 7");
		if (r.path == "/f")
			return peer.send("HTTP/1.1 302 Found\r\nLocation: "
					 "g?x=1\r\nContent-Length: 0\r\n\r\n");
		return peer.send("HTTP/1.1 307 Temporary Redirect\r\n"
				 "Location: " +
				 last.url("/there") +
				 "\r\nContent-Length: 3\r\n\r\nbye");
	});
	const Server witness([&](const Peer &peer, const Request &r) {
		secrets += 100 * r.has("X-Secret: 7");
		return peer.send(partial(r, file));
	});

	opts.headers = "X-Secret: 7\r\n";
	HTTP_OPEN();
	fetches(first, file);
	EXPECT_EQ(result.redirects, 2u);
	EXPECT_EQ(result.url, last.url("/there"));
	/* With each request to the one that was asked, and to nobody else. */
	EXPECT_EQ(secrets, 2u);
	EXPECT_EQ(fetch(witness.url()), 0);
	EXPECT_EQ(secrets, 2u + 100u * witness.requests);
}

TEST_F(Http, ARequestIsWhatServersExpect)
{
	std::string text;
	std::mutex lock;
	const Server server([&](const Peer &peer, const Request &r) {
		std::lock_guard<std::mutex> hold(lock);

		if (r.number != 1)
			text = r.text;
		return peer.send(partial(r, file));
	});

	opts.headers = "Authorization: Bearer x\r\nX: y\r\n";
	opts.connections = 1;
	HTTP_OPEN();
	get.len = 100;
	ASSERT_EQ(fetch(server.url("/a%20b?c=d#fragment")), 0) << cause.text;
	const auto last = [&] {
		std::lock_guard<std::mutex> hold(lock);

		return text;
	};
	EXPECT_EQ(last(),
		  "GET /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" +
			  std::to_string(server.port) +
			  "\r\nUser-Agent: devrx\r\nAccept: */*\r\n"
			  "Accept-Encoding: identity\r\nRange: bytes=0-99\r\n"
			  "Authorization: Bearer x\r\nX: y\r\n\r\n");
	/* Of what has a name, all parts are to be of that. */
	get.len = 200000;
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_NE(last().find("\r\nIf-Range: \"v1\"\r\n"), std::string::npos);
}

TEST_F(Http, ProgressIsTold)
{
	struct Told {
		uint64_t done = 0, len = 0;
		unsigned calls = 0, stop_at = ~0u;
	} told;
	const Server server(good());

	HTTP_OPEN();
	get.arg = &told;
	get.progress = [](void *arg, uint64_t done, uint64_t len) {
		Told *t = static_cast<Told *>(arg);

		EXPECT_GE(done, t->done);
		t->done = done;
		t->len = len;
		return ++t->calls >= t->stop_at ? 1 : 0;
	};
	fetches(server, file);
	EXPECT_EQ(told.done, file.size());
	EXPECT_EQ(told.len, file.size());
	EXPECT_GE(told.calls, 2u);
	told = Told();
	told.stop_at = 2;
	fails(server, -ECANCELED, "http-canceled", file);
	EXPECT_LT(told.done, file.size());
	told = Told();
	fetches(server, file);
}

/* Bytes that stay where they landed. */
TEST_F(Http, KeptAsSpans)
{
	struct Kept {
		devrx_memory *area = nullptr;
		std::string got = std::string(file.size(), '\0');
		uint64_t bytes = 0;
		std::vector<devrx_fragment> frags;
	} all;
	const Server server(good());

	HTTP_OPEN();
	all.area = area.get();
	get.to = nullptr;
	get.arg = &all;
	get.keep = [](void *arg, const devrx_fragment *frag,
		      const devrx_piece *pieces, unsigned n) {
		Kept *k = static_cast<Kept *>(arg);

		for (unsigned i = 0; i < n; i++) {
			EXPECT_EQ(devrx_memory_read(k->area, pieces[i].offset,
						    &k->got[pieces[i].position],
						    pieces[i].length),
				  0);
			k->bytes += pieces[i].length;
		}
		k->frags.push_back(*frag);
		/* The first two stay. */
		return k->frags.size() <= 2 ? 1 : 0;
	};
	ASSERT_EQ(fetch(server.url()), 0) << cause.text;
	EXPECT_TRUE(all.got == file);
	EXPECT_EQ(all.bytes, file.size());
	kept = 2;
	EXPECT_EQ(devrx_receiver_release(rx, all.frags.data(), 2), 0);
	kept = 0;
	get.keep = [](void *, const devrx_fragment *, const devrx_piece *,
		      unsigned) { return -ENOTTY; };
	EXPECT_EQ(fetch(server.url()), -ENOTTY);
	EXPECT_STREQ(cause.id, "http-canceled");
}

TEST_F(Http, FromPortsOfOurOwn)
{
	uint16_t ports[3];
	std::mutex lock;
	std::vector<uint16_t> seen;
	const Server server([&](const Peer &peer, const Request &r) {
		struct sockaddr_in addr = {};
		socklen_t len = sizeof(addr);

		EXPECT_EQ(getpeername(peer.fd,
				      reinterpret_cast<sockaddr *>(&addr),
				      &len),
			  0);
		std::lock_guard<std::mutex> hold(lock);
		seen.push_back(ntohs(addr.sin_port));
		peer.send(partial(r, file));
		return r.number % 5 != 4; /* so that some are made anew */
	});

	ASSERT_EQ(devrx_http_ports(ports, 3, &cause), 0) << cause.text;
	EXPECT_NE(ports[0], ports[1]);
	EXPECT_NE(ports[1], ports[2]);
	opts.ports = ports;
	opts.nr_ports = opts.connections = 3;
	HTTP_OPEN();
	fetches(server, file);
	fetches(server, file);
	std::lock_guard<std::mutex> hold(lock);
	for (const uint16_t port : seen)
		EXPECT_TRUE(port == ports[0] || port == ports[1] ||
			    port == ports[2])
			<< port;
}

/* A connection that we end leaves its port free: there is one rule of a NIC for it. */
TEST_F(Http, APortIsFreeAgainAtOnce)
{
	uint16_t port;
	const Server server([](const Peer &peer, const Request &) {
		return peer.send(whole(file));
	});

	ASSERT_EQ(devrx_http_ports(&port, 1, &cause), 0) << cause.text;
	opts.ports = &port;
	opts.nr_ports = opts.connections = 1;
	HTTP_OPEN();
	get.len = 50; /* the rest of it nobody waits for */
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(fetch(server.url()), 0) << cause.text;
		EXPECT_EQ(bytes(0, 50), file.substr(0, 50));
	}
	EXPECT_EQ(server.connections, 5u);
}

TEST_F(Http, APortThatIsTaken)
{
	const Server server(good());
	const Server taken(good());
	const uint16_t port = taken.port;

	opts.ports = &port;
	opts.nr_ports = opts.connections = 1;
	HTTP_OPEN();
	fails(server, -EADDRINUSE, "http-port");
}

TEST_F(Http, AForkedChildHasNoPart)
{
	const Server server(good());

	HTTP_OPEN();
	fetches(server, file);
	const pid_t pid = fork();

	if (!pid)
		_exit(fetch(server.url()) == -EPERM &&
				      !strcmp(cause.id, "forked") ?
			      0 :
			      1);
	int status = 0;
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	fetches(server, file);
}

TEST_F(Http, OptionsThatAreNone)
{
	struct devrx_http *other = nullptr;
	struct devrx_http_opts o = DEVRX_HTTP_OPTS_INIT;
	uint16_t port = 1;
	const auto refuse = [&] {
		cause = {};
		o.cause = &cause;
		EXPECT_EQ(devrx_http_open(&other, rx, area.get(), &o), -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
		EXPECT_EQ(other, nullptr);
		o = DEVRX_HTTP_OPTS_INIT;
	};

	HTTP_OPEN();
	o.connections = 65;
	refuse();
	o.request_len = 4095;
	refuse();
	o.nr_ports = 1;
	refuse();
	o.ports = &port;
	o.nr_ports = 1;
	o.connections = 2;
	refuse();
	for (const char *headers : { "X: y", "X: y\n", "X: y\r\n\r\n", "\r\n",
				     "X: y\r\nZ\r: q\r\n", "a\nb\r\n" }) {
		o.headers = headers;
		refuse();
	}
	const std::string much = std::string(4095, 'x') + "\r\n";
	o.headers = much.c_str();
	refuse();
	o.size = 8;
	EXPECT_EQ(devrx_http_open(&other, rx, area.get(), &o), -EINVAL);
	o = DEVRX_HTTP_OPTS_INIT;
	EXPECT_EQ(devrx_http_open(&other, nullptr, area.get(), &o), -EINVAL);
	EXPECT_EQ(devrx_http_ports(&port, 0, &cause), -EINVAL);
	EXPECT_EQ(devrx_http_ports(&port, 65, &cause), -EINVAL);

	const auto refuse_get = [&](const char *url, int err, const char *id) {
		EXPECT_EQ(fetch(url), err) << url;
		EXPECT_STREQ(cause.id, id) << url;
	};
	refuse_get("ftp://x/", -EINVAL, "http-url");
	refuse_get("https://x/", -EPROTONOSUPPORT, "http-tls");
	get.to = area.get();
	refuse_get("http://x/", -EINVAL, "opts-invalid");
	get.to = to.get();
	get.reserved = 1;
	refuse_get("http://x/", -EINVAL, "opts-invalid");
	get.reserved = 0;
	get.first = UINT64_MAX - 1;
	get.len = 5;
	refuse_get("http://x/", -EINVAL, "opts-invalid");
	get.len = get.first = 0;
	get.keep = [](void *, const devrx_fragment *, const devrx_piece *,
		      unsigned) { return 0; };
	refuse_get("http://x/", -EINVAL, "opts-invalid");
	EXPECT_EQ(devrx_http_get(http, nullptr, &get, nullptr), -EINVAL);
	get.size = 8;
	EXPECT_EQ(devrx_http_get(http, "http://x/", &get, nullptr), -EINVAL);
	devrx_http_close(nullptr);
}

} // namespace
