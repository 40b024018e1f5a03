/* SPDX-License-Identifier: MIT */
/* What the text of a fake card says; see drm.c for the words. */
#ifndef DEVRX_FAKE_CARD_H
#define DEVRX_FAKE_CARD_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline bool card_text(int fd, char *ret, size_t size)
{
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	len = pread(fd, ret + 1, size - 2, 0);
	if (len <= 0)
		return false;
	ret[0] = ' ';
	ret[len + 1] = '\0';
	return true;
}

/* What follows @key in the text of the card, or "". */
static inline void card_word(int fd, const char *key, char *ret, size_t size)
{
	char text[256], pattern[32];
	const char *at;
	size_t len;

	ret[0] = '\0';
	if (!card_text(fd, text, sizeof(text)))
		return;
	(void)snprintf(pattern, sizeof(pattern), " %s=", key);
	at = strstr(text, pattern);
	if (!at)
		return;
	at += strlen(pattern);
	len = strcspn(at, " \n");
	if (len >= size)
		abort();
	memcpy(ret, at, len);
	ret[len] = '\0';
}

static inline int card_number(int fd, const char *key)
{
	char text[16];

	card_word(fd, key, text, sizeof(text));
	return atoi(text);
}

#endif /* DEVRX_FAKE_CARD_H */
