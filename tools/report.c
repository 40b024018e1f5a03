// SPDX-License-Identifier: MIT
/* What the command says: errors, human numbers, JSON (report.h). */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void cause_set(struct devrx_cause *cause, const char *id, const char *next,
	       const char *fmt, ...)
{
	va_list ap;

	memset(cause, 0, sizeof(*cause));
	snprintf(cause->id, sizeof(cause->id), "%s", id);
	if (next)
		snprintf(cause->next, sizeof(cause->next), "%s", next);
	va_start(ap, fmt);
	vsnprintf(cause->text, sizeof(cause->text), fmt, ap);
	va_end(ap);
}

void report_cause(const char *verb, const struct devrx_cause *cause, int err)
{
	fprintf(stderr, "devrx %s: %s\n", verb,
		cause->text[0] ? cause->text : strerror(abs(err)));
	if (cause->next[0])
		fprintf(stderr, "next: %s\n", cause->next);
}

char *human_bytes(char buf[static HUMAN_LEN], double bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB",   "PiB", "EiB" };
	unsigned int i = 0;

	while (bytes >= 1024 && i < sizeof(units) / sizeof(units[0]) - 1) {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, HUMAN_LEN, "%.4g %s", bytes, units[i]);
	return buf;
}

const char *placement_phrase(uint32_t placement)
{
	switch (placement) {
	case DEVRX_PLACEMENT_DEVICE:
		return "device memory";
	case DEVRX_PLACEMENT_HOST:
		return "host memory";
	default:
		return "memory of unknown placement";
	}
}

int report_flush(const char *verb)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "devrx %s: cannot write to the standard output: %s\n",
		verb, strerror(errno));
	return EXIT_OUTPUT;
}

void json_begin(struct json *j)
{
	memset(j, 0, sizeof(*j));
	j->out = open_memstream(&j->text, &j->len);
	if (j->out)
		fputc('{', j->out);
}

/* Bytes of the UTF-8 sequence at @s, 0 where there is no valid one. */
static unsigned int utf8_len(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t code = s[0] & (0x7fu >> n);

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (unsigned int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	return n;
}

/* What is not UTF-8 (a file name may be anything) becomes U+FFFD. */
static void json_quote(FILE *out, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	fputc('"', out);
	while (*s) {
		unsigned int n = *s < 0x80 ? 1 : utf8_len(s);

		if (!n)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
	fputc('"', out);
}

/* The comma and the key; false where the memory has run out. */
static bool json_key(struct json *j, const char *key)
{
	if (!j->out)
		return false;
	if (j->comma)
		fputs(", ", j->out);
	j->comma = true;
	if (key) {
		json_quote(j->out, key);
		fputs(": ", j->out);
	}
	return true;
}

void json_str(struct json *j, const char *key, const char *value)
{
	if (!value)
		json_null(j, key);
	else if (json_key(j, key))
		json_quote(j->out, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	if (json_key(j, key))
		fprintf(j->out, "%llu", (unsigned long long)value);
}

void json_int(struct json *j, const char *key, int value)
{
	if (json_key(j, key))
		fprintf(j->out, "%d", value);
}

void json_seconds(struct json *j, const char *key, double value)
{
	if (json_key(j, key))
		fprintf(j->out, "%.6f", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	if (json_key(j, key))
		fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	if (json_key(j, key))
		fputs("null", j->out);
}

void json_open(struct json *j, const char *key, char bracket)
{
	if (!json_key(j, key))
		return;
	fputc(bracket, j->out);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	if (!j->out)
		return;
	fputc(bracket, j->out);
	j->comma = true;
}

void json_cause(struct json *j, const struct devrx_cause *cause, int err)
{
	json_str(j, "id", cause->id);
	json_str(j, "text", cause->text[0] ? cause->text : strerror(abs(err)));
	json_str(j, "next", cause->next[0] ? cause->next : NULL);
	json_int(j, "errno", abs(err));
}

int json_print(struct json *j, const char *verb)
{
	bool good = j->out;

	if (j->out) {
		fputs("}\n", j->out);
		good = !ferror(j->out);
		good &= !fclose(j->out);
	}
	if (good)
		fwrite(j->text, 1, j->len, stdout);
	else
		fprintf(stderr, "devrx %s: out of memory\n", verb);
	free(j->text);
	memset(j, 0, sizeof(*j));
	return good ? report_flush(verb) : EXIT_OUTPUT;
}
