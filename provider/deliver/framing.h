/* SPDX-License-Identifier: MIT */
/* A framing's state. */
#ifndef DRX_FRAMING_H
#define DRX_FRAMING_H

#include <stdbool.h>

#include <devrx/framing.h>

#include "deliver/chunked.h"

enum drx_framing_state {
	DRX_FRAMING_HEAD, /* between messages, or in what comes before a body */
	DRX_FRAMING_BODY, /* left bytes of body come next */
	DRX_FRAMING_CHUNKED,
	DRX_FRAMING_TO_END,
};

struct devrx_framing {
	struct devrx_memory *mem;
	struct devrx_framing_opts opts;
	int err; /* for ever */
	struct devrx_cause cause;

	/* The stream. */
	struct devrx_fragment frag;
	uint32_t at; /* bytes of frag that are consumed */
	bool pushed; /* frag is not used up */
	bool ended;
	uint64_t position; /* where the next fragment is to begin */

	/* The message. */
	enum drx_framing_state state;
	uint64_t message;
	uint64_t body; /* position in its body */
	uint64_t left;
	bool first; /* no piece of it was handed out */
	uint32_t head_len; /* bytes of prefix or head that are here */
	unsigned char prefix[8];

	/* HTTP. */
	bool no_body;
	bool have_head;
	unsigned int interim;
	struct devrx_http_head http;
	struct drx_chunked chunked;
	char head[]; /* opts.head_max */
};

/* Is all that was pushed used up, and nothing of a message begun? */
bool drx_framing_is_between(const struct devrx_framing *f);

#endif /* DRX_FRAMING_H */
