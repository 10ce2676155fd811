#include "program_reader.h"

#include <algorithm>
#include <cstring>

#include "cpu_features.h"
#include "errors.h"
#include "pool.h"

namespace jic {
namespace {

constexpr int64_t kMost = int64_t(1) << 50;  // bytes of a buffer, a workspace
constexpr size_t kMaxOperandRank = 64;

[[noreturn]] void fail(const std::string &what) { throw Error(JIC_ERROR_MANIFEST, what); }

int64_t size_of(const Json &value) {
  int64_t n = value.integer();
  if (n < 0 || n > kMost) fail("a size of " + std::to_string(n));
  return n;
}

bool jumps(StepKind kind) { return kind == StepKind::jump || kind == StepKind::branch || kind == StepKind::count; }

const char *name_of(SlotKind kind) {
  static constexpr const char *names[] = {"input", "output", "constant", "workspace", "value"};
  return names[int(kind)];
}

class Reader {
 public:
  Reader(const Json &manifest, LoadedProgram &into) : manifest_(manifest), into_(into), program_(*into.program) {}

  void buffers(std::string_view constants) {
    for (auto &t : manifest_["inputs"].items()) into_.inputs.push_back(read_buffer_type(t));
    for (auto &t : manifest_["outputs"].items()) into_.outputs.push_back(read_buffer_type(t));
    program_.inputs = int64_t(into_.inputs.size());
    program_.outputs = int64_t(into_.outputs.size());
    program_.values = size_of(manifest_["values"]);
    program_.workspace = size_of(manifest_["workspace"]);
    program_.scratch = (size_of(manifest_["scratch"]) + 63) / 64 * 64;
    if (program_.values > int64_t(manifest_["steps"].items().size()) * 1000) fail("more values than steps could make");
    program_.constant_memory = static_cast<char *>(pool_allocate(constants.size() + 64));
    if (!program_.constant_memory) throw Error(JIC_ERROR_MEMORY, "no memory for the constants");
    if (!constants.empty()) std::memcpy(program_.constant_memory, constants.data(), constants.size());
    for (auto &range : manifest_["constants"].items()) {
      uint64_t offset = uint64_t(size_of(range[0])), size = uint64_t(size_of(range[1]));
      if (offset > constants.size() || size > constants.size() - offset) fail("a constant outside the constants");
      program_.constants.push_back(program_.constant_memory + offset);
      constant_sizes_.push_back(int64_t(size));
    }
  }

  void steps() {
    auto &listed = manifest_["steps"].items();
    find_statuses(listed);
    std::vector<int64_t> starts;  // of each step, and of what is put before it
    for (size_t i = 0; i < listed.size(); ++i) {
      starts.push_back(int64_t(program_.steps.size()));
      for (const Json *slot : zeroed_[i]) {
        begin(StepKind::zero, listed[i]);
        buffer(*slot, 8);
        current_.bytes = 8;
        end();
      }
      into_.numbers.push_back(int64_t(program_.steps.size()));
      step(listed[i]);
    }
    starts.push_back(int64_t(program_.steps.size()));
    for (auto &s : program_.steps)
      if (jumps(s.kind)) {
        if (s.to < 0 || s.to >= int64_t(starts.size())) fail("a jump to step " + std::to_string(s.to) + " of " + std::to_string(listed.size()));
        s.to = starts[size_t(s.to)];
      }
    if (program_.values) check_values();
  }

 private:
  Slot slot(const Json &description, int64_t bytes) {
    auto &name = description[0].string();
    int kind = 0;
    while (kind < 5 && name != name_of(SlotKind(kind))) ++kind;
    if (kind == 5) fail("an unknown kind of slot, '" + name + "'");
    Slot made{SlotKind(kind), description[1].integer()};
    auto in = [&](size_t count) { return made.index >= 0 && made.index < int64_t(count); };
    bool holds = false;
    switch (made.kind) {
      case SlotKind::input: holds = in(into_.inputs.size()) && into_.inputs[size_t(made.index)].bytes >= bytes; break;
      case SlotKind::output: holds = in(into_.outputs.size()) && into_.outputs[size_t(made.index)].bytes >= bytes; break;
      case SlotKind::constant: holds = in(constant_sizes_.size()) && constant_sizes_[size_t(made.index)] >= bytes; break;
      case SlotKind::workspace: holds = made.index >= 0 && made.index <= program_.workspace - bytes; break;
      case SlotKind::value: holds = in(size_t(program_.values)); break;
    }
    if (!holds) fail(name + " " + std::to_string(made.index) + " does not hold " + std::to_string(bytes) + " bytes");
    return made;
  }

