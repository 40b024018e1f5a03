// SPDX-License-Identifier: MIT
/*
 * Responses that nobody would send: the first bytes say how the rest, a stream, is cut
 * into fragments. What comes of it must not depend on that; each piece lies in its
 * fragment, each body is in order and without a gap, and an error stays one. And what
 * is understood of a head is judged, against a request that another part of the bytes
 * says: no byte is taken that is not of the range that was asked for.
 */
#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <devrx/framing.h>
#include <devrx/provider.h>

#include "target.h"

extern "C" {
#include "deliver/http_judge.h"
}

FUZZ_TARGET(fuzz_http)

namespace
{

constexpr uint32_t MEMORY = 64 << 10;

struct devrx_memory *memory()
{
	static struct devrx_memory *mem;
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;

	if (!mem) {
		mo.kind = "host";
		mo.len = MEMORY;
		MUST(!devrx_memory_alloc(&mem, &mo));
	}
	return mem;
}

struct Outcome {
	std::vector<std::string> bodies;
	std::vector<uint32_t> statuses, lasts;
	int err = 0;
	std::string cause;
};

void judge(const struct devrx_framing *f, uint32_t seed)
{
	struct devrx_http_head head = {};
	struct drx_resource resource = {};
	struct devrx_cause cause = {};
	struct drx_range range;

	head.size = sizeof(head);
	MUST(!devrx_framing_head(f, &head));
	range.first = seed % 7;
	range.end = range.first + 1 + seed / 7 % 100;
	resource.total = seed & 1 ? seed % 200 : DEVRX_HTTP_UNKNOWN;
	resource.known = seed & 2;
	const struct drx_judgement j =
		drx_http_judge(&head, &range, &resource, &cause);
	if (j.verdict == DRX_VERDICT_FAIL || j.verdict == DRX_VERDICT_RETRY)
		MUST(j.err < 0 && cause.id[0] && cause.text[0]);
	if (j.verdict != DRX_VERDICT_TAKE)
		return;
	MUST(head.status == 200 || head.status == 206);
	MUST(j.whole == (head.status == 200));
	MUST(j.base == (j.whole ? 0 : range.first));
	MUST(j.whole || (j.limit > range.first && j.limit <= range.end));
}

void take(struct devrx_framing *f, const struct devrx_fragment &frag,
	  Outcome *out, uint32_t seed)
{
	struct devrx_piece piece;
	int rc;

	while ((rc = devrx_framing_next(f, &piece)) > 0) {
		if (piece.flags & DEVRX_PIECE_FIRST) {
			struct devrx_http_head head = {};

			head.size = sizeof(head);
			MUST(!devrx_framing_head(f, &head));
			out->bodies.emplace_back();
			out->statuses.push_back(head.status);
			out->lasts.push_back(0);
			judge(f, seed);
		}
		MUST(piece.message + 1 == out->bodies.size());
		MUST(!out->lasts.back());
		MUST(piece.position == out->bodies.back().size());
		MUST(piece.offset >= frag.offset &&
		     piece.offset + piece.length <= frag.offset + frag.length);
		std::string bytes(piece.length, '\0');
		MUST(!devrx_memory_read(memory(), piece.offset, bytes.data(),
					bytes.size()));
		out->bodies.back() += bytes;
		out->lasts.back() += !!(piece.flags & DEVRX_PIECE_LAST);
	}
	out->err = rc;
	if (rc < 0) {
		struct devrx_cause cause = {};

		MUST(!devrx_framing_cause(f, &cause));
		MUST(devrx_framing_next(f, &piece) == rc);
		out->cause = cause.id;
	}
}

Outcome run(const std::string &stream, const std::vector<uint8_t> &cuts,
	    bool eof, uint32_t seed)
{
	struct devrx_framing_opts opts = DEVRX_FRAMING_OPTS_INIT;
	struct devrx_framing *f = nullptr;
	Outcome out;
	size_t at = 0, i = 0;

	opts.kind = DEVRX_FRAMING_HTTP;
	opts.head_max = 300;
	MUST(!devrx_framing_create(&f, memory(), &opts));
	for (bool more = true; more && !out.err;) {
		size_t nr = stream.size() - at;
		struct devrx_fragment frag = {};

		if (!cuts.empty())
			nr = std::min<size_t>(nr,
					      1 + cuts[i++ % cuts.size()] % 50);
		frag.offset = at * 31 % (MEMORY - 1024);
		frag.position = at;
		frag.length = static_cast<uint32_t>(nr);
		MUST(!devrx_memory_write(memory(), frag.offset,
					 stream.data() + at, nr));
		at += nr;
		more = at < stream.size();
		if (!more) {
			frag.flags =
				eof ? DEVRX_FRAGMENT_EOF : DEVRX_FRAGMENT_ERROR;
		}
		MUST(!devrx_framing_push(f, &frag));
		take(f, frag, &out, seed);
	}
	devrx_framing_destroy(f);
	return out;
}

} // namespace

void fuzz_http(const uint8_t *data, size_t len)
{
	Input in(data, len);
	const uint8_t nr = in.take<uint8_t>() % 5;
	const uint32_t seed = in.take<uint16_t>();
	std::vector<uint8_t> cuts;

	for (uint8_t i = 0; i < nr; i++)
		cuts.push_back(in.take<uint8_t>());
	/* A stream at most as long as a test's memory has room for. */
	const std::string stream(reinterpret_cast<const char *>(in.rest()),
				 std::min<size_t>(in.left(), 1000));
	const Outcome a = run(stream, {}, seed & 4, seed);
	const Outcome b = run(stream, cuts, seed & 4, seed);

	MUST(a.bodies == b.bodies && a.statuses == b.statuses &&
	     a.lasts == b.lasts && a.err == b.err && a.cause == b.cause);
}
