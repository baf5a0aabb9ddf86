// Small pieces of text for messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ct {

/// Shortest text that reads back as the same number: "1e+20", "-9999".
std::string number(double value);
std::string number(float value);

/// "39 %", "0.5 %", "under 0.01 %".
std::string percent(uint64_t part, uint64_t whole);

/// 16 lower-case hexadecimal digits.
std::string hex64(uint64_t value);

/// "(3, 4)".
std::string shape_text(const std::vector<uint64_t>& shape);

/// "what: No such file or directory", from errno.
std::string with_errno(const std::string& what);

}  // namespace ct
