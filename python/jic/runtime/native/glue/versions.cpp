#include "versions.h"

#include <unordered_map>

namespace jic {

#if PY_VERSION_HEX < 0x030C0000

DictVersion::DictVersion(PyObject *dict) : dict_(dict), stamp_(&reinterpret_cast<PyDictObject *>(dict)->ma_version_tag) {}
DictVersion::~DictVersion() = default;

#else

namespace {

struct Watched {
  uint64_t stamp = 1;
  size_t users = 0;
};

// Under the GIL. The addresses of values stay while others come and go.
std::unordered_map<PyObject *, Watched> &watched() {
  static auto *map = new std::unordered_map<PyObject *, Watched>;  // outlives every dict
  return *map;
}

const uint64_t silent = 0;

#if PY_VERSION_HEX >= 0x030D0000
// From 3.13 on an instance's dict may show values that lie in the instance, and stores to attributes do not tell its
// watchers. A key that is no string gives such a dict (all keys are strings) a table of its own, for good.
bool own_table(PyObject *dict) {
  auto *table = reinterpret_cast<PyDictObject *>(dict);
  if (!table->ma_values) return true;
  PyObject *key = PyLong_FromLong(0);
  bool done = key && PyDict_SetItem(dict, key, Py_None) == 0 && PyDict_DelItem(dict, key) == 0;
  Py_XDECREF(key);
  return done && !table->ma_values;
}
#else
bool own_table(PyObject *) { return true; }
#endif

}  // namespace

uint64_t DictVersion::changes_ = 1;

int DictVersion::on_change(PyDict_WatchEvent, PyObject *dict, PyObject *, PyObject *) {
  auto found = watched().find(dict);
  if (found == watched().end()) return 0;
  ++found->second.stamp;
  ++changes_;
  return 0;
}

int DictVersion::watcher() {
  static int id = [] {
    int made = PyDict_AddWatcher(on_change);
    if (made < 0) PyErr_Clear();  // all are taken
    return made;
  }();
  return id;
}

DictVersion::DictVersion(PyObject *dict) : dict_(dict), stamp_(&silent) {
  if (watcher() < 0 || !own_table(dict) || PyDict_Watch(watcher(), dict) < 0) {
    PyErr_Clear();
    dict_ = nullptr;
    return;
  }
  auto &entry = watched()[dict];
  ++entry.users;
  stamp_ = &entry.stamp;
}

DictVersion::~DictVersion() {
  if (!dict_) return;
  auto found = watched().find(dict_);
  if (found == watched().end() || --found->second.users) return;
  watched().erase(found);
  if (PyDict_Unwatch(watcher(), dict_) < 0) PyErr_Clear();
}

#endif

}  // namespace jic
