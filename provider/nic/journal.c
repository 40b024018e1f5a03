// SPDX-License-Identifier: MIT
/*
 * The journal as text: one fact a line, words and numbers, "end" last. What is
 * read back is not trusted more than any other file.
 */
#include "nic/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "devrx-journal 1"
#define STEPS_MAX 4096

void drx_journal_free(struct drx_journal *journal)
{
	for (uint32_t i = 0; i < journal->nr_steps; i++)
		drx_step_free(&journal->steps[i]);
	free(journal->steps);
	journal->steps = NULL;
	journal->nr_steps = 0;
}

int drx_journal_add(struct drx_journal *journal, const struct drx_step *step)
{
	struct drx_step *steps =
		realloc(journal->steps,
			(journal->nr_steps + 1ul) * sizeof(*journal->steps));

	if (!steps)
		return -ENOMEM;
	journal->steps = steps;
	steps[journal->nr_steps++] = *step;
	return 0;
}

void drx_journal_drop(struct drx_journal *journal, uint32_t i)
{
	drx_step_free(&journal->steps[i]);
	journal->nr_steps--;
	memmove(&journal->steps[i], &journal->steps[i + 1],
		(journal->nr_steps - i) * sizeof(*journal->steps));
}

static void put_step(FILE *out, const struct drx_step *step)
{
	(void)fprintf(out, "step %s %" PRIu32 " ",
		      step->done ? "made" : "planned", step->queue);
	switch (step->kind) {
	case DRX_STEP_CHANNELS:
		(void)fprintf(out, "channels %d %" PRIu32 " %" PRIu32 "\n",
			      step->channels.combined, step->channels.before,
			      step->channels.after);
		break;
	case DRX_STEP_FEATURE:
		(void)fprintf(out, "feature %d %d %d\n",
			      (int)step->feature.which, step->feature.before,
			      step->feature.after);
		break;
	case DRX_STEP_RINGS:
		(void)fprintf(out, "rings %u %u %" PRIu32 " %" PRIu32 "\n",
			      step->rings.split_before, step->rings.split_after,
			      step->rings.thresh_before,
			      step->rings.thresh_after);
		break;
	case DRX_STEP_RSS:
		(void)fprintf(out, "rss %" PRIu32 " %" PRIu32, step->rss.nr,
			      step->rss.nr_before);
		for (uint32_t i = 0; i < step->rss.nr + step->rss.nr_before;
		     i++)
			(void)fprintf(out, " %" PRIu32, step->rss.after[i]);
		(void)fputc('\n', out);
		break;
	default:
		(void)fprintf(out, "rule %u %u %" PRIu32 "\n",
			      step->rule.family, step->rule.port,
			      step->rule.location);
	}
}

