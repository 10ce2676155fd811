// What a call reads besides its arguments, and whether it still is what it was.
#pragma once

#include <Python.h>

#include <vector>

#include "spec.h"
#include "versions.h"

namespace jic {

// One value in a container.
struct Check {
  // `is`: this object. `equals`: the same type and value. `absent`: nothing is there. `tensor`: a captured tensor, which is fetched.
  enum How { is, equals, absent, tensor } how;
  PyObject *key = nullptr;       // of a dict, a type or an attribute
  Py_ssize_t index = 0;          // in a sequence
  PyObject *expected = nullptr;  // of `is` and `equals`
  int number = -1;               // of `tensor`: which captured tensor it is
  PyObject *fetched = nullptr;   // borrowed: what was there when the container was last looked at

  bool accepts(PyObject *value);  // null: nothing is there
};

// Checks of one container.
class Group {
 public:
  // (kind, container, detail, ((how, key, expected), …)): see jic.runtime.state.
  Group(PyObject *description, References &references);
  bool holds();  // compares
  bool is_dict() const { return kind_ == dict && !unordered_; }
  bool is_type() const { return kind_ == type; }
  // Where the object holds its dict of attributes, if this is all that is to be compared besides its class; else null.
  PyObject **place_of_attributes() const;
  PyObject *detail() const { return detail_; }
  PyObject *container() const { return container_; }
  bool is_call() const { return kind_ == call; }
  // Whether `holds` runs no Python code, and makes no objects, so that the garbage collector runs none either. (Calls come before all else.)
  bool is_quiet() const { return kind_ != attribute && (kind_ != sequence || PyList_Check(container_)); }

  std::vector<Check> checks;
  bool has_tensors = false;

 private:
  enum Kind { dict, type, sequence, cell, object, function, attribute, call } kind_;
  PyObject *container_, *detail_;
  bool unordered_ = false;  // a dict whose order can change without a new version

  bool dict_holds();
  bool whole_dict_holds();
  bool type_holds();
  bool sequence_holds();
};

// All that one variant reads. Values are compared only in containers that changed since they were last compared.
class State {
 public:
  // `captured`: the captured tensors; null for those that are found in containers.
  State(PyObject *groups, std::vector<PyObject *> captured, References &references);
  // If all checks hold, fills `captured` with the captured tensors (borrowed).
  bool holds(PyObject **captured);

 private:
  struct Dict {
    const uint64_t *version;
    uint64_t seen;  // the version at which all checks held; another number than the version of a dict that does not tell
  };
  struct Type {
    PyTypeObject *type;
    uint64_t seen;
    size_t group;
  };
  // An object that is still of its class, and whose dict of attributes is still the one it was.
  struct Object {
    PyObject *object;
    PyTypeObject *type;
    PyObject **place;  // in the object, of its dict
    PyObject *attributes;
    size_t group;
  };
  bool dicts_hold();
  bool look(size_t group);
  bool fetch();

  std::vector<Group> groups_;
  std::vector<DictVersion> versions_;
  std::vector<Dict> dicts_;                                 // by address: neighbours in memory are read one after the other
  std::vector<std::pair<size_t, size_t>> groups_of_dicts_;  // (group, its place in `dicts_`), by group
  uint64_t all_seen_ = 0;    // DictVersion::of_all() when all dicts held
  bool all_tell_ = true;
  std::vector<Object> objects_;
  std::vector<Type> types_;
  std::vector<size_t> calls_, others_;
  bool quiet_ = true;
  std::vector<std::pair<int, const Check *>> tensors_;  // captured tensor → where it is found
  std::vector<PyObject *> fixed_, fetched_;             // captured tensors: those given; all, when `tensors_` were last looked at
  bool fetch_again_ = true;
};

}  // namespace jic
