#include "elf.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace jic {
namespace {

// The parts of the ELF format that a relocatable 64-bit object uses (from the System V ABI).
struct FileHeader {
  unsigned char ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, phoff, shoff;
  uint32_t flags;
  uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct SectionHeader {
  uint32_t name, type;
  uint64_t flags, addr, offset, size;
  uint32_t link, info;
  uint64_t align, entsize;
};
struct Symbol {
  uint32_t name;
  unsigned char info, other;
  uint16_t section;
  uint64_t value, size;
};
struct Relocation {
  uint64_t offset;
  uint64_t info;
  int64_t addend;
};
static_assert(sizeof(FileHeader) == 64 && sizeof(SectionHeader) == 64 && sizeof(Symbol) == 24 && sizeof(Relocation) == 24);

enum : uint32_t { kSymtab = 2, kRela = 4, kNobits = 8, kRel = 9, kInitArray = 14 };
enum : uint64_t { kWrite = 1, kAlloc = 2, kExec = 4, kTls = 0x400 };
enum : uint16_t { kUndefined = 0, kAbsolute = 0xfff1, kCommon = 0xfff2, kExtendedIndex = 0xffff };
enum : unsigned { kFunction = 2, kSectionSymbol = 3, kIndirect = 10 };
enum : uint32_t {
  R_64 = 1, R_PC32 = 2, R_GOT32 = 3, R_PLT32 = 4, R_GOTPCREL = 9, R_32 = 10, R_32S = 11, R_PC64 = 24, R_GOTPCRELX = 41, R_REX_GOTPCRELX = 42
};
constexpr uint16_t kMachineX86 = 62;
constexpr uint64_t kLargest = uint64_t(1) << 31;
constexpr uint64_t kStub = 16;

[[noreturn]] void fail(const std::string &what) { throw LoadError(what); }

// Everything read from the file goes through here, so that no offset leads outside it.
struct Reader {
  std::string_view bytes;

  std::string_view range(uint64_t offset, uint64_t size, const char *what) const {
    if (offset > bytes.size() || size > bytes.size() - offset) fail(std::string("the object's ") + what + " lies outside the file");
    return bytes.substr(offset, size);
  }
  template <class T> T at(uint64_t offset, const char *what) const {
    T value;
    std::memcpy(&value, range(offset, sizeof(T), what).data(), sizeof(T));
    return value;
  }
  template <class T> std::vector<T> array(uint64_t offset, uint64_t size, const char *what) const {
    auto raw = range(offset, size, what);
    std::vector<T> values(raw.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
    return values;
  }
};

std::string name_at(std::string_view table, uint64_t offset) {
  if (offset >= table.size()) fail("a symbol's name lies outside the string table");
  auto rest = table.substr(offset);
  auto end = rest.find('\0');
  if (end == std::string_view::npos) fail("a symbol's name does not end");
  rest = rest.substr(0, end);
  for (unsigned char c : rest)
    if (c >= 0x80) fail("a symbol's name is not ASCII");
  return std::string(rest);
}

uintptr_t find_external(const std::string &name, const std::unordered_map<std::string, uintptr_t> &externals) {
  if (auto it = externals.find(name); it != externals.end()) return it->second;
  if (void *address = dlsym(RTLD_DEFAULT, name.c_str())) return uintptr_t(address);
  static void *libm = dlopen("libm.so.6", RTLD_LAZY | RTLD_LOCAL);
  if (libm)
    if (void *address = dlsym(libm, name.c_str())) return uintptr_t(address);
  return 0;
}

uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

}  // namespace

LoadedObject::LoadedObject(std::string_view bytes, const std::unordered_map<std::string, uintptr_t> &externals) {
  Reader file{bytes};
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "\xcf\xfa\xed\xfe", 4) == 0) fail("a Mach-O object; this runtime loads ELF objects only");
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "\x7f" "ELF", 4) != 0) fail("not an ELF object");
  auto header = file.at<FileHeader>(0, "header");
  if (header.ident[4] != 2 || header.ident[5] != 1) fail("not a 64-bit little-endian object");
  if (header.type != 1) fail("not a relocatable object (ELF type " + std::to_string(header.type) + ")");
#if defined(__x86_64__)
  if (header.machine != kMachineX86) fail("an object for another machine (ELF machine " + std::to_string(header.machine) + ")");
#else
  fail("this build of the runtime loads x86-64 objects only");
