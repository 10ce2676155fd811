#include "json.h"

#include <locale.h>

#include <cmath>
#include <cstdlib>
#include <unordered_set>

namespace jic {
namespace {

constexpr int kDeepest = 100;

// A locale that has a decimal point, whatever the program's own has.
locale_t plain_locale() {
  static const locale_t made = newlocale(LC_ALL_MASK, "C", nullptr);
  return made;
}

// The length of the UTF-8 character at the front of `s`, or 0: overlong forms, surrogates and what is past U+10FFFF are none.
size_t character(std::string_view s) {
  auto at = [&](size_t i) { return i < s.size() ? unsigned(static_cast<unsigned char>(s[i])) : 0u; };
  auto follows = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) { return at(i) >= low && at(i) <= high; };
  unsigned c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return follows(1) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) return follows(1, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  if (c >= 0xf0 && c <= 0xf4)
    return follows(1, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

void append(std::string &to, uint32_t code) {
  auto put = [&](uint32_t byte) { to.push_back(char(byte)); };
  auto tail = [&](int shift) { put(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), tail(0);
  if (code < 0x10000) return put(0xe0 | code >> 12), tail(6), tail(0);
  put(0xf0 | code >> 18), tail(12), tail(6), tail(0);
}

}  // namespace

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Json whole() {
    Json made = value(0);
    space();
    if (at_ != text_.size()) fail("text after the value");
    return made;
  }

 private:
  [[noreturn]] void fail(const char *what) const { throw JsonError(std::string("not JSON: ") + what + " at byte " + std::to_string(at_)); }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) fail("an unknown word");
    at_ += w.size();
  }

  Json value(int depth) {
    if (depth > kDeepest) fail("too many levels");
    space();
    Json v;
    switch (peek()) {
      case '{': object(v, depth); break;
      case '[': array(v, depth); break;
      case '"': v.kind_ = Json::Kind::string, v.string_ = string(); break;
      case 't': v.kind_ = Json::Kind::boolean, v.integer_ = 1, word("true"); break;
      case 'f': v.kind_ = Json::Kind::boolean, word("false"); break;
      case 'n': word("null"); break;
      default: number(v);
    }
    return v;
  }

  void object(Json &v, int depth) {
    v.kind_ = Json::Kind::object;
    std::unordered_set<std::string> seen;
    ++at_;
    space();
    if (take('}')) return;
    do {
      space();
      std::string key = string();
      if (!seen.insert(key).second) fail("a key twice");
      space();
      if (!take(':')) fail("no colon");
      Json item = value(depth + 1);
      v.members_.emplace_back(std::move(key), std::move(item));
      space();
    } while (take(','));
    if (!take('}')) fail("an object that does not end");
  }

  void array(Json &v, int depth) {
    v.kind_ = Json::Kind::array;
    ++at_;
    space();
    if (take(']')) return;
    do {
      v.items_.push_back(value(depth + 1));
      space();
    } while (take(','));
    if (!take(']')) fail("an array that does not end");
  }

  void number(Json &v) {
    size_t begin = at_;
    auto digits = [&] {
      size_t first = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      if (at_ == first) fail("no value");
    };
    bool negative = take('-'), whole = true;
    if (!take('0')) digits();
    if (take('.')) digits(), whole = false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_, whole = false;
      if (!take('+')) take('-');
      digits();
    }
    std::string text(text_.substr(begin, at_ - begin));
    if (whole) {
      int64_t n = 0;
      bool fits = true;
      for (size_t i = negative; fits && i < text.size(); ++i) {
        int digit = text[i] - '0';
        fits = !__builtin_mul_overflow(n, 10, &n) && !__builtin_add_overflow(n, negative ? -digit : digit, &n);
      }
      if (fits) {
        v.kind_ = Json::Kind::integer;
        v.integer_ = n;
        return;
      }
    }
    v.kind_ = Json::Kind::real;
    v.real_ = strtod_l(text.c_str(), nullptr, plain_locale());
    if (!std::isfinite(v.real_)) fail("a number out of range");
  }

  uint32_t hex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = peek();
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail("a bad escape");
      code = code * 16 + uint32_t(digit);
    }
    return code;
  }

  void escape(std::string &to) {
    static constexpr char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = peek();
    ++at_;
    if (c == 'u') {
      uint32_t code = hex();
      if (code >= 0xd800 && code < 0xdc00) {
        if (!take('\\') || !take('u')) fail("half a character");
        uint32_t low = hex();
        if (low < 0xdc00 || low > 0xdfff) fail("half a character");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      } else if (code >= 0xdc00 && code < 0xe000) {
        fail("half a character");
      }
      return append(to, code);
    }
    for (int i = 0; from[i]; ++i)
      if (from[i] == c) return to.push_back(into[i]);
    fail("a bad escape");
  }

  std::string string() {
    if (!take('"')) fail("no string");
    std::string made;
    for (;;) {
      if (at_ >= text_.size()) fail("a string that does not end");
      char c = text_[at_];
      if (c == '"') break;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c == '\\') {
        ++at_;
        escape(made);
        continue;
      }
      size_t length = character(text_.substr(at_));
      if (!length) fail("bytes that are not UTF-8");
      made.append(text_.substr(at_, length));
      at_ += length;
    }
    ++at_;
    return made;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text) { return JsonParser(text).whole(); }

void Json::expect(Kind kind, const char *name) const {
  static constexpr const char *names[] = {"null", "a boolean", "an integer", "a number", "a string", "an array", "an object"};
  if (kind_ != kind) throw JsonError(std::string(names[int(kind_)]) + ", expected " + name);
}

bool Json::boolean() const { return expect(Kind::boolean, "a boolean"), integer_ != 0; }
int64_t Json::integer() const { return expect(Kind::integer, "an integer"), integer_; }
double Json::real() const {
  if (kind_ == Kind::integer) return double(integer_);
  return expect(Kind::real, "a number"), real_;
}
const std::string &Json::string() const { return expect(Kind::string, "a string"), string_; }
const std::vector<Json> &Json::items() const { return expect(Kind::array, "an array"), items_; }
const std::vector<std::pair<std::string, Json>> &Json::members() const { return expect(Kind::object, "an object"), members_; }

const Json *Json::find(std::string_view key) const {
  for (auto &[name, value] : members())
    if (name == key) return &value;
  return nullptr;
}

const Json &Json::operator[](std::string_view key) const {
  if (const Json *found = find(key)) return *found;
  throw JsonError("no field '" + std::string(key) + "'");
}

const Json &Json::operator[](size_t index) const {
  if (index >= items().size()) throw JsonError("an array of " + std::to_string(items_.size()) + " items, expected more");
  return items_[index];
}

}  // namespace jic
