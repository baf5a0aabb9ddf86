#include "npy.hpp"

#include <cctype>
#include <optional>

#include "errors.hpp"
#include "text.hpp"

namespace ct {
namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr std::size_t magic_bytes = 6;

/// Reads the Python dictionary that describes the array. Only what numpy.save writes is accepted.
class HeaderReader {
 public:
  HeaderReader(std::string text, std::string path)
      : text_(std::move(text)), path_(std::move(path)) {}

  ArrayInfo read() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        descr_ = descr();
      } else if (key == "fortran_order") {
        fortran_ = boolean();
      } else if (key == "shape") {
        shape_ = tuple();
      } else {
        malformed("the unknown key '" + key + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) malformed("text after its end");
    if (!descr_ || !fortran_ || !shape_) malformed("no 'descr', 'fortran_order' or 'shape'");
    return array_info();
  }

 private:
  [[noreturn]] void malformed(const std::string& found) const {
    throw Error(Exit::unreadable, "'" + path_ + "' is not a readable .npy file: its header has " +
                                      found + "; save it again with numpy.save");
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) malformed(std::string("no '") + c + "' where one is needed");
  }
  std::string quoted() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"'))
      malformed("no quoted word where one is needed");
    const char quote = text_[at_++];
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string::npos) malformed("a quote that does not end");
    std::string word = text_.substr(at_, end - at_);
    at_ = end + 1;
    return word;
  }
  std::string descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw Error(Exit::unsupported, "'" + path_ +
                                         "' holds a structured type; needed is float32 or float64: "
                                         "save one field of it");
    }
    return quoted();
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      const std::string expected = word;
      if (text_.compare(at_, expected.size(), expected) == 0) {
        at_ += expected.size();
        return value;
      }
    }
    malformed("a 'fortran_order' that is neither True nor False");
  }
  uint64_t integer() {
    skip_space();
    const std::size_t begin = at_;
    uint64_t value = 0;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      if (at_ - begin >= 18) malformed("a length that is too large");
      value = value * 10 + static_cast<uint64_t>(text_[at_++] - '0');
    }
    if (at_ == begin) malformed("a shape that is not made of lengths");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote them
    return value;
  }
  std::vector<uint64_t> tuple() {
    std::vector<uint64_t> lengths;
    expect('(');
    while (!accept(')')) {
      lengths.push_back(integer());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return lengths;
  }
  ArrayInfo array_info() const {
    ArrayInfo info;
    const std::string& type = *descr_;
    if (type == "<f4" || type == ">f4") {
      info.dtype = Dtype::float32;
    } else if (type == "<f8" || type == ">f8") {
      info.dtype = Dtype::float64;
    } else {
      throw Error(Exit::unsupported,
                  "'" + path_ + "' holds values of type '" + type +
                      "'; needed is float32 or float64 ('<f4', '>f4', '<f8', '>f8'): "
                      "convert it with numpy's astype");
    }
    info.big_endian = type[0] == '>';
    info.fortran_order = *fortran_;
    info.shape = *shape_;
    if (info.shape.empty() || info.shape.size() > 4) {
      throw Error(Exit::unsupported, "'" + path_ + "' has " + std::to_string(info.shape.size()) +
                                         " dimensions; needed are 1 to 4: reshape it");
    }
    if (!size_is_sane(info.shape)) malformed("the impossible shape " + shape_text(info.shape));
    return info;
  }

  std::string text_;
  std::string path_;
  std::size_t at_ = 0;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_;
  std::optional<std::vector<uint64_t>> shape_;
};

[[noreturn]] void not_npy(const std::string& path, const std::string& why) {
  throw Error(Exit::unreadable, "'" + path + "' is not a readable .npy file: " + why +
                                    "; for a raw file give --dtype and --shape");
}

}  // namespace

ArrayView parse_npy(Bytes file, const std::string& path) {
  if (file.size < 10 || std::memcmp(file.data, magic, magic_bytes) != 0) {
    not_npy(path, "it does not begin with numpy's magic");
  }
  const int version = std::to_integer<int>(file.data[6]);
  if (version != 1 && version != 2) {
    throw Error(Exit::unsupported,
                "'" + path + "' is .npy version " + std::to_string(version) +
                    "; versions 1 and 2 are handled: save it again with numpy.save");
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t begin = 8 + length_bytes;
  if (file.size < begin) not_npy(path, "it ends within its header");
  uint32_t length = 0;
  std::memcpy(&length, file.data + 8, length_bytes);
  if (length > file.size - begin) not_npy(path, "it ends within its header");
  std::string text(reinterpret_cast<const char*>(file.data + begin), length);
  const ArrayInfo info = HeaderReader(std::move(text), path).read();
  const Bytes data = file.from(begin + length);
  if (data.size != info.bytes()) {
    throw Error(Exit::unreadable, "'" + path + "' holds " + std::to_string(data.size) +
                                      " bytes of data, but " + describe(info) + " needs " +
                                      std::to_string(info.bytes()) +
                                      ": the file is truncated or its header is wrong");
  }
  return {info, data};
}

std::string npy_header(const ArrayInfo& info) {
  std::string text = "{'descr': '";
  text += info.big_endian ? '>' : '<';
  text += info.dtype == Dtype::float32 ? "f4" : "f8";
  text += "', 'fortran_order': ";
  text += info.fortran_order ? "True" : "False";
  text += ", 'shape': " + shape_text(info.shape) + ", }";
  // NumPy leaves room for the slowest length to grow to 20 digits, then pads to 64 bytes.
  const uint64_t growing = info.fortran_order ? info.shape.back() : info.shape.front();
  text += std::string(21 - std::to_string(growing).size(), ' ');
  const std::size_t unpadded = 10 + text.size() + 1;
  text += std::string((64 - unpadded % 64) % 64, ' ') + '\n';
  std::string header(magic, magic_bytes);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace ct
