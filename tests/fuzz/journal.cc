// SPDX-License-Identifier: MIT
/*
 * A file below /run/devrx, from whoever wrote it. What is taken is a journal that
 * reads the same when it is written again.
 */
#include "target.h"

#include <cerrno>

extern "C" {
#include "nic/journal.h"
}

void fuzz_journal(const uint8_t *data, size_t len)
{
	/* Of just that size. */
	char *copy = static_cast<char *>(malloc(len ? len : 1));
	struct drx_journal journal = {}, again = {};
	char command[8192];
	size_t text_len = 0;
	char *text;
	int ret;

	MUST(copy);
	if (len)
		memcpy(copy, data, len);
	ret = drx_journal_decode(&journal, copy, len);
	free(copy);
	MUST(ret == 0 || ret == -EBADMSG);
	if (ret)
		return;
	MUST(journal.nr_owners <= DRX_OWNERS_MAX);
	text = drx_journal_encode(&journal, &text_len);
	MUST(text);
	MUST(!drx_journal_decode(&again, text, text_len));
	MUST(again.nr_steps == journal.nr_steps);
	MUST(again.nr_owners == journal.nr_owners);
	free(text);
	for (uint32_t i = 0; i < journal.nr_steps; i++)
		for (bool undo : { false, true })
			MUST(drx_step_text(&journal.steps[i], "eth0", undo,
					   command, sizeof(command)) > 0);
	drx_journal_free(&again);
	drx_journal_free(&journal);
}

FUZZ_TARGET(fuzz_journal)
