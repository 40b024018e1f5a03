/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server that does what a test says: well by default, and otherwise badly.
 * On loopback, a thread for each connection.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace http_test
{

struct Request {
	std::string text; /* the head */
	std::string path;
	bool ranged = false;
	uint64_t first = 0, last = 0;
	unsigned number = 0; /* of this server, from 0 */
	unsigned on_connection = 0; /* of its connection, from 0 */

	bool has(const std::string &line) const
	{
		return text.find("\r\n" + line + "\r\n") != std::string::npos;
	}
};

/* One connection, as the server has it. */
class Peer
{
      public:
	explicit Peer(int fd) : fd(fd)
	{
	}
	/* False: nobody is there any more. */
	bool send(const std::string &bytes) const
	{
		size_t at = 0;

		while (at < bytes.size()) {
			const ssize_t n =
				::send(fd, bytes.data() + at, bytes.size() - at,
				       MSG_NOSIGNAL);
			if (n <= 0)
				return false;
			at += static_cast<size_t>(n);
		}
		return true;
	}
	/* Until the client is gone, or @ms have passed. */
	void hold(int ms) const
	{
		struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
		char c;

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		(void)recv(fd, &c, 1, 0);
	}
	void reset() const
	{
		const struct linger now = { 1, 0 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	const int fd;
};

/* Answer; false: the connection is closed then. */
using Handler = std::function<bool(const Peer &, const Request &)>;

class Server
{
      public:
	explicit Server(Handler handler) : handler_(std::move(handler))
	{
		struct sockaddr_in addr = {};
		socklen_t len = sizeof(addr);

		addr.sin_family = AF_INET;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr *>(&addr), len),
			  0);
		EXPECT_EQ(listen(fd_, 64), 0);
		EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr *>(&addr),
				      &len),
			  0);
		port = ntohs(addr.sin_port);
		accepter_ = std::thread([this] { accept_all(); });
	}
	~Server()
	{
		shutdown(fd_, SHUT_RDWR);
		accepter_.join();
		close(fd_);
		{
			std::lock_guard<std::mutex> hold(lock_);
			for (const int fd : fds_)
				shutdown(fd, SHUT_RDWR);
		}
		for (std::thread &t : threads_)
			t.join();
		for (const int fd : fds_)
			close(fd);
	}
	std::string url(const std::string &path = "/f") const
	{
		return "http://127.0.0.1:" + std::to_string(port) + path;
	}

	uint16_t port = 0;
	std::atomic<unsigned> requests{ 0 };
	std::atomic<unsigned> connections{ 0 };

      private:
	void accept_all()
	{
		for (;;) {
			const int fd =
				accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);

			if (fd < 0)
				return;
			connections++;
			std::lock_guard<std::mutex> hold(lock_);
			fds_.push_back(fd);
			threads_.emplace_back([this, fd] { serve(fd); });
		}
	}
	void serve(int fd)
	{
		const Peer peer(fd);
		std::string text;
		unsigned nr = 0;
		char buf[4096];

		for (;;) {
			const size_t end = text.find("\r\n\r\n");

			if (end != std::string::npos) {
				Request r = parse(text.substr(0, end + 4));

				r.on_connection = nr++;
				text.erase(0, end + 4);
				if (!handler_(peer, r))
					break;
				continue;
			}
			const ssize_t n = recv(fd, buf, sizeof(buf), 0);

			if (n <= 0)
				break;
			text.append(buf, static_cast<size_t>(n));
		}
		struct linger linger = {};
		socklen_t len = sizeof(linger);

		getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);
		if (!linger.l_onoff) {
			shutdown(fd, SHUT_WR);
			return;
		}
		/* A reset is in close() only. */
		std::lock_guard<std::mutex> hold(lock_);
		for (int &other : fds_)
			if (other == fd) {
				close(fd);
				other = -1;
			}
	}
	Request parse(const std::string &text)
	{
		Request r;

		r.text = text;
		r.path = text.substr(4, text.find(' ', 4) - 4);
		r.number = requests++;
		const size_t at = text.find("\r\nRange: bytes=");

		if (at != std::string::npos)
			r.ranged = sscanf(text.c_str() + at + 15,
					  "%" SCNu64 "-%" SCNu64, &r.first,
					  &r.last) == 2;
		return r;
	}

	Handler handler_;
	int fd_;
	std::thread accepter_;
	std::mutex lock_;
	std::vector<std::thread> threads_;
	std::vector<int> fds_;
};

/* @len bytes that are the same each time. */
inline std::string content(uint64_t len)
{
	std::string s(len, '\0');
	uint64_t x = 88172645463325252u;

	for (char &c : s) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		c = static_cast<char>(x);
	}
	return s;
}

/* The head of the 206 that @r asks for, of @total bytes. */
inline std::string partial_head(const Request &r, uint64_t total,
				const std::string &more = "ETag: \"v1\"\r\n")
{
	const uint64_t last = r.last < total ? r.last : total - 1;
	char text[256];

	(void)snprintf(
		text, sizeof(text),
		"HTTP/1.1 206 Partial Content\r\nContent-Length: %" PRIu64
		"\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
		"\r\n",
		last - r.first + 1, r.first, last, total);
	return text + more + "\r\n";
}

/* What @r asks for of @file, as a good server says it. */
inline std::string partial(const Request &r, const std::string &file,
			   const std::string &more = "ETag: \"v1\"\r\n")
{
	return partial_head(r, file.size(), more) +
	       file.substr(r.first, r.last - r.first + 1);
}

/* All of it, for one that has no ranges. */
inline std::string whole(const std::string &file,
			 const std::string &more = "ETag: \"v1\"\r\n")
{
	return "HTTP/1.1 200 OK\r\nContent-Length: " +
	       std::to_string(file.size()) + "\r\n" + more + "\r\n" + file;
}

} // namespace http_test

#endif /* HTTP_SERVER_H */
