#include "container.h"

#include <cstring>
#include <unordered_set>

#include "crc32.h"
#include "errors.h"

namespace jic {
namespace {

constexpr size_t kEnd = 22, kLocator = 20, kEnd64 = 56, kLocal = 30, kCentral = 46;
constexpr uint64_t kAlign = 64;
constexpr uint16_t kVersion = 45, kDate = 0x21;

[[noreturn]] void damaged(const std::string &what) { throw Error(JIC_ERROR_DAMAGED, "the file is damaged: " + what); }

template <class T> T read(std::string_view at, size_t offset) {
  T value;
  std::memcpy(&value, at.data() + offset, sizeof value);
  return value;
}

// What the writer has written, little-endian.
struct Bytes {
  std::string text;
  Bytes &u16(uint16_t v) { return put(&v, 2); }
  Bytes &u32(uint32_t v) { return put(&v, 4); }
  Bytes &u64(uint64_t v) { return put(&v, 8); }
  Bytes &name(const std::string &s) { return put(s.data(), s.size()); }
  Bytes &put(const void *from, size_t size) {
    text.append(static_cast<const char *>(from), size);
    return *this;
  }
};

bool well_named(std::string_view name) {
  for (char c : name)
    if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::strchr("._/-", c))) return false;
  return !name.empty() && name.find("..") == std::string_view::npos;
}

}  // namespace

Container::Container(std::string_view file) {
  if (file.size() < 4 || file.substr(0, 4) != "PK\3\4") throw Error(JIC_ERROR_NOT_A_MODEL, "not a file that jic has written");
  auto cut = [] { throw Error(JIC_ERROR_CUT_SHORT, "the file was cut short: its directory is missing"); };
  if (file.size() < kEnd + kLocator + kEnd64) cut();
  const uint64_t end64 = file.size() - kEnd - kLocator - kEnd64;
  auto tail = file.substr(end64);
  // One of three signatures is enough: a file that was cut has none of them there.
  bool directory = tail.substr(0, 4) == "PK\6\6" || tail.substr(kEnd64, 4) == "PK\6\7" || tail.substr(kEnd64 + kLocator, 4) == "PK\5\6";
  if (!directory) cut();
  const uint64_t count = read<uint64_t>(tail, 24), size = read<uint64_t>(tail, 40), offset = read<uint64_t>(tail, 48);
  Bytes expected;
  expected.put("PK\6\6", 4).u64(kEnd64 - 12).u16(kVersion).u16(kVersion).u32(0).u32(0).u64(count).u64(count).u64(size).u64(offset);
  expected.put("PK\6\7", 4).u32(0).u64(end64).u32(1);
  expected.put("PK\5\6", 4).u16(0).u16(0).u16(0xffff).u16(0xffff).u32(~0u).u32(~0u).u16(0);
  if (tail != expected.text) damaged("its end record");
  if (offset > end64 || size != end64 - offset) damaged("the place of its directory");

  auto central = file.substr(offset, size);
  std::unordered_set<std::string> names;
  for (uint64_t i = 0, at = 0; i < count || at < size; ++i) {
    if (i >= count || size - at < kCentral) damaged("its directory");
    auto record = central.substr(at);
    uint64_t name_size = read<uint16_t>(record, 28), length = kCentral + name_size + 28;
    if (record.size() < length) damaged("its directory");
    Entry e;
    e.name = std::string(record.substr(kCentral, name_size));
    e.checksum = read<uint32_t>(record, 16);
    e.size = read<uint64_t>(record, kCentral + name_size + 4);
    e.header = read<uint64_t>(record, kCentral + name_size + 20);
    Bytes is;
    is.put("PK\1\2", 4).u16(kVersion).u16(kVersion).u16(0).u16(0).u16(0).u16(kDate).u32(e.checksum).u32(~0u).u32(~0u);
    is.u16(uint16_t(name_size)).u16(28).u16(0).u16(0).u16(0).u32(0).u32(~0u).name(e.name);
    is.u16(1).u16(24).u64(e.size).u64(e.size).u64(e.header);
    if (record.substr(0, length) != is.text) damaged("its directory");
    if (!well_named(e.name)) damaged("an entry's name");
    if (!names.insert(e.name).second) damaged("two entries of the name '" + e.name + "'");
    entries_.push_back(std::move(e));
    at += length;
  }

  uint64_t at = 0;
  for (auto &e : entries_) {
    uint64_t plain = at + kLocal + e.name.size() + 20 + 4, zeros = (kAlign - plain % kAlign) % kAlign;
    Bytes is;
    is.put("PK\3\4", 4).u16(kVersion).u16(0).u16(0).u16(0).u16(kDate).u32(e.checksum).u32(~0u).u32(~0u);
    is.u16(uint16_t(e.name.size())).u16(uint16_t(24 + zeros)).name(e.name);
    is.u16(1).u16(16).u64(e.size).u64(e.size).u16(0x4a50).u16(uint16_t(zeros));
    is.text.append(zeros, '\0');
    if (e.header != at || file.substr(at, is.text.size()) != is.text) damaged("the head of '" + e.name + "'");
    const uint64_t begin = at + is.text.size();
    if (begin > offset || e.size > offset - begin) damaged("the size of '" + e.name + "'");
    e.data = file.substr(begin, e.size);
    at = begin + e.size;
  }
  if (at != offset) damaged("bytes that belong to no entry");
  for (auto &e : entries_)
    if (crc32(e.data.data(), e.data.size()) != e.checksum) damaged("the checksum of '" + e.name + "' does not match");
}

const Container::Entry *Container::find(std::string_view name) const {
  for (auto &e : entries_)
    if (e.name == name) return &e;
  return nullptr;
}

std::string_view Container::operator[](std::string_view name) const {
  const Entry *e = find(name);
  if (!e) throw Error(JIC_ERROR_MANIFEST, "the file has no entry '" + std::string(name) + "'");
  return e->data;
}

}  // namespace jic
