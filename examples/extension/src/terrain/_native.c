#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "heights.h"

static PyObject *size(PyObject *self, PyObject *args) { return PyLong_FromLong(heights_size()); }

static int inside(long offset, long n) {
  if (offset >= 0 && n > 0 && offset <= heights_size() - n) return 1;
  PyErr_SetString(PyExc_IndexError, "outside of the table");
  return 0;
}

static PyObject *at(PyObject *self, PyObject *args) {
  long offset;
  if (!PyArg_ParseTuple(args, "l", &offset) || !inside(offset, 1)) return NULL;
  return PyLong_FromLong(heights_at(offset));
}

static PyObject *smoothed(PyObject *self, PyObject *args) {
  long which, offset, n;
  double sum;
  if (!PyArg_ParseTuple(args, "lll", &which, &offset, &n) || !inside(offset, n)) return NULL;
  if (which < 0) return PyErr_Format(PyExc_IndexError, "no such kernel");
  Py_BEGIN_ALLOW_THREADS
  sum = heights_smoothed(which, offset, n);
  Py_END_ALLOW_THREADS
  return PyFloat_FromDouble(sum);
}

static PyMethodDef methods[] = {
    {"size", size, METH_NOARGS, "Bytes in the table."},
    {"at", at, METH_VARARGS, "The height at an offset."},
    {"smoothed", smoothed, METH_VARARGS, "A row, smoothed by one of the kernels."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "The height map.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&module); }