  void buffer(const Json &description, int64_t bytes) { program_.slots.push_back(slot(description, bytes)); }

  void counter(const Json &description) {
    buffer(description, 8);
    SlotKind kind = program_.slots.back().kind;
    if (kind != SlotKind::workspace && kind != SlotKind::output)
      fail(std::string("a counter in a slot of kind ") + name_of(kind) + ", which programs do not write");
  }

  void begin(StepKind kind, const Json &description) {
    current_ = Step();
    current_.kind = kind;
    current_.first = int64_t(program_.slots.size());
    if (const Json *times = description.find("times")) current_.times = std::clamp<int64_t>(times->integer(), 1, int64_t(1) << 40);
  }

  void end() {
    current_.buffers = int64_t(program_.slots.size()) - current_.first;
    program_.steps.push_back(std::move(current_));
  }

  void copies(const Json &s) {
    current_.bytes = size_of(s["bytes"]);
    current_.cost = current_.bytes / 8;  // about 8 bytes a ns
  }

  void step(const Json &s) {
    auto &op = s["op"].string();
    if (op == "launch") {
      begin(StepKind::launch, s);
      auto &kernel = s["kernel"].string();
      const std::unordered_map<std::string, uintptr_t> none;
      auto &functions = program_.code ? program_.code->functions() : none;
      auto found = functions.find(kernel);
      if (found == functions.end()) throw Error(JIC_ERROR_CODE, "the object has no kernel '" + kernel + "'");
      current_.kernel = reinterpret_cast<Step::Kernel>(found->second);
      for (auto &b : s["buffers"].items()) buffer(b, 0);
      current_.tasks = s["tasks"].integer();
      current_.cost = s["cost"].integer();
    } else if (op == "copy") {
      begin(StepKind::copy, s);
      copies(s);
      buffer(s["from"], current_.bytes);
      buffer(s["to"], current_.bytes);
    } else if (op == "check") {
      begin(StepKind::check, s);
      buffer(s["buffer"], 8);
      current_.message = s["message"].string();
    } else if (op == "bail") {
      begin(StepKind::bail, s);
      buffer(s["buffer"], 1);
      const Json *location = s.find("location");
      if (location && !location->is_null() && !location->string().empty()) current_.message = location->string() + ": ";
      current_.message += s["message"].string();
    } else if (op == "jump") {
      begin(StepKind::jump, s);
      current_.to = s["to"].integer();
    } else if (op == "branch") {
      begin(StepKind::branch, s);
      buffer(s["condition"], 1);
      current_.to = s["to"].integer();
    } else if (op == "set") {
      begin(StepKind::set, s);
      counter(s["slot"]);
      current_.value = s["value"].integer();
    } else if (op == "count") {
      begin(StepKind::count, s);
      counter(s["slot"]);
      buffer(s["limit"], 8);
      current_.to = s["to"].integer();
    } else if (op == "aten") {
      begin(StepKind::aten, s);
      AtenStep call{int64_t(program_.steps.size()), s["callee"].string(), {}};
      for (auto &o : s["operands"].items()) {
        call.operands.push_back(read_buffer_type(o));
        buffer(o["slot"], call.operands.back().bytes);
      }
      for (auto &r : s["results"].items()) {
        int64_t value = r["value"].integer();
        if (value < 0 || value >= program_.values) fail("a result is value " + std::to_string(value) + " of " + std::to_string(program_.values));
        current_.results.push_back(value);
      }
      into_.aten.push_back(std::move(call));
    } else {
      throw Error(JIC_ERROR_UNKNOWN_STEP, "an unknown kind of step, '" + op + "'");
    }
    end();
  }

