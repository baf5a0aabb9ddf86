// An array from wherever it comes: .npy, a raw file, or the generator.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mapped_file.hpp"
#include "options.hpp"

namespace ct {

class Input {
 public:
  explicit Input(const InputOptions& options);

  [[nodiscard]] const ArrayView& view() const { return view_; }
  /// Bytes of the file, or of the generated array.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool is_file() const { return file_ != nullptr; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::unique_ptr<MappedFile> file_;
  std::vector<double> generated_;
  ArrayView view_;
  uint64_t bytes_ = 0;
  std::string name_;
};

}  // namespace ct
