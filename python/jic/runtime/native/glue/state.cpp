#include "state.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace jic {

namespace {
constexpr uint64_t kNever = ~uint64_t(0);  // no version of a dict
}

bool Check::accepts(PyObject *value) {
  fetched = value;
  if (!value || how == absent) return !value && how == absent;
  if (how == tensor) return true;  // what it is like is checked where tensors are
  if (value == expected) return true;
  if (how == is) return false;
  Py_INCREF(value);  // comparing can run Python code
  bool same = same_value(value, expected);
  Py_DECREF(value);
  return same;
}

Group::Group(PyObject *d, References &references) {
  std::string name = text_of(part(d, 0));
  container_ = references.keep(part(d, 1));
  detail_ = references.keep(part(d, 2));
  kind_ = name == "dict"        ? dict
          : name == "type"      ? type
          : name == "sequence"  ? sequence
          : name == "cell"      ? cell
          : name == "object"    ? object
          : name == "function"  ? function
          : name == "attribute" ? attribute
          : name == "call"      ? call
                                : throw SpecError("unknown kind of state '" + name + "'");
  bool fits = kind_ == dict       ? PyDict_Check(container_)
              : kind_ == type     ? PyType_Check(container_)
              : kind_ == cell     ? PyCell_Check(container_)
              : kind_ == object   ? PyTuple_Check(detail_) && PyTuple_GET_SIZE(detail_) == 2
              : kind_ == function ? PyFunction_Check(container_) && PyTuple_Check(detail_) && PyTuple_GET_SIZE(detail_) == 3
              : kind_ == call     ? PyCallable_Check(container_)
                                  : true;
  if (!fits) throw SpecError("state '" + name + "' of an object of another kind");
  PyObject *list = part(d, 3);
  if (!PyTuple_Check(list)) throw SpecError("the checks of a state are a tuple");
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); ++i) {
    PyObject *item = PyTuple_GET_ITEM(list, i);
    Check check;
    std::string how = text_of(part(item, 0));
    check.how = how == "is"       ? Check::is
                : how == "equals" ? Check::equals
                : how == "absent" ? Check::absent
                : how == "tensor" ? Check::tensor
                                  : throw SpecError("unknown kind of check '" + how + "'");
    if (kind_ == sequence) {
      check.index = Py_ssize_t(integer_of(part(item, 1)));
    } else {
      check.key = references.keep(part(item, 1));
    }
    if (check.how == Check::tensor) {
      check.number = int(integer_of(part(item, 2)));
      if (kind_ == attribute || kind_ == call) throw SpecError("a tensor is fetched from a container");
      has_tensors = true;
    } else {
      check.expected = references.keep(part(item, 2));
    }
    checks.push_back(check);
  }
  // An OrderedDict changes its order without a sign.
  unordered_ = kind_ == dict && PyODict_Check(container_) && detail_ == Py_True && !checks.empty();
}

PyObject **Group::place_of_attributes() const {
  if (kind_ != object) return nullptr;
  PyObject *attributes = PyTuple_GET_ITEM(detail_, 1);
  if (attributes == Py_None || reinterpret_cast<PyObject *>(Py_TYPE(container_)) != PyTuple_GET_ITEM(detail_, 0)) return nullptr;
  PyObject **place = _PyObject_GetDictPtr(container_);
  if (PyErr_Occurred()) PyErr_Clear();
  return place && *place == attributes ? place : nullptr;
}

