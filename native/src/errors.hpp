// Every failure that is not a bug is an Error with the exit code it ends in.
#pragma once

#include <stdexcept>
#include <string>

namespace ct {

/// Exit codes of the executable; documented in docs/reference/compress-task.md.
enum class Exit : int {
  ok = 0,
  usage = 2,           ///< an option or parameter cannot be used
  unreadable = 3,      ///< the input is missing, or is not what it should be
  unsupported = 4,     ///< a type, shape or content that is not handled
  bound_violated = 5,  ///< the promised error bound does not hold
  io = 6,              ///< writing, memory or the file system failed
  corrupt = 7,         ///< a compressed file is damaged or foreign
};

class Error : public std::runtime_error {
 public:
  Error(Exit code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] Exit code() const noexcept { return code_; }

 private:
  Exit code_;
};

}  // namespace ct
