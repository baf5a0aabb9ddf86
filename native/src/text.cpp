#include "text.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace ct {
namespace {

template <class T>
std::string shortest(T value) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

}  // namespace

std::string number(double value) {
  return shortest(value);
}
std::string number(float value) {
  return shortest(value);
}

std::string percent(uint64_t part, uint64_t whole) {
  const double share =
      whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (share > 0.0 && share < 0.01) return "under 0.01 %";
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), share >= 10.0 ? "%.0f %%" : "%.2g %%", share);
  return buffer.data();
}

std::string hex64(uint64_t value) {
  std::array<char, 17> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%016llx", static_cast<unsigned long long>(value));
  return buffer.data();
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::string with_errno(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

}  // namespace ct
