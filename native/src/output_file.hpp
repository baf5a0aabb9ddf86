// A file that appears at its path complete and durable, or not at all.
#pragma once

#include <string>
#include <vector>

#include "bytes.hpp"

namespace ct {

/// Writes to a temporary file beside `path`. `commit` makes it durable and renames it; without it,
/// or when a signal ends the program, the temporary file is removed. One may exist at a time.
class OutputFile {
 public:
  /// Throws Exit::usage when `path` cannot be replaced by a file, Exit::io when nothing can be
  /// written beside it.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void append(Bytes bytes);
  [[nodiscard]] uint64_t position() const { return flushed_ + buffer_.size(); }
  /// Overwrites bytes that were appended before.
  void rewrite(uint64_t offset, Bytes bytes);
  /// Forgets everything from `offset` on.
  void truncate(uint64_t offset);
  /// Reserves `size` bytes on the disk and maps them for writing; nothing may be appended then.
  std::byte* map(uint64_t size);
  void commit();

 private:
  void flush();
  void write_at(uint64_t offset, Bytes bytes) const;
  [[noreturn]] void fail(const char* doing) const;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  bool committed_ = false;
  std::vector<std::byte> buffer_;
  uint64_t flushed_ = 0;
  void* mapping_ = nullptr;
  uint64_t mapped_ = 0;
};

/// Throws Exit::usage when both paths name the same file.
void refuse_same_file(const std::string& input, const std::string& output);

/// Removes the temporary file when SIGTERM, SIGINT or SIGHUP arrives, then dies of that signal.
void install_signal_handlers();

}  // namespace ct
