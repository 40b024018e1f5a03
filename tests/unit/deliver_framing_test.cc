// SPDX-License-Identifier: MIT
/*
 * Framing: messages out of a stream, however it was cut into fragments. Each stream
 * is pushed whole, in bytes, and in pieces of each length up to that of a head; what
 * comes out must be the same.
 */
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <devrx/framing.h>

#include "memory_support.h"

namespace
{

using memory_support::Memory;

struct Message {
	std::string body;
	uint32_t firsts = 0, lasts = 0;
	unsigned status = 0;
};

/* What came of a stream. */
struct Outcome {
	std::vector<Message> messages;
	int err = 0;
	std::string cause;

	bool operator==(const Outcome &other) const
	{
		if (messages.size() != other.messages.size() ||
		    err != other.err || cause != other.cause)
			return false;
		for (size_t i = 0; i < messages.size(); i++)
			if (messages[i].body != other.messages[i].body ||
			    messages[i].lasts != other.messages[i].lasts ||
			    messages[i].status != other.messages[i].status)
				return false;
		return true;
	}
};

class Framing : public testing::Test
{
      protected:
	void SetUp() override
	{
		struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
		struct devrx_memory *made = nullptr;

		mo.kind = "host";
		mo.len = 1 << 20;
		ASSERT_EQ(devrx_memory_alloc(&made, &mo), 0);
		mem.reset(made);
	}

	/* The stream, in fragments of @cut bytes, each elsewhere in the memory. */
	Outcome run(const std::string &stream, size_t cut,
		    uint16_t end = DEVRX_FRAGMENT_EOF)
	{
		struct devrx_framing *f = nullptr;
		Outcome out;
		size_t at = 0;

		EXPECT_EQ(devrx_framing_create(&f, mem.get(), &opts), 0);
		if (before)
			before(f);
		while (!out.err) {
			const size_t nr = std::min(cut, stream.size() - at);
			struct devrx_fragment frag = {};

			frag.offset = (at * 7919) % ((1 << 20) - 70000);
			frag.position = at;
			frag.length = static_cast<uint32_t>(nr);
			EXPECT_EQ(devrx_memory_write(mem.get(), frag.offset,
						     stream.data() + at, nr),
				  0);
			if (!nr) {
				frag.flags = end;
				frag.error = end == DEVRX_FRAGMENT_ERROR ?
						     -ECONNRESET :
						     0;
			}
			at += nr;
			EXPECT_EQ(devrx_framing_push(f, &frag), 0);
			out.err = take(f, frag, &out);
			if (!nr)
				break;
		}
		if (out.err) {
			struct devrx_cause why = {};
			struct devrx_piece piece;

			EXPECT_EQ(devrx_framing_cause(f, &why), 0);
			out.cause = why.id;
			/* For ever. */
			EXPECT_EQ(devrx_framing_next(f, &piece), out.err);
		}
		devrx_framing_destroy(f);
		return out;
	}

	int take(struct devrx_framing *f, const struct devrx_fragment &frag,
		 Outcome *out)
	{
		struct devrx_piece piece;
		int rc;

		while ((rc = devrx_framing_next(f, &piece)) > 0) {
			if (piece.flags & DEVRX_PIECE_FIRST)
				out->messages.emplace_back();
			EXPECT_EQ(piece.message + 1, out->messages.size());
			Message &m = out->messages.back();
			EXPECT_EQ(piece.position, m.body.size());
			EXPECT_GE(piece.offset, frag.offset);
			EXPECT_LE(piece.offset + piece.length,
				  frag.offset + frag.length);
			std::string bytes(piece.length, '\0');
			EXPECT_EQ(devrx_memory_read(mem.get(), piece.offset,
						    bytes.data(), bytes.size()),
				  0);
			m.body += bytes;
			m.firsts += !!(piece.flags & DEVRX_PIECE_FIRST);
			m.lasts += !!(piece.flags & DEVRX_PIECE_LAST);
			if (opts.kind == DEVRX_FRAMING_HTTP) {
				struct devrx_http_head head = {};

				head.size = sizeof(head);
				EXPECT_EQ(devrx_framing_head(f, &head), 0);
				m.status = head.status;
			}
		}
		return rc;
	}

