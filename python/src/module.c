// SPDX-License-Identifier: MIT
/* devrx._devrx: the extension that the package devrx is made of. */
#include "devrx_python.h"

static PyModuleDef module;

struct module_state *state_of(PyObject *m)
{
	return PyModule_GetState(m);
}

struct module_state *state_of_type(PyTypeObject *type)
{
	return PyType_GetModuleState(type);
}

static PyObject *add_type(PyObject *m, PyType_Spec *spec, const char *name)
{
	PyObject *type = PyType_FromModuleAndSpec(m, spec, NULL);

	if (!type || PyModule_AddObjectRef(m, name, type)) {
		Py_XDECREF(type);
		return NULL;
	}
	return type;
}

static int module_exec(PyObject *m)
{
	struct module_state *state = state_of(m);

	state->error = error_new_type();
	if (!state->error || PyModule_AddObjectRef(m, "Error", state->error))
		return -1;
	state->buffer_type = add_type(m, &buffer_spec, "Buffer");
	state->client_type = add_type(m, &client_spec, "Client");
	if (!state->buffer_type || !state->client_type)
		return -1;
	return PyModule_AddStringConstant(m, "version", devrx_version());
}

static int module_traverse(PyObject *m, visitproc visit, void *arg)
{
	struct module_state *state = state_of(m);

	Py_VISIT(state->error);
	Py_VISIT(state->buffer_type);
	Py_VISIT(state->client_type);
	return 0;
}

static int module_clear(PyObject *m)
{
	struct module_state *state = state_of(m);

	Py_CLEAR(state->error);
	Py_CLEAR(state->buffer_type);
	Py_CLEAR(state->client_type);
	return 0;
}

static void module_free(void *m)
{
	(void)module_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, module_exec },
	{ 0 },
};

static PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_devrx",
	.m_size = sizeof(struct module_state),
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__devrx(void);
PyMODINIT_FUNC PyInit__devrx(void)
{
	return PyModuleDef_Init(&module);
}
