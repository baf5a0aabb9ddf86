#include "input.hpp"

#include "errors.hpp"
#include "generate.hpp"
#include "npy.hpp"
#include "text.hpp"

namespace ct {
namespace {

ArrayView parse_raw(Bytes file, const RawLayout& layout, const std::string& path) {
  if (file.size != layout.info.bytes()) {
    throw Error(Exit::unreadable, "'" + path + "' has " + std::to_string(file.size) +
                                      " bytes, but " + describe(layout.info) + " needs " +
                                      std::to_string(layout.info.bytes()) +
                                      ": correct --dtype or --shape");
  }
  return {layout.info, file};
}

}  // namespace

Input::Input(const InputOptions& options) : name_(options.path) {
  if (options.generate) {
    generated_ = generate_field(*options.generate);
    view_.info = generated_info(*options.generate);
    view_.data = {reinterpret_cast<const std::byte*>(generated_.data()),
                  generated_.size() * sizeof(double)};
    bytes_ = view_.data.size;
    name_ = "the generated field";
    return;
  }
  file_ = std::make_unique<MappedFile>(options.path);
  bytes_ = file_->bytes().size;
  view_ = options.raw ? parse_raw(file_->bytes(), *options.raw, options.path)
                      : parse_npy(file_->bytes(), options.path);
}

}  // namespace ct
