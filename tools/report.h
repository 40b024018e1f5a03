/* SPDX-License-Identifier: MIT */
/*
 * What the command says: exit codes, errors, human numbers, JSON.
 *
 * Every failure is a struct devrx_cause, the library's or one that the command
 * made with cause_set(), and is printed in one place: a sentence, then the
 * next step.
 */
#ifndef DEVRX_TOOLS_REPORT_H
#define DEVRX_TOOLS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <devrx/devrx.h>

/* Exit codes; devrx(1) documents them. Killed by signal n: 128 + n. */
#define EXIT_TRANSFER 1 /* connection failed, or wrong bytes came */
#define EXIT_USAGE 2
#define EXIT_ENVIRONMENT 3 /* NIC, queue, memory, privilege, kernel, port */
#define EXIT_OUTPUT 4 /* a file or the standard output took no more */
#define EXIT_UNKNOWN 5 /* doctor: nothing failed, and not all could be seen */

/* Fill in @cause; @next may be NULL. Too long a text is cut off. */
void cause_set(struct devrx_cause *cause, const char *id, const char *next,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Print @cause on stderr; where it is empty, what @err says. */
void report_cause(const char *verb, const struct devrx_cause *cause, int err);

/* "64 MiB", "1.5 GiB", "17 bytes"; returns @buf. */
#define HUMAN_LEN 32
char *human_bytes(char buf[static HUMAN_LEN], double bytes);

/* "device memory" only where that is proved. */
const char *placement_phrase(uint32_t placement);

/* Flush stdout; 0 or EXIT_OUTPUT, with the error printed. */
int report_flush(const char *verb);

/*
 * A JSON object on one line, collected in memory and written by json_print()
 * in one piece. Running out of memory is remembered and told at the end.
 */
struct json {
	FILE *out;
	char *text;
	size_t len;
	bool comma;
};

void json_begin(struct json *j);
/* @key is NULL for an array's members. A NULL @value becomes null. */
void json_str(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int value);
void json_seconds(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
/* The members id, text and next of a cause, and errno. */
void json_cause(struct json *j, const struct devrx_cause *cause, int err);
/* Write the object to stdout and free it; 0 or EXIT_OUTPUT. */
int json_print(struct json *j, const char *verb);

#endif /* DEVRX_TOOLS_REPORT_H */