bool Group::holds() {
  switch (kind_) {
    case dict: return detail_ == Py_True ? whole_dict_holds() : dict_holds();
    case type: return type_holds();
    case sequence: return sequence_holds();
    case cell: return checks[0].accepts(PyCell_GET(container_));
    case object: {
      if (reinterpret_cast<PyObject *>(Py_TYPE(container_)) != PyTuple_GET_ITEM(detail_, 0)) return false;
      PyObject *attributes = PyTuple_GET_ITEM(detail_, 1);
      if (attributes == Py_None) return true;
      PyObject **found = _PyObject_GetDictPtr(container_);
      return found && *found == attributes;
    }
    case function: {
      auto given = [](PyObject *o) { return o ? o : Py_None; };
      return PyFunction_GET_CODE(container_) == PyTuple_GET_ITEM(detail_, 0) &&
             given(PyFunction_GET_DEFAULTS(container_)) == PyTuple_GET_ITEM(detail_, 1) &&
             given(PyFunction_GET_KW_DEFAULTS(container_)) == PyTuple_GET_ITEM(detail_, 2);
    }
    case attribute:
      for (Check &check : checks) {
        PyObject *value = PyObject_GetAttr(container_, check.key);
        if (!value) {
          bool missing = PyErr_ExceptionMatches(PyExc_AttributeError);
          PyErr_Clear();
          if (!missing) return false;
        }
        bool holds = check.accepts(value);
        Py_XDECREF(value);
        if (!holds) return false;
      }
      return true;
    case call: {
      // The commonest are functions of torch in C, at a few ns each.
      bool direct = PyCFunction_CheckExact(container_) && PyCFunction_GET_FLAGS(container_) == METH_NOARGS;
      PyObject *value = direct ? PyCFunction_GET_FUNCTION(container_)(PyCFunction_GET_SELF(container_), nullptr) : PyObject_CallNoArgs(container_);
      if (!value) {
        PyErr_Clear();
        return false;
      }
      bool holds = checks[0].accepts(value);
      Py_DECREF(value);
      return holds;
    }
  }
  return false;
}

bool Group::dict_holds() {
  for (Check &check : checks) {
    PyObject *value = PyDict_GetItemWithError(container_, check.key);
    if (!value && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    if (!check.accepts(value)) return false;
  }
  return true;
}

bool Group::whole_dict_holds() {
  if (!PyODict_Check(container_)) {
    Py_ssize_t at = 0;
    PyObject *key, *value;
    for (Check &check : checks) {
      if (size_t(PyDict_GET_SIZE(container_)) != checks.size() || !PyDict_Next(container_, &at, &key, &value)) return false;
      if (key != check.key && !same_value(key, check.key)) return false;
      if (!check.accepts(value)) return false;
    }
    return size_t(PyDict_GET_SIZE(container_)) == checks.size();
  }
  if (size_t(PyDict_GET_SIZE(container_)) != checks.size()) return false;
  if (checks.empty()) return true;
  PyObject *keys = PySequence_List(container_);  // in the order that a subclass keeps
  if (!keys) {
    PyErr_Clear();
    return false;
  }
  bool holds = size_t(PyList_GET_SIZE(keys)) == checks.size();
  for (size_t i = 0; holds && i < checks.size(); ++i) {
    PyObject *key = PyList_GET_ITEM(keys, Py_ssize_t(i));
    holds = key == checks[i].key || same_value(key, checks[i].key);
  }
  Py_DECREF(keys);
  return holds && dict_holds();
}

bool Group::type_holds() {
  for (Check &check : checks)
    if (!check.accepts(_PyType_Lookup(reinterpret_cast<PyTypeObject *>(container_), check.key))) return false;
  return true;
}

bool Group::sequence_holds() {
  PyObject *list = container_, *made = nullptr;
  if (!PyList_Check(container_)) {
    list = made = PySequence_List(container_);
    if (!made) {
      PyErr_Clear();
      return false;
    }
  }
  bool holds = detail_ == Py_None || PyList_GET_SIZE(list) == PyLong_AsSsize_t(detail_);
  for (Check &check : checks) {
    if (!holds) break;
    // Comparing can run Python code that shortens the list.
    Py_ssize_t size = PyList_GET_SIZE(list), at = check.index < 0 ? check.index + size : check.index;
    holds = check.accepts(at >= 0 && at < size ? PyList_GET_ITEM(list, at) : nullptr);
  }
  Py_XDECREF(made);
  return holds;
}

State::State(PyObject *groups, std::vector<PyObject *> captured, References &references) : fixed_(std::move(captured)), fetched_(fixed_) {
  if (!PyTuple_Check(groups)) throw SpecError("the state is a tuple of groups");
  groups_.reserve(size_t(PyTuple_GET_SIZE(groups)));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(groups); ++i) groups_.emplace_back(PyTuple_GET_ITEM(groups, i), references);
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group &group = groups_[i];
    if (group.is_dict()) {
      versions_.emplace_back(group.container());
      all_tell_ = all_tell_ && versions_.back().now();
    } else if (group.is_type()) {
      types_.push_back({reinterpret_cast<PyTypeObject *>(group.container()), 0, i});
    } else if (PyObject **place = group.place_of_attributes()) {
      objects_.push_back({group.container(), Py_TYPE(group.container()), place, PyTuple_GET_ITEM(group.detail(), 1), i});
    } else {
      (group.is_call() ? calls_ : others_).push_back(i);
    }
    quiet_ = quiet_ && group.is_quiet();
    for (const Check &check : group.checks)
      if (check.how == Check::tensor) {
        if (check.number < 0 || size_t(check.number) >= fixed_.size()) throw SpecError("a check names a captured tensor that does not exist");
        tensors_.emplace_back(check.number, &check);
      }
  }
  std::sort(objects_.begin(), objects_.end(), [](const Object &a, const Object &b) { return a.object < b.object; });
  std::vector<size_t> of_dicts, order(versions_.size());
  for (size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i].is_dict()) of_dicts.push_back(i);
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return versions_[a].place() < versions_[b].place(); });
  for (size_t k : order) {
    groups_of_dicts_.emplace_back(of_dicts[k], dicts_.size());
    dicts_.push_back({versions_[k].place(), kNever});
  }
  std::sort(groups_of_dicts_.begin(), groups_of_dicts_.end());
}