#endif
  if (header.shentsize != sizeof(SectionHeader)) fail("a section header of unknown size");
  auto sections = file.array<SectionHeader>(header.shoff, uint64_t(header.shnum) * sizeof(SectionHeader), "section table");

  const uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  const SectionHeader *symbol_table = nullptr;
  for (auto &s : sections) {
    if (s.type == kSymtab) symbol_table = &s;
    if (s.type == kRel) fail("relocations without addends");
    if ((s.flags & kAlloc) && (s.flags & kTls)) fail("thread-local data");
    if ((s.flags & kAlloc) && s.type == kInitArray && s.size) fail("static constructors");
    if (s.align & (s.align - 1)) fail("a section's alignment is not a power of two");
    if (s.align > page) fail("a section's alignment exceeds a page");
  }
  if (!symbol_table) fail("the object has no symbols");
  auto symbols = file.array<Symbol>(symbol_table->offset, symbol_table->size, "symbol table");
  if (symbol_table->link >= sections.size()) fail("the symbol table names no string table");
  auto &string_section = sections[symbol_table->link];
  auto strings = file.range(string_section.offset, string_section.size, "string table");

  std::vector<std::vector<Relocation>> relocations(sections.size());
  uint64_t relocation_count = 0;
  for (auto &s : sections)
    if (s.type == kRela) {
      if (s.info >= sections.size()) fail("relocations of a section that does not exist");
      if (!(sections[s.info].flags & kAlloc)) continue;
      auto read = file.array<Relocation>(s.offset, s.size, "relocations");
      relocation_count += read.size();
      auto &into = relocations[s.info];
      into.insert(into.end(), read.begin(), read.end());
    }

  // Layout: code and stubs, read-only data and the table of addresses (GOT), writable data; each from a fresh page.
  constexpr uint64_t kAbsent = ~uint64_t(0);
  std::vector<uint64_t> place(sections.size(), kAbsent);
  uint64_t end = 0, bounds[4] = {};
  auto grow = [&](uint64_t size, uint64_t align) {
    uint64_t at = align_up(end, align ? align : 1);
    if (size > kLargest || at + size > kLargest) fail("the object is larger than 2 GiB");
    end = at + size;
    return at;
  };
  uint64_t stubs = 0, got = 0;
  const uint64_t slots = symbols.size();
  for (int group = 0; group < 3; ++group) {
    end = align_up(end, page);
    bounds[group] = end;
    for (size_t i = 0; i < sections.size(); ++i) {
      auto &s = sections[i];
      if (!(s.flags & kAlloc)) continue;
      int wanted = s.flags & kExec ? 0 : s.flags & kWrite ? 2 : 1;
      if (wanted != group) continue;
      if (s.type != kNobits) file.range(s.offset, s.size, "section");
      place[i] = grow(s.size, s.align);
    }
    if (group == 0 && relocation_count) stubs = grow(slots * kStub, kStub);
    if (group == 1 && relocation_count) got = grow(slots * 8, 8);
    if (group == 2)
      for (auto &symbol : symbols)
        if (symbol.section == kCommon) {
          if (symbol.value & (symbol.value - 1) || symbol.value > page) fail("bad alignment of a common symbol");
          uint64_t at = grow(symbol.size, symbol.value);
          symbol.value = at;  // from here on an offset from the base
        }
  }
  end = align_up(end, page);
  bounds[3] = end;
  if (end == 0) fail("the object holds no code");

  void *memory = mmap(nullptr, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory for the code");
  base_ = static_cast<char *>(memory);
  size_ = end;
  // A throwing constructor runs no destructor.
  struct Guard {
    LoadedObject *self;
    bool armed = true;
    ~Guard() {
      if (armed) munmap(self->base_, self->size_);
    }
  } guard{this};

  for (size_t i = 0; i < sections.size(); ++i)
    if (place[i] != kAbsent && sections[i].type != kNobits && sections[i].size)
      std::memcpy(base_ + place[i], bytes.data() + sections[i].offset, sections[i].size);

  // Addresses of symbols; undefined ones are looked up when a relocation needs them.
  std::vector<uintptr_t> address(symbols.size(), 0);
  std::vector<char> known(symbols.size(), 0);
  for (size_t i = 1; i < symbols.size(); ++i) {
    auto &symbol = symbols[i];
    if ((symbol.info & 15) == kIndirect) fail("an indirect function");
    if (symbol.section == kUndefined) continue;
    if (symbol.section == kAbsolute) {
      address[i] = symbol.value;
    } else if (symbol.section == kCommon) {
      address[i] = uintptr_t(base_) + symbol.value;
    } else if (symbol.section == kExtendedIndex || symbol.section >= sections.size()) {
      fail("a symbol of a section that does not exist");
    } else if (place[symbol.section] == kAbsent) {
      continue;
    } else {
      auto &s = sections[symbol.section];
      if (symbol.value > s.size) fail("a symbol outside its section");
      address[i] = uintptr_t(base_) + place[symbol.section] + symbol.value;
      unsigned kind = symbol.info & 15;
      if (kind == kFunction && symbol.info >> 4 && (s.flags & kExec)) functions_[name_at(strings, symbol.name)] = address[i];
    }
    known[i] = 1;
  }
  auto resolve = [&](uint32_t index) {
    if (index >= symbols.size()) fail("a relocation names a symbol that does not exist");
    if (!known[index]) {
      if (index) {
        if (symbols[index].section != kUndefined) fail("a relocation against a section that is not loaded");
        auto name = name_at(strings, symbols[index].name);
        address[index] = find_external(name, externals);
        bool weak = symbols[index].info >> 4 == 2;
        if (!address[index] && !weak) fail("the symbol '" + name + "' is not defined anywhere");
      }
      known[index] = 1;
    }
    return address[index];
  };

  std::vector<char> has_slot(symbols.size(), 0), has_stub(symbols.size(), 0);
  auto slot_of = [&](uint32_t index) {
    uintptr_t at = uintptr_t(base_) + got + uint64_t(index) * 8;
    if (!has_slot[index]) {
      std::memcpy(reinterpret_cast<void *>(at), &address[index], 8);
      has_slot[index] = 1;
    }
    return at;
  };
  auto stub_of = [&](uint32_t index) {
    uintptr_t at = uintptr_t(base_) + stubs + uint64_t(index) * kStub, slot = slot_of(index);
    if (!has_stub[index]) {
      unsigned char code[6] = {0xff, 0x25};  // jmp *[rip + distance]
      int32_t distance = int32_t(int64_t(slot) - int64_t(at + 6));
      std::memcpy(code + 2, &distance, 4);
      std::memcpy(reinterpret_cast<void *>(at), code, 6);
      has_stub[index] = 1;
    }
    return at;
  };

  for (size_t i = 0; i < sections.size(); ++i)
    for (auto &r : relocations[i]) {
      if (place[i] == kAbsent) continue;
      uint32_t type = uint32_t(r.info), index = uint32_t(r.info >> 32);
      bool wide = type == R_64 || type == R_PC64;
      if (sections[i].size < (wide ? 8u : 4u) || r.offset > sections[i].size - (wide ? 8 : 4)) fail("a relocation outside its section");
      char *where = base_ + place[i] + r.offset;
      uintptr_t target = resolve(index), from = uintptr_t(where);
      auto put_distance = [&](uintptr_t to) {
        int64_t distance = int64_t(to + uint64_t(r.addend) - from);
        if (distance != int32_t(distance)) fail("a relative address does not reach '" + name_at(strings, symbols[index].name) + "'");
        int32_t narrow = int32_t(distance);
        std::memcpy(where, &narrow, 4);
      };
      auto inside = [&](uintptr_t a) { return a >= uintptr_t(base_) && a < uintptr_t(base_) + size_; };
      switch (type) {
        case 0: break;
        case R_64: {
          uint64_t value = target + uint64_t(r.addend);
          std::memcpy(where, &value, 8);
          break;
        }
        case R_PC64: {
          uint64_t value = target + uint64_t(r.addend) - from;
          std::memcpy(where, &value, 8);
          break;
        }
        case R_PC32: put_distance(target); break;
        case R_PLT32: put_distance(inside(target) ? target : stub_of(index)); break;
        case R_GOTPCREL:
        case R_GOTPCRELX:
        case R_REX_GOTPCRELX: put_distance(slot_of(index)); break;
        case R_32:
        case R_32S: fail("an absolute 32-bit address: the object must be compiled as position-independent code");
        default: fail("unsupported relocation type " + std::to_string(type));
      }
    }

  auto protect = [&](int group, int rights) {
    uint64_t size = bounds[group + 1] - bounds[group];
    if (size && mprotect(base_ + bounds[group], size, rights)) fail("the system does not allow executable memory");
  };
  protect(0, PROT_READ | PROT_EXEC);
  protect(1, PROT_READ);
  guard.armed = false;
}

LoadedObject::~LoadedObject() {
  if (base_) munmap(base_, size_);
}

}  // namespace jic