	/* In each way of cutting: the same. */
	Outcome all(const std::string &stream,
		    uint16_t end = DEVRX_FRAGMENT_EOF)
	{
		const Outcome whole = run(stream, stream.size() + 1, end);

		for (size_t cut = 1; cut < 40; cut++)
			EXPECT_TRUE(run(stream, cut, end) == whole) << cut;
		for (const Message &m : whole.messages)
			EXPECT_EQ(m.firsts, 1u);
		return whole;
	}

	Outcome http(const std::string &stream,
		     uint16_t end = DEVRX_FRAGMENT_EOF)
	{
		opts.kind = DEVRX_FRAMING_HTTP;
		return all(stream, end);
	}

	void refused(const std::string &stream, int err, const char *id)
	{
		const Outcome out = http(stream);

		EXPECT_EQ(out.err, err) << stream;
		EXPECT_EQ(out.cause, id) << stream;
	}

	Memory mem;
	struct devrx_framing_opts opts = DEVRX_FRAMING_OPTS_INIT;
	std::function<void(struct devrx_framing *)> before;
};

std::string response(const std::string &headers, const std::string &body = "",
		     const char *status = "200 OK")
{
	return std::string("HTTP/1.1 ") + status + "\r\n" + headers + "\r\n" +
	       body;
}

TEST_F(Framing, FixedLength)
{
	opts.kind = DEVRX_FRAMING_FIXED;
	opts.len = 7;
	const Outcome out = all("abcdefghijklmnopqrstu");

	ASSERT_EQ(out.messages.size(), 3u);
	EXPECT_EQ(out.err, 0);
	EXPECT_EQ(out.messages[0].body, "abcdefg");
	EXPECT_EQ(out.messages[2].body, "opqrstu");
	EXPECT_EQ(out.messages[2].lasts, 1u);
}

TEST_F(Framing, AFixedMessageThatIsCutIsAnError)
{
	opts.kind = DEVRX_FRAMING_FIXED;
	opts.len = 7;
	const Outcome out = all("abcdefghij");

	EXPECT_EQ(out.err, -EPIPE);
	EXPECT_EQ(out.cause, "framing-cut");
	ASSERT_EQ(out.messages.size(), 2u);
	EXPECT_EQ(out.messages[1].lasts, 0u);
}

TEST_F(Framing, PrefixesOfEachKind)
{
	const std::string body = "hello";

	for (const uint32_t width : { 4u, 8u })
		for (const bool big : { false, true }) {
			std::string stream, prefix(width, '\0');

			prefix[big ? width - 1 : 0] = 5;
			stream = prefix + body + std::string(width, '\0') +
				 prefix + "world";
			opts.kind = DEVRX_FRAMING_PREFIXED;
			opts.prefix = width;
			opts.flags = big ? DEVRX_FRAMING_F_BIG_ENDIAN : 0;
			const Outcome out = all(stream);

			EXPECT_EQ(out.err, 0);
			ASSERT_EQ(out.messages.size(), 3u);
			EXPECT_EQ(out.messages[0].body, "hello");
			EXPECT_EQ(out.messages[1].body, "");
			EXPECT_EQ(out.messages[1].lasts, 1u);
			EXPECT_EQ(out.messages[2].body, "world");
		}
}

TEST_F(Framing, APrefixOfAllItsBytes)
{
	/* 2^56 and more: one that is read in 32 bits would be 0. */
	opts.kind = DEVRX_FRAMING_PREFIXED;
	opts.prefix = 8;
	opts.len = 100;
	const Outcome out = all(std::string("\0\0\0\0\0\0\0\1", 8));

	EXPECT_EQ(out.err, -EMSGSIZE);
	EXPECT_EQ(out.cause, "framing-too-long");
}

TEST_F(Framing, APrefixThatIsCut)
{
	opts.kind = DEVRX_FRAMING_PREFIXED;
	opts.prefix = 4;
	EXPECT_EQ(all(std::string("\5\0\0", 3)).err, -EPIPE);
	EXPECT_EQ(all(std::string("\5\0\0\0hel", 7)).err, -EPIPE);
	EXPECT_EQ(all(std::string("\5\0\0\0", 4)).err, -EPIPE);
}

TEST_F(Framing, HttpByLength)
{
	const Outcome out =
		http(response("Content-Length: 5\r\n", "hello") +
		     response("Content-Length: 0\r\n", "", "404 Not Found") +
		     response("Content-Length: 3\r\nX: y\r\n", "abc",
			      "206 Partial Content"));

	EXPECT_EQ(out.err, 0);
	ASSERT_EQ(out.messages.size(), 3u);
	EXPECT_EQ(out.messages[0].body, "hello");
	EXPECT_EQ(out.messages[1].status, 404u);
	EXPECT_EQ(out.messages[1].lasts, 1u);
	EXPECT_EQ(out.messages[2].body, "abc");
	EXPECT_EQ(out.messages[2].status, 206u);
}

TEST_F(Framing, HttpInChunks)
{
	const Outcome out =
		http(response("Transfer-Encoding: chunked\r\n",
			      "5\r\nhello\r\n"
			      "00A;name=\"value\"\r\n0123456789\r\n"
			      "0\r\nTrailer: x\r\nOther: y\r\n\r\n") +
		     response("Transfer-Encoding: chunked\r\n", "0\r\n\r\n") +
		     response("Content-Length: 1\r\n", "z"));

	EXPECT_EQ(out.err, 0);
	ASSERT_EQ(out.messages.size(), 3u);
	EXPECT_EQ(out.messages[0].body, "hello0123456789");
	EXPECT_EQ(out.messages[0].lasts, 1u);
	EXPECT_EQ(out.messages[1].body, "");
	EXPECT_EQ(out.messages[2].body, "z");
}

TEST_F(Framing, HttpToTheEnd)
{
	const Outcome out = http(response("", "to the very end"));

	EXPECT_EQ(out.err, 0);
	ASSERT_EQ(out.messages.size(), 1u);
	EXPECT_EQ(out.messages[0].body, "to the very end");
	EXPECT_EQ(out.messages[0].lasts, 1u);
	/* A connection that breaks is no end of a body. */
	EXPECT_EQ(http(response("", "to the very e"), DEVRX_FRAGMENT_ERROR).err,
		  -EPIPE);
}

TEST_F(Framing, InterimResponsesAreNone)
{
	const Outcome out =
		http(response("", "", "100 Continue") +
		     response("Link: x\r\n", "", "103 Early Hints") +
		     response("Content-Length: 2\r\n", "ok"));

	EXPECT_EQ(out.err, 0);
	ASSERT_EQ(out.messages.size(), 1u);
	EXPECT_EQ(out.messages[0].body, "ok");
	std::string many;
	for (int i = 0; i < 17; i++)
		many += response("", "", "100 Continue");
	refused(many, -EBADMSG, "framing-malformed");
}

TEST_F(Framing, ThoseWithoutABody)
{
	const Outcome out =
		http(response("", "", "204 No Content") +
		     response("Content-Length: 9\r\n", "", "304 Not Modified") +
		     response("Content-Length: 1\r\n", "x"));

	EXPECT_EQ(out.err, 0);
	ASSERT_EQ(out.messages.size(), 3u);
	EXPECT_EQ(out.messages[1].body, "");
	EXPECT_EQ(out.messages[2].body, "x");
	before = [](struct devrx_framing *f) {
		EXPECT_EQ(devrx_framing_no_body(f), 0);
	};
	const Outcome head = http(response("Content-Length: 9\r\n") +
				  response("Content-Length: 1\r\n", "x"));
	EXPECT_EQ(head.err, 0);
	ASSERT_EQ(head.messages.size(), 2u);
	EXPECT_EQ(head.messages[0].body, "");
	EXPECT_EQ(head.messages[1].body, "x");
}

TEST_F(Framing, WhatIsNotHttpIsRefused)
{
	/* A TLS alert, which is shorter than a status line. */
	refused(std::string("\x15\x03\x03\x00\x02\x02\x46", 7), -EBADMSG,
		"framing-malformed");
	refused("SSH-2.0-OpenSSH\r\n", -EBADMSG, "framing-malformed");
	refused("HTTP/2.0 200 OK\r\n\r\n", -EBADMSG, "framing-malformed");
	refused("HTTP/1.1 200 OK\nContent-Length: 1\n\nx\r\n\r\n", -EBADMSG,
		"framing-malformed");
	refused(response("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
		-EBADMSG, "framing-malformed");
	refused(response("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
			 "0\r\n\r\n"),
		-EBADMSG, "framing-malformed");
	refused(response("Content-Length: -5\r\n", "hello"), -EBADMSG,
		"framing-malformed");
	refused(response("Content-Length: 99999999999999999999\r\n", "hello"),
		-EBADMSG, "framing-malformed");
	refused(response("Transfer-Encoding: gzip\r\n", "hello"), -EBADMSG,
		"framing-malformed");
	refused(response("Content-Range: bytes 5-1/9\r\n", "hello"), -EBADMSG,
		"framing-malformed");
	refused(response("Content-Range: lines 0-1/9\r\n", "hello"), -EBADMSG,
		"framing-malformed");
	refused(response("Upgrade: h2c\r\nConnection: upgrade\r\n", "",
			 "101 Switching Protocols"),
		-EBADMSG, "framing-malformed");
}

TEST_F(Framing, ChunksThatAreNone)
{
	const std::string head = "Transfer-Encoding: chunked\r\n";

	for (const char *body :
	     { "x\r\n", "\r\nhello", "5\nhello\r\n0\r\n\r\n", "-5\r\nhello",
	       "5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n", "0x5\r\nhello",
	       "11111111111111111\r\n", "5 \x01\r\nhello", "0\r\nTrailer\n\r\n",
	       "0\r\n\rX", "5\r\r\nhello" })
		refused(response(head, body), -EBADMSG, "framing-malformed");
	refused(response(head, "5;" + std::string(5000, 'x') + "\r\nhello"),
		-EMSGSIZE, "framing-too-long");
	/* Trailers without end are one line too long, too. */
	std::string trailers = "0\r\n";
	for (int i = 0; i < 1000; i++)
		trailers += "Name: value\r\n";
	refused(response(head, trailers), -EMSGSIZE, "framing-too-long");
	refused(response(head, "5\r\nhel"), -EPIPE, "framing-cut");
	refused(response(head, "5\r\nhello\r\n0\r\n"), -EPIPE, "framing-cut");
}

TEST_F(Framing, AHeadHasALimit)
{
	opts.head_max = 200;
	EXPECT_EQ(http(response("Content-Length: 1\r\nX: " +
					std::string(140, 'x') + "\r\n",
				"y"))
			  .err,
		  0);
	refused(response("Content-Length: 1\r\nX: " + std::string(180, 'x') +
				 "\r\n",
			 "y"),
		-EMSGSIZE, "framing-too-long");
	opts.head_max = 0;
	refused(response("X: " + std::string(17000, 'x') + "\r\n", "y"),
		-EMSGSIZE, "framing-too-long");
	refused("HTTP/1.1 200 O", -EPIPE, "framing-cut");
}

TEST_F(Framing, TheHeadSaysWhatItSays)
{
	struct devrx_http_head head = {};
	struct devrx_fragment frag = {};
	struct devrx_framing *f = nullptr;
	struct devrx_piece piece;
	const std::string text =
		response("Content-Length: 3\r\nContent-Range: bytes 5-7/100\r\n"
			 "ETag: \"abc\"\r\nLast-Modified: Sat, 28 Nov 2026 "
			 "06:00:00 GMT\r\n"
			 "Location: /elsewhere\r\nRetry-After: 17\r\n"
			 "Content-Encoding: gzip\r\nConnection: close\r\n",
			 "xyz", "206 Partial Content");

	opts.kind = DEVRX_FRAMING_HTTP;
	ASSERT_EQ(devrx_framing_create(&f, mem.get(), &opts), 0);
	head.size = sizeof(head);
	EXPECT_EQ(devrx_framing_head(f, &head), -ENODATA);
	ASSERT_EQ(devrx_memory_write(mem.get(), 0, text.data(), text.size()),
		  0);
	frag.length = static_cast<uint32_t>(text.size());
	ASSERT_EQ(devrx_framing_push(f, &frag), 0);
	EXPECT_EQ(devrx_framing_push(f, &frag), -EBUSY);
	ASSERT_EQ(devrx_framing_next(f, &piece), 1);
	ASSERT_EQ(devrx_framing_head(f, &head), 0);
	EXPECT_EQ(head.status, 206u);
	EXPECT_EQ(head.length, 3u);
	EXPECT_EQ(head.range_first, 5u);
	EXPECT_EQ(head.range_last, 7u);
	EXPECT_EQ(head.range_total, 100u);
	EXPECT_EQ(head.retry_after, 17u);
	EXPECT_EQ(head.flags, DEVRX_HTTP_HEAD_ENCODED | DEVRX_HTTP_HEAD_CLOSE);
	EXPECT_STREQ(head.reason, "Partial Content");
	EXPECT_STREQ(head.etag, "\"abc\"");
	EXPECT_STREQ(head.modified, "Sat, 28 Nov 2026 06:00:00 GMT");
	EXPECT_STREQ(head.location, "/elsewhere");
	head.size = 8;
	EXPECT_EQ(devrx_framing_head(f, &head), -EINVAL);
	EXPECT_EQ(devrx_framing_next(f, &piece), 0);
	/* Not the next one of its stream. */
	EXPECT_EQ(devrx_framing_push(f, &frag), -EINVAL);
	frag.position = text.size();
	frag.flags = DEVRX_FRAGMENT_LOST;
	EXPECT_EQ(devrx_framing_push(f, &frag), -EINVAL);
	frag.flags = 0;
	frag.offset = UINT64_C(1) << DEVRX_AREA_SHIFT;
	EXPECT_EQ(devrx_framing_push(f, &frag), -EINVAL);
	devrx_framing_destroy(f);
}

TEST_F(Framing, OptionsThatAreNone)
{
	struct devrx_framing *f = nullptr;
	struct devrx_cause cause = {};
	const auto refuse = [&](uint32_t kind, uint32_t prefix, uint64_t len,
				uint32_t head_max, uint32_t flags) {
		struct devrx_framing_opts o = DEVRX_FRAMING_OPTS_INIT;

		o.kind = kind;
		o.prefix = prefix;
		o.len = len;
		o.head_max = head_max;
		o.flags = flags;
		o.cause = &cause;
		cause = {};
		EXPECT_EQ(devrx_framing_create(&f, mem.get(), &o), -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
		EXPECT_EQ(f, nullptr);
	};

	refuse(0, 0, 0, 0, 0);
	refuse(4, 0, 0, 0, 0);
	refuse(DEVRX_FRAMING_FIXED, 0, 0, 0, 0);
	refuse(DEVRX_FRAMING_FIXED, 4, 5, 0, 0);
	refuse(DEVRX_FRAMING_FIXED, 0, 5, 100, 0);
	refuse(DEVRX_FRAMING_FIXED, 0, 5, 0, DEVRX_FRAMING_F_BIG_ENDIAN);
	refuse(DEVRX_FRAMING_PREFIXED, 2, 0, 0, 0);
	refuse(DEVRX_FRAMING_PREFIXED, 4, 0, 0, 1u << 5);
	refuse(DEVRX_FRAMING_HTTP, 0, 5, 0, 0);
	opts.size = 4;
	EXPECT_EQ(devrx_framing_create(&f, mem.get(), &opts), -EINVAL);
	opts = DEVRX_FRAMING_OPTS_INIT;
	opts.kind = DEVRX_FRAMING_FIXED;
	opts.len = 1;
	EXPECT_EQ(devrx_framing_create(&f, nullptr, &opts), -EINVAL);
	ASSERT_EQ(devrx_framing_create(&f, mem.get(), &opts), 0);
	struct devrx_http_head head = {};
	EXPECT_EQ(devrx_framing_head(f, &head), -EINVAL);
	EXPECT_EQ(devrx_framing_no_body(f), -EINVAL);
	EXPECT_EQ(devrx_framing_cause(f, &cause), -ENODATA);
	devrx_framing_destroy(f);
	devrx_framing_destroy(nullptr);
}

} // namespace
