// When a dict or a type was last changed, without looking at what it holds.
#pragma once

#include <Python.h>

#include <cstdint>

namespace jic {

// How a dict tells of changes: by its version (3.11), by a watcher (3.12 and later), or not at all (no watcher is left).
//
// A `DictVersion` is made once for a dict that outlives it. `now()` is another number after each change of the dict, and never 0 unless the
// dict does not tell.
class DictVersion {
 public:
  explicit DictVersion(PyObject *dict);
  DictVersion(DictVersion &&other) noexcept : dict_(other.dict_), stamp_(other.stamp_) { other.dict_ = nullptr; }
  DictVersion(const DictVersion &) = delete;
  ~DictVersion();
  uint64_t now() const { return *stamp_; }
  const uint64_t *place() const { return stamp_; }  // where `now()` reads

  // Another number after each change of any dict that tells by a watcher; 0 if dicts tell by their versions.
#if PY_VERSION_HEX < 0x030C0000
  static uint64_t of_all() { return 0; }
#else
  static uint64_t of_all() { return changes_; }
#endif

 private:
  PyObject *dict_;
  const uint64_t *stamp_;
#if PY_VERSION_HEX >= 0x030C0000
  static uint64_t changes_;
  static int on_change(PyDict_WatchEvent, PyObject *dict, PyObject *, PyObject *);
  static int watcher();
#endif
};

// Another number after each change of the type or of one of its bases; 0 if it does not tell. Valid after a look-up in the type.
inline uint64_t type_version(PyTypeObject *type) { return type->tp_version_tag; }

}  // namespace jic
