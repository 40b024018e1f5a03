/* SPDX-License-Identifier: MIT */
/*
 * What the files of the extension share. It is on the stable ABI of CPython 3.11.
 *
 *   error.c    devrx.Error: an errno with its cause
 *   place.c    what a device's name means, and memory there
 *   buffer.c   devrx.Buffer: memory, for DLPack, CUDA's array interface and bytes
 *   client.c   devrx.Client: a receiver and what is fetched by it
 *   module.c   the module
 */
#ifndef DEVRX_PYTHON_H
#define DEVRX_PYTHON_H

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#include <devrx/devrx.h>

/* The longest name of a kind or a device. */
#define PLACE_LEN 64

/* "cuda:0": kind and device. */
struct place {
	char kind[PLACE_LEN];
	char device[PLACE_LEN]; /* "" for the default */
};

struct module_state {
	PyObject *error;
	PyObject *buffer_type;
	PyObject *client_type;
};

struct module_state *state_of(PyObject *module);
/* The same from an object of one of the module's types. */
struct module_state *state_of_type(PyTypeObject *type);

/* ---- error.c ---- */

PyObject *error_new_type(void);
/* Raise @cause, with the errno @err (negative); NULL. */
PyObject *error_raise(struct module_state *state, int err,
		      const struct devrx_cause *cause);

/* ---- place.c ---- */

/* False with an exception where @name is no place. */
bool place_parse(struct place *ret, const char *name);
/*
 * Memory of at least @len bytes at @place; with @beside, a memory there, on the same
 * device as that. 0 or a negative errno with the cause.
 */
int place_alloc(struct devrx_memory **ret, const struct place *place,
		uint64_t len, struct devrx_memory *beside,
		struct devrx_cause *cause);

/* ---- buffer.c ---- */

/*
 * A buffer of the first @len bytes of @mem, which is at @place and which it frees when nobody has it any
 * more, and then lets go of @keep (may be NULL). NULL with an exception, and @mem is
 * freed.
 */
PyObject *buffer_new(struct module_state *state, struct devrx_memory *mem,
		     uint64_t len, const struct place *place, PyObject *keep);
/* Its memory, and its length; it is of the type. */
struct devrx_memory *buffer_memory(PyObject *buffer, uint64_t *len);
extern PyType_Spec buffer_spec;

/* ---- client.c ---- */

extern PyType_Spec client_spec;

#endif /* DEVRX_PYTHON_H */