bool State::look(size_t i) {
  Group &group = groups_[i];
  // Before and after: a call of this function from Python code that `holds` runs may fetch meanwhile.
  fetch_again_ = fetch_again_ || group.has_tensors;
  bool holds = group.holds();
  fetch_again_ = fetch_again_ || group.has_tensors;
  return holds;
}

bool State::dicts_hold() {
  uint64_t all = DictVersion::of_all();
  if (all && all == all_seen_) return true;
  bool changed = false;
  for (const Dict &dict : dicts_) changed |= *dict.version != dict.seen;
  if (!changed) {
    if (all_tell_) all_seen_ = all;
    return true;
  }
  for (auto [group, place] : groups_of_dicts_) {
    uint64_t now = *dicts_[place].version;
    if (now == dicts_[place].seen) continue;
    if (!look(group)) return false;
    dicts_[place].seen = now ? now : kNever;  // of before: what changed meanwhile is looked at next time
  }
  if (all_tell_) all_seen_ = all;
  return true;
}

bool State::fetch() {
  fetched_ = fixed_;
  for (auto &[number, check] : tensors_) {
    // A tensor that was found in two places when the call was traced is still one tensor.
    if (fetched_[number] && fetched_[number] != check->fetched) return false;
    fetched_[number] = check->fetched;
  }
  fetch_again_ = false;
  return true;
}

bool State::holds(PyObject **captured) {
  for (size_t i : calls_)
    if (!groups_[i].holds()) return false;
  if (!dicts_hold()) return false;
  for (const Object &o : objects_)
    if ((Py_TYPE(o.object) != o.type || *o.place != o.attributes) && !look(o.group)) return false;
  for (Type &type : types_) {
    uint64_t now = type_version(type.type);
    if (now == type.seen && now) continue;
    if (!look(type.group)) return false;
    type.seen = type_version(type.type);  // which a look-up gives to a type that has none
  }
  for (size_t i : others_)
    if (!look(i)) return false;
  if (!quiet_) {  // what ran meanwhile may have dropped a tensor
    if (!dicts_hold()) return false;
    for (size_t i = 0; i < groups_.size(); ++i)
      if (groups_[i].has_tensors && !groups_[i].is_dict() && !look(i)) return false;
  }
  if (fetch_again_ && !fetch()) return false;
  std::copy(fetched_.begin(), fetched_.end(), captured);
  return true;
}

}  // namespace jic
