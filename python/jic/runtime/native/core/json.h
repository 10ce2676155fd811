// JSON (RFC 8259), read strictly: no comments, no NaN, no key twice, UTF-8 only.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jic {

// Not JSON, or not of the form that was asked for.
struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Json {
 public:
  enum class Kind { null, boolean, integer, real, string, array, object };

  // Throws JsonError with the byte offset.
  static Json parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }

  // Each throws JsonError if the value is of another kind. An integer fits into 64 bits; a real may be asked of an integer.
  bool boolean() const;
  int64_t integer() const;
  double real() const;
  const std::string &string() const;
  const std::vector<Json> &items() const;
  const std::vector<std::pair<std::string, Json>> &members() const;

  const Json *find(std::string_view key) const;       // null if the object has no such key
  const Json &operator[](std::string_view key) const;  // throws
  const Json &operator[](size_t index) const;          // throws

 private:
  friend class JsonParser;
  void expect(Kind kind, const char *name) const;
  Kind kind_ = Kind::null;
  int64_t integer_ = 0;
  double real_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

}  // namespace jic
