// A file mapped for reading.
#pragma once

#include <string>

#include "bytes.hpp"

namespace ct {

class MappedFile {
 public:
  /// Throws Exit::unreadable when the file is missing, unreadable or not a regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  Bytes bytes_;
};

/// Gives pages of a file's mapping back as a walk through it goes on, so that the resident set
/// stays small however large the file is: the page cache has them still. Must not be enabled for
/// memory that is not a file's, which would lose its contents.
class PageDropper {
 public:
  PageDropper(Bytes whole, bool enabled) : whole_(whole), enabled_(enabled) {}
  /// All bytes before `offset` have been used.
  void used_up_to(std::size_t offset);

 private:
  Bytes whole_;
  bool enabled_;
  std::size_t dropped_ = 0;
};

/// XXH3 of a file's mapping, with a small resident set.
uint64_t hash_mapped(Bytes mapped);

}  // namespace ct
