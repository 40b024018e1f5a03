// SPDX-License-Identifier: MIT
/* devrx.Error: an OSError that has the cause's id, text and next, too. */
#include <errno.h>
#include <string.h>

#include "devrx_python.h"

PyObject *error_new_type(void)
{
	return PyErr_NewExceptionWithDoc(
		"devrx.Error",
		"What devrx could not do: an OSError whose errno says of which "
		"kind it is,\nand whose id (a stable identifier), text and "
		"next "
		"(what to do) say why.",
		PyExc_OSError, NULL);
}

static int set_string(PyObject *to, const char *name, const char *text)
{
	PyObject *value =
		PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
	int rc = value ? PyObject_SetAttrString(to, name, value) : -1;

	Py_XDECREF(value);
	return rc;
}

PyObject *error_raise(struct module_state *state, int err,
		      const struct devrx_cause *cause)
{
	const char *text = cause->text[0] ? cause->text : strerror(-err);
	PyObject *error;

	/* A signal's handler, or a callback, has raised something already. */
	if (PyErr_Occurred())
		return NULL;
	error = PyObject_CallFunction(state->error, "is", -err, text);
	if (!error)
		return NULL;
	if (!set_string(error, "id", cause->id) &&
	    !set_string(error, "text", text) &&
	    !set_string(error, "next", cause->next))
		PyErr_SetObject(state->error, error);
	Py_DECREF(error);
	return NULL;
}
