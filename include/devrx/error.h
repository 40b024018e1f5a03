/* SPDX-License-Identifier: MIT */
/*
 * Errors: a negative errno says what kind, a cause says why.
 *
 * Every call of devrx returns 0 (or a count, where its name says so) or a
 * negative errno. What an errno cannot carry is written into a struct
 * devrx_cause that the caller owns: a stable identifier for programs, a
 * sentence for people, and the next command to type where there is one.
 *
 * A call that takes a cause leaves it untouched when it succeeds. Pass NULL
 * where only the errno matters.
 */
#ifndef DEVRX_ERROR_H
#define DEVRX_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what libdevrx exports; everything else is hidden. */
#define DEVRX_API __attribute__((visibility("default")))

/**
 * struct devrx_cause - why a call failed
 * @id: stable identifier in kebab case ("hds-off"), safe to compare with;
 *      docs/causes.md lists them all
 * @text: one sentence: what was asked and what was found
 * @next: a command or action that mends it, or an empty string
 *
 * Ownership: the caller's storage; strings are always terminated.
 * Since: 0.1
 */
struct devrx_cause {
	char id[32];
	char text[288];
	char next[192];
};

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_ERROR_H */