  // A status buffer belongs to one launch, the last one before its check that writes it. It is cleared right before: until then the memory
  // may hold something else.
  void find_statuses(const std::vector<Json> &listed) {
    zeroed_.resize(listed.size());
    auto same = [](const Json &a, const Json &b) { return a[0].string() == b[0].string() && a[1].integer() == b[1].integer(); };
    auto writes = [&](const Json &s, const Json &status) {
      if (s["op"].string() != "launch") return false;
      auto &all = s["buffers"].items();
      for (size_t k = size_t(std::clamp<int64_t>(s["inputs"].integer(), 0, int64_t(all.size()))); k < all.size(); ++k)
        if (same(all[k], status)) return true;
      return false;
    };
    for (size_t i = 0; i < listed.size(); ++i) {
      if (listed[i]["op"].string() != "check") continue;
      auto &status = listed[i]["buffer"];
      size_t back = i;
      while (back && !writes(listed[back - 1], status)) --back;
      if (!back) fail("no launch writes the status that step " + std::to_string(i) + " checks");
      zeroed_[back - 1].push_back(&status);
    }
  }

  // Some way to a step that reads an ATen result could not lead through the call that makes it.
  void check_values() {
    using Set = std::vector<bool>;
    const size_t count = program_.steps.size();
    std::vector<Set> made(count + 1);  // before each step: the values that exist on all ways; empty where no way leads yet
    made[0] = Set(size_t(program_.values));
    std::vector<size_t> work{0};
    while (!work.empty()) {
      size_t at = work.back();
      work.pop_back();
      if (at >= count) continue;
      const Step &s = program_.steps[at];
      Set here = made[at];
      for (int64_t k = s.first; k < s.first + s.buffers; ++k)
        if (program_.slots[size_t(k)].kind == SlotKind::value && !here[size_t(program_.slots[size_t(k)].index)])
          fail("a step reads value " + std::to_string(program_.slots[size_t(k)].index) + " before it is made");
      for (int64_t r : s.results) here[size_t(r)] = true;
      auto follow = [&](size_t to) {
        Set &there = made[to];
        Set both = there.empty() ? here : there;
        for (size_t v = 0; v < both.size(); ++v) both[v] = both[v] && here[v];
        if (there == both) return;
        there = std::move(both);
        work.push_back(to);
      };
      if (s.kind != StepKind::jump) follow(at + 1);
      if (jumps(s.kind)) follow(size_t(s.to));
    }
  }

  const Json &manifest_;
  LoadedProgram &into_;
  Program &program_;
  std::vector<int64_t> constant_sizes_;
  std::vector<std::vector<const Json *>> zeroed_;  // by step: status buffers to clear before it
  Step current_;
};

}  // namespace

BufferType read_buffer_type(const Json &description) {
  auto &name = description["dtype"].string();
  BufferType type{element_type(name), {}, 0};
  if (!type.element) fail("an unknown dtype, '" + name + "'");
  int64_t bytes = type.element->size();
  bool fits = true;
  for (auto &n : description["shape"].items()) {
    type.shape.push_back(size_of(n));
    fits = fits && !__builtin_mul_overflow(bytes, std::max<int64_t>(1, type.shape.back()), &bytes) && bytes <= kMost;
  }
  if (!fits || type.shape.size() > kMaxOperandRank) fail("a tensor that is too large");
  bool empty = std::find(type.shape.begin(), type.shape.end(), 0) != type.shape.end();
  type.bytes = empty ? 0 : bytes;
  return type;
}

LoadedProgram read_program(const Json &manifest, std::string_view code, std::string_view constants,
                           const std::unordered_map<std::string, uintptr_t> &externals) {
  LoadedProgram loaded;
  loaded.program = std::make_unique<Program>();
  try {
    auto &target = manifest["target"].string();
    if (target != "cpu") fail("a program for '" + target + "', expected 'cpu'");
    if (auto lacking = missing_features(manifest["features"].string()); !lacking.empty())
      throw Error(JIC_ERROR_CPU, "compiled for a CPU with " + joined(lacking) + ", which this one lacks");
    Reader reader(manifest, loaded);
    reader.buffers(constants);
    if (!code.empty()) loaded.program->code = std::make_unique<LoadedObject>(code, externals);
    reader.steps();
  } catch (const JsonError &error) {
    fail(error.what());
  } catch (const LoadError &error) {
    throw Error(JIC_ERROR_CODE, error.what());
  }
  loaded.program->finish();
  return loaded;
}

}  // namespace jic