char *drx_journal_encode(const struct drx_journal *journal, size_t *ret_len)
{
	const struct drx_owner *owner;
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	if (!out)
		return NULL;
	(void)fprintf(out, HEAD "\nnic %" PRIu32 " %s %s\n", journal->ifindex,
		      journal->ifname,
		      journal->driver[0] ? journal->driver : "-");
	for (uint32_t i = 0; i < journal->nr_owners; i++) {
		owner = &journal->owners[i];
		(void)fprintf(out,
			      "owner %" PRIu32 " %" PRIu32 " %" PRIu64
			      " %" PRIu64 " %" PRIu64 "\n",
			      owner->pid, owner->queue, owner->start,
			      owner->pidns, owner->since);
	}
	for (uint32_t i = 0; i < journal->nr_steps; i++)
		put_step(out, &journal->steps[i]);
	(void)fputs("end\n", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Words of a line, taken one by one. */
struct words {
	char *at;
	bool bad;
};

static const char *word(struct words *words)
{
	char *start = words->at;
	size_t len = strcspn(start, " ");

	if (!len) {
		words->bad = true;
		return "";
	}
	words->at = start + len;
	if (*words->at)
		*words->at++ = '\0';
	return start;
}

static uint64_t number(struct words *words, uint64_t max)
{
	const char *text = word(words);
	uint64_t n = 0;

	for (; *text; text++) {
		const uint64_t digit = (uint64_t)(*text - '0');

		if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
			words->bad = true;
			return 0;
		}
		n = n * 10 + digit;
	}
	if (n > max)
		words->bad = true;
	return words->bad ? 0 : n;
}

static uint32_t u32(struct words *words)
{
	return (uint32_t)number(words, UINT32_MAX);
}

static bool flag(struct words *words)
{
	return number(words, 1);
}

static int get_rss(struct drx_step *step, struct words *words)
{
	uint32_t all;

	step->rss.nr = (uint32_t)number(words, DRX_RSS_INDIR_MAX);
	step->rss.nr_before = (uint32_t)number(words, DRX_RSS_INDIR_MAX);
	all = step->rss.nr + step->rss.nr_before;
	if (words->bad || !step->rss.nr)
		return -EBADMSG;
	step->rss.after = calloc(all, sizeof(step->rss.after[0]));
	if (!step->rss.after)
		return -ENOMEM;
	for (uint32_t i = 0; i < all; i++)
		step->rss.after[i] =
			(uint32_t)number(words, DRX_SETUP_QUEUES_MAX - 1);
	return 0;
}

static int get_kind(struct drx_step *step, struct words *words)
{
	const char *kind = word(words);

	if (!strcmp(kind, "channels")) {
		step->kind = DRX_STEP_CHANNELS;
		step->channels.combined = flag(words);
		step->channels.before = u32(words);
		step->channels.after = u32(words);
	} else if (!strcmp(kind, "feature")) {
		step->kind = DRX_STEP_FEATURE;
		step->feature.which =
			(enum drx_feature)number(words, DRX_NR_FEATURES - 1);
		step->feature.before = flag(words);
		step->feature.after = flag(words);
	} else if (!strcmp(kind, "rings")) {
		step->kind = DRX_STEP_RINGS;
		step->rings.split_before = (uint8_t)number(words, UINT8_MAX);
		step->rings.split_after = (uint8_t)number(words, UINT8_MAX);
		step->rings.thresh_before = u32(words);
		step->rings.thresh_after = u32(words);
	} else if (!strcmp(kind, "rule")) {
		step->kind = DRX_STEP_RULE;
		step->rule.queue = step->queue;
		step->rule.family = (uint8_t)number(words, 6);
		step->rule.port = (uint16_t)number(words, UINT16_MAX);
		step->rule.location = u32(words);
		if (step->rule.family != 4 && step->rule.family != 6)
			words->bad = true;
	} else if (!strcmp(kind, "rss")) {
		step->kind = DRX_STEP_RSS;
		return get_rss(step, words);
	} else {
		words->bad = true;
	}
	return 0;
}

static int get_step(struct drx_journal *journal, struct words *words)
{
	struct drx_step step = { 0 };
	const char *how = word(words);
	int ret;

	step.done = !strcmp(how, "made");
	if (!step.done && strcmp(how, "planned"))
		return -EBADMSG;
	step.queue = u32(words);
	ret = get_kind(&step, words);
	if (ret)
		return ret;
	if (words->bad || *words->at || journal->nr_steps == STEPS_MAX)
		ret = -EBADMSG;
	else
		ret = drx_journal_add(journal, &step);
	if (ret)
		drx_step_free(&step);
	return ret;
}

static int get_owner(struct drx_journal *journal, struct words *words)
{
	struct drx_owner *owner = &journal->owners[journal->nr_owners];

	if (journal->nr_owners == DRX_OWNERS_MAX)
		return -EBADMSG;
	owner->pid = u32(words);
	owner->queue = u32(words);
	owner->start = number(words, UINT64_MAX);
	owner->pidns = number(words, UINT64_MAX);
	owner->since = number(words, UINT64_MAX);
	if (words->bad || *words->at)
		return -EBADMSG;
	journal->nr_owners++;
	return 0;
}

static int get_nic(struct drx_journal *journal, struct words *words)
{
	const char *name, *driver;

	journal->ifindex = u32(words);
	name = word(words);
	driver = word(words);
	if (words->bad || *words->at || !journal->ifindex ||
	    strlen(name) >= sizeof(journal->ifname) ||
	    strlen(driver) >= sizeof(journal->driver))
		return -EBADMSG;
	(void)snprintf(journal->ifname, sizeof(journal->ifname), "%s", name);
	if (strcmp(driver, "-") != 0)
		(void)snprintf(journal->driver, sizeof(journal->driver), "%s",
			       driver);
	return 0;
}

static int get_line(struct drx_journal *journal, char *line)
{
	struct words words = { .at = line };
	const char *what = word(&words);

	if (!strcmp(what, "nic") && !journal->ifindex)
		return get_nic(journal, &words);
	if (!journal->ifindex)
		return -EBADMSG;
	if (!strcmp(what, "owner"))
		return get_owner(journal, &words);
	if (!strcmp(what, "step"))
		return get_step(journal, &words);
	return -EBADMSG;
}

int drx_journal_decode(struct drx_journal *ret, const char *text, size_t len)
{
	struct drx_journal journal = { 0 };
	char *copy = malloc(len + 1);
	char *line = copy, *end;
	bool head = false, ended = false;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	while (!err && !ended && (end = strchr(line, '\n'))) {
		*end = '\0';
		if (!head) {
			head = true;
			err = strcmp(line, HEAD) ? -EBADMSG : 0;
		} else if (!strcmp(line, "end")) {
			ended = true;
		} else {
			err = get_line(&journal, line);
		}
		line = end + 1;
	}
	if (!err && (!ended || line != copy + len || !journal.ifindex))
		err = -EBADMSG;
	free(copy);
	if (err)
		drx_journal_free(&journal);
	else
		*ret = journal;
	return err;
}
